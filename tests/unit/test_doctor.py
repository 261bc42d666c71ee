"""The doctor's checks over facts that no test machine can bring about."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from python_bot.bitrix.ensure import BOUND_EVENTS, Wish, wanted_fields
from python_bot.doctor.check_reach import OF_THE_BOT
from python_bot.doctor.checks import check
from python_bot.doctor.facts import (
    AccountState,
    ArchiveState,
    Facts,
    LineSettings,
    MachineState,
    PortalState,
    Reach,
    Subject,
    Unit,
    Visit,
)
from python_bot.doctor.findings import Level
from python_bot.doctor.report import report
from python_bot.doctor.together import together
from python_bot.model import Lines
from python_bot.traffic import Answered

URL: Final = "https://bots.example.ru/acme/python_bot/"
NOW: Final = 1_800_000_000.0
ADDRESS: Final = "203.0.113.5"
METHODS: Final = ("GET", "HEAD", "POST")
BOT: Final = 597


def visits(**changes: Any) -> tuple[Visit, ...]:
    rows = [("application", "127.0.0.1"), ("nginx", "127.0.0.1"), ("public", ADDRESS)]
    found = [Visit(hop, method, address, 200, "", "/python_bot/") for hop, address in rows for method in METHODS]  # type: ignore[arg-type]  # literals of the tuple above
    return tuple(replace(visit, **changes) if visit.hop == "public" else visit for visit in found)


HEALTHY: Final = Facts(
    subject=Subject(
        name="acme",
        home=Path("/var/www/b24bots/acme"),
        wish=Wish(URL, "b24bot_acme", "Bot", Lines(ids=(3,)), "webhook"),
        scheme="https",
        host="bots.example.ru",
        unicode_host="bots.example.ru",
        port=443,
        prefix="/acme",
        local_port=18080,
        behind_nginx=True,
        enabled=True,
        api_token="t" * 32,
        journal_days=14,
    ),
    machine=MachineState(
        units=(Unit("s.service", "active", "running", 1, 900.0),),
        disk_used=0.5,
        disk_free_mb=9000,
        memory_free_mb=900,
        nginx_runs=True,
        nginx_cause="",
        nginx_warnings=(),
        linked=True,
        wrong_permissions=(),
        release_python="3.11",
        system_python="3.11",
        logs_with_secrets=(),
        interrupted="",
        disabled=False,
    ),
    reach=Reach((ADDRESS,), (ADDRESS,), (ADDRESS,), visits()),
    portal=PortalState(
        "works",
        token_left_s=1800.0,
        renewable=True,
        scopes=("disk", "im", "imbot", "imopenlines"),
        user_id=1,
        admin=True,
        handlers=tuple((event, URL) for event in (*BOUND_EVENTS, *OF_THE_BOT)),
        bots=((BOT, "b24bot_acme"),),
        lines=(LineSettings(3, "Продажи", wanted_fields(BOT)),),
        test_sent=True,
        test_s=0.4,
        clock_ahead_s=0.2,
        client_refusal="",
    ),
    archive=ArchiveState(
        True,
        verdict="ok",
        bot_id=BOT,
        bot_ids=((BOT, 1),),
        last_event="X",
        last_event_s=7200.0,
        traffic=(Answered("in", "event", 200, "application_token", "ok", 7, NOW - 7200),),
        traffic_s=7199.0,
    ),
    now=NOW,
)


def bad(facts: Facts) -> list[str]:
    return [finding.code for finding in report("acme", check(facts), 0.0).problems]


def with_reach(**changes: Any) -> Facts:
    return replace(HEALTHY, reach=replace(HEALTHY.reach, **changes))


def with_portal(**changes: Any) -> Facts:
    return replace(HEALTHY, portal=replace(HEALTHY.portal, **changes))


def with_machine(**changes: Any) -> Facts:
    return replace(HEALTHY, machine=replace(HEALTHY.machine, **changes))


def with_archive(**changes: Any) -> Facts:
    return replace(HEALTHY, archive=replace(HEALTHY.archive, **changes))


def test_healthy_facts_are_green() -> None:
    assert bad(HEALTHY) == []


STRANGE: Final = "2001:db8::9"
BRIDGE: Final = AccountState(1, "telegram", "Bridge", "working", "", 3, "", "b24bot_acme_telegram1")
HOOK: Final = "https://bots.example.ru/acme/b24/handler?secret=x"
UNKNOWN: Final = PortalState("unreachable", problem="no answer")
CASES: Final[dict[str, tuple[Facts, list[str]]]] = {
    "behind a router": (with_reach(own=("10.0.0.2",)), []),
    "IPv6 leads elsewhere": (
        with_reach(addresses=(ADDRESS, STRANGE), unicode_addresses=(ADDRESS, STRANGE)),
        ["dns_partly"],
    ),
    "two spellings": (with_reach(unicode_addresses=("203.0.113.9",)), ["dns_spellings"]),
    "a resolver that is slow": (with_reach(addresses=None, unicode_addresses=None, visits=visits()[:6]), []),
    "own certificate": (with_reach(visits=visits(untrusted=True, problem="self-signed")), ["tls_untrusted"]),
    "405 outside": (
        replace(with_reach(visits=visits(status=405, arrived_as="")), portal=replace(HEALTHY.portal, test_s=None)),
        ["method_refused"],
    ),
    "another site": (with_reach(visits=visits(arrived_as="")), ["public_astray"]),
    "a firewall": (with_reach(visits=visits(status=0, problem="no answer in time", arrived_as="")), ["public_blocked"]),
    "silence of the network": (with_portal(test_s=None), ["silent_network"]),
    "the queue is slow": (
        replace(with_portal(test_s=None), archive=replace(HEALTHY.archive, last_event_s=60.0, traffic_s=59.0)),
        ["round_trip_late"],
    ),
    "a test that was not possible": (with_portal(test_s=None, test_sent=False), []),
    "no disk scope": (with_portal(scopes=("im", "imbot", "imopenlines")), ["scope_useful"]),
    "no secret": (with_portal(renewable=False), ["token_unrenewable"]),
    "a foreign bot on our line": (
        with_portal(lines=(LineSettings(3, "Продажи", {**wanted_fields(BOT), "WELCOME_BOT_ID": "9"}),)),
        ["line_other_bot"],
    ),
    "a line that is gone": (with_portal(lines=()), ["line_gone"]),
    "a bot left behind": (with_portal(bots=((BOT, "b24bot_acme"), (9, "b24bot_acme_0a1b2c3d"))), ["bot_doubled"]),
    "a bot of today": (with_archive(bot_ids=((9, 1), (BOT, int(NOW) - 60))), ["bot_changed"]),
    "a bot of last year": (with_archive(bot_ids=((9, 1), (BOT, 2))), []),
    "a question refused": (with_portal(lines=None, refusals={"imopenlines.config.list.get": "X"}), ["portal_refused"]),
    "the bot's own events": (
        with_portal(handlers=tuple(row for row in HEALTHY.portal.handlers or () if row[0] != "ONIMBOTMESSAGEADD")),
        ["handler_missing"],
    ),
    "a secret that is mistyped": (with_portal(client_refusal="invalid_client"), ["secret_wrong"]),
    "a secret that was mistyped an hour ago": (
        replace(HEALTHY, portal=PortalState("dead", problem="invalid_client", client_refusal="invalid_client")),
        ["secret_wrong"],
    ),
    "a firewall before the authorization server": (
        with_portal(client_refusal=None, oauth_problem="no answer"),
        ["oauth_unreachable"],
    ),
    "no way out at all": (
        replace(HEALTHY, portal=replace(UNKNOWN, oauth_problem="no answer")),
        ["portal_unreachable"],
    ),
    "a journal that stopped": (with_archive(traffic_s=9000.0), ["journal_gap"]),
    "a journal that was emptied": (with_archive(traffic=(), traffic_s=None), ["journal_gap"]),
    "a first event that is about to be journaled": (with_archive(traffic=(), traffic_s=None, last_event_s=0.4), []),
    "an event older than the journal": (with_archive(traffic=(), traffic_s=None, last_event_s=14.0 * 86_400), []),
    "a journal that is switched off": (
        replace(with_archive(traffic=(), traffic_s=None), subject=replace(HEALTHY.subject, journal_days=0)),
        [],
    ),
    "requests that were refused": (
        with_archive(traffic=(Answered("in", "api", 401, "none", "missing", 99, NOW),), traffic_s=0.0),
        [],
    ),
    "an account that is being connected": (with_archive(accounts=(replace(BRIDGE, state="connecting"),)), []),
    "an account without the portal's events for it": (with_archive(accounts=(BRIDGE,)), ["handler_missing"]),
    "a void token": (
        with_archive(accounts=(replace(BRIDGE, state="failing", problem="Unauthorized"),)),
        ["channel_failing"],
    ),
    "an account that is off": (with_archive(accounts=(replace(BRIDGE, state="off", line_id=None),)), []),
    "a handler of connectors with a secret": (
        replace(
            with_portal(handlers=(*(HEALTHY.portal.handlers or ()), ("ONIMCONNECTORMESSAGEADD", HOOK))),
            subject=replace(HEALTHY.subject, connector_handler=HOOK),
            archive=replace(HEALTHY.archive, accounts=(BRIDGE,)),
        ),
        [],
    ),
    "the portal is busy": (replace(HEALTHY, portal=PortalState("busy", problem="batch: X")), ["portal_busy"]),
    "the portal is away": (replace(HEALTHY, portal=UNKNOWN), ["portal_unreachable"]),
    "a clock that drifts": (with_portal(clock_ahead_s=-45.0), ["clock_drifts"]),
    "a big archive": (with_archive(verdict=None), []),
    "gaps": (with_archive(gaps=3), ["completeness_gaps"]),
    "little memory": (with_machine(memory_free_mb=20), ["memory_low"]),
    "a disk that fills up": (with_machine(disk_used=0.95, disk_free_mb=900), ["disk_low"]),
    "a big disk that is 99 % used": (with_machine(disk_used=0.99, disk_free_mb=90_000), []),
    "another Python": (with_machine(system_python="3.13"), ["python_differs"]),
    "no Python": (with_machine(release_python=""), ["python_missing"]),
    "nginx warns": (with_machine(nginx_warnings=("conflicting server name",)), ["nginx_warns"]),
    "one restart long ago": (with_machine(units=(Unit("s", "active", "running", 9, 4000.0),)), []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_facts_lead_to_this_and_nothing_else(case: str) -> None:
    facts, expected = CASES[case]
    assert bad(facts) == expected


def test_the_subscription_is_the_cause_of_silence_when_it_is_missing() -> None:
    handlers = tuple(row for row in HEALTHY.portal.handlers or () if row[0] != "ONAPPTEST")
    found = report("acme", check(with_portal(test_s=None, handlers=handlers)), 0.0)
    assert [(row.code, row.because) for row in found.findings if row.level is not Level.GREEN] == [
        ("handler_missing", ""),
        ("silent_subscription", "handler_missing"),
    ]


def test_questions_are_asked_side_by_side_and_one_that_fails_holds_nobody() -> None:

    met = threading.Barrier(2)
    never = threading.Event()

    def fails() -> int:
        raise ValueError("no")

    answers = together({"a": lambda: met.wait(5), "b": lambda: met.wait(5), "c": fails, "d": lambda: never.wait(9)}, 1)
    never.set()
    assert answers.keys() == {"a", "b"}
