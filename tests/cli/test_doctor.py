"""`botctl INSTANCE doctor`: every fault of an instance and its portal is really made, and the doctor names it first."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from python_bot.cli.doctor import subject_of
from python_bot.doctor.inside import SelfExamination
from python_bot.doctor.visits import look_from_inside
from python_bot.instance import Instance
from python_bot.monitor import Diagnosis
from python_bot.provisioning import inventory
from python_bot.provisioning.paths import Layout
from python_bot.settings import Settings
from python_bot.simulator import App, SimulatedPortal
from tests.cli.tools import StagedServer, botctl
from tests.instance.tools import adopt, wait_idle
from tests.support import until
from tests.support.payloads import CLIENT_ID
from tests.support.server import CLIENT_SECRET, free_port

ELSEWHERE: Final = "https://former.example.ru/python_bot/"


class Shop(NamedTuple):
    root: Path
    portal: SimulatedPortal
    server: StagedServer

    @property
    def app(self) -> App:
        return self.portal.core.apps[CLIENT_ID]

    @property
    def bot_id(self) -> int:
        return max(self.portal.core.bots)

    @property
    def auth(self) -> Path:
        return self.server.home / "auth.json"

    def write(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.server.home / "dialogs.db", timeout=30)) as db, db:
            for statement in statements:
                db.execute(statement)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An installed instance at rest: one client wrote and was handed over."""
    with SimulatedPortal(limits=False) as portal, StagedServer(tmp_path, portal) as server:
        server.install()
        message = portal.client("Анна Смирнова").writes("Добрый день!")
        until(lambda: portal.handed_over(message.chat_id), what="the hand-over")
        wait_idle(server)
        portal.wait_quiet()
        yield Shop(tmp_path, portal, server)


def examined(shop: Shop, *options: str) -> dict[str, Any]:
    done = botctl(shop.root, "shop-1", "doctor", "--json", *options)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["level"] == "green" else 1), done.stderr
    assert found["seconds"] < 10
    return found


def problems(found: dict[str, Any]) -> list[str]:
    """Codes of what is wrong by itself, the root cause first."""
    return [row["code"] for row in found["findings"] if row["level"] != "green" and not row["because"]]


def test_a_healthy_instance_is_green_in_every_section(shop: Shop) -> None:
    found = examined(shop)
    assert (found["level"], problems(found), found["root_cause"]) == ("green", [], None)
    assert {row["section"] for row in found["findings"]} == set("ABCDEFM")
    codes = {row["code"] for row in found["findings"]}
    expected = {"dns_ok", "reach_ok", "handler_ok", "token_ok", "scope_ok", "installer_ok", "round_trip_ok", "bot_ok"}
    expected |= {"lines_ok", "database_ok", "events_seen", "outbox_ok", "completeness_ok", "chats_ok", "log_ok"}
    assert expected <= codes


def test_an_instance_that_fetches_its_events_is_green_without_a_way_in(tmp_path: Path) -> None:
    with SimulatedPortal(limits=False) as portal:
        server = StagedServer(tmp_path, portal)
        env_file = Layout(tmp_path).env_file("shop-1")
        url = "http://nobody.invalid/python_bot/"
        lines = [line for line in env_file.read_text().splitlines() if not line.startswith("B24BOT_PUBLIC_URL=")]
        env_file.write_text("\n".join([*lines, f"B24BOT_PUBLIC_URL={url}", "B24BOT_EVENT_MODE=fetch", ""]))
        server.take_settings()
        adopt(portal, server)
        with server:
            until(lambda: (server.api("/api/admin/status")["portal"] or {}).get("bot_id"), what="registration")
            wait_idle(server)
            found = examined(Shop(tmp_path, portal, server))
    assert problems(found) == [], json.dumps(found, ensure_ascii=False, indent=1)
    assert not {"handler_ok", "round_trip_ok", "dns_ok"} & {row["code"] for row in found["findings"]}


@pytest.mark.parametrize("method", ["profile", "batch", "event.test"])
def test_a_portal_that_is_busy_for_some_seconds_is_asked_again(shop: Shop, method: str) -> None:
    """By its bucket, which all that calls it from one address share: the instance, its neighbours, and the doctor."""
    shop.portal.faults.fail(method, "QUERY_LIMIT_EXCEEDED", 503)
    found = examined(shop)
    assert (found["level"], problems(found)) == ("green", []), json.dumps(found, ensure_ascii=False, indent=1)
    assert "round_trip_ok" in {row["code"] for row in found["findings"]}


def test_a_person_reads_the_cause_first_in_their_language(shop: Shop) -> None:
    line_detached(shop)
    english = botctl(shop.root, "shop-1", "doctor").stdout
    assert "Root cause: dialogs of this line do not reach us" in english and "Next step: botctl shop-1" in english
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("python_bot.cli.doctor.language", lambda: "ru")
        russian = botctl(shop.root, "shop-1", "doctor").stdout
    assert "Причина: диалоги этой линии до нас не доходят" in russian and "на линии 3 (Продажи) нет бота" in russian


# --- faults ------------------------------------------------------------------------------------------------------


def handler_of_another_server(shop: Shop) -> None:
    for handler in shop.portal.core.handlers:
        handler.url = ELSEWHERE


def subscription_missing(shop: Shop) -> None:
    shop.portal.core.unbind(CLIENT_ID, "ONAPPTEST")
    shop.portal.core.unbind(CLIENT_ID, "ONSESSIONSTART")


def bot_deleted(shop: Shop) -> None:
    shop.portal.core.remove_bot(shop.bot_id)  # silently: with its event the instance would mend it at once


def scope_missing(shop: Shop) -> None:
    shop.app.scopes = ("im", "imopenlines", "disk")


def tokens_dead(shop: Shop) -> None:
    shop.portal.core.tokens.access.clear()
    shop.portal.core.tokens.refresh.clear()


def installer_dismissed(shop: Shop) -> None:
    shop.portal.core.users[1].active = False


def line_detached(shop: Shop) -> None:
    shop.portal.line(3).fields["WELCOME_BOT_ENABLE"] = "N"


def welcome_bot_left_reset(shop: Shop) -> None:
    shop.portal.line(3).fields["WELCOME_BOT_LEFT"] = "queue"


def portal_silent(shop: Shop) -> None:
    shop.portal.faults.drop_events(10**6)
    an_hour_ago(shop)


def an_hour_ago(shop: Shop) -> None:
    shop.write("UPDATE journal SET received_at = received_at - 3600")


def another_application_token(shop: Shop) -> None:
    shop.app.application_token = "another-application-token-0123456789"


def never_installed(shop: Shop) -> None:
    shop.auth.unlink()


def expired_without_a_secret(shop: Shop) -> None:
    shop.server.stop()
    env_file = Layout(shop.root).env_file("shop-1")
    env_file.write_text(re.sub(r"(?m)^CLIENT_SECRET=.*\n", "", env_file.read_text()))
    stored = json.loads(shop.auth.read_text())
    shop.auth.write_text(json.dumps({**stored, "expires_at": 1}))
    shop.portal.core.tokens.expire_access()
    shop.server.env.pop("CLIENT_SECRET")
    shop.server.start()


def portal_busy(shop: Shop) -> None:
    shop.portal.faults.fail("batch", "QUERY_LIMIT_EXCEEDED", 503, times=10**6)


def portal_unreachable(shop: Shop) -> None:
    shop.portal.faults.down = True


def clock_off(shop: Shop) -> None:
    shop.portal.clock.advance(600)


def outbox_stuck(shop: Shop) -> None:
    shop.portal.faults.fail("imopenlines.bot.session.operator", "INTERNAL_SERVER_ERROR", times=10**6)
    shop.portal.client("Борис").writes("Есть кто?")
    refused = "SELECT 1 FROM outbox WHERE kind = 'handover' AND last_error <> '' AND claimed_until = 0"
    until(lambda: shop.server.sql(refused), what="the hand-over was tried and waits")
    shop.write("UPDATE outbox SET created_at = created_at - 3600, due_at = due_at + 3600 WHERE attempts > 0")


def jobs_given_up(shop: Shop) -> None:
    shop.write(
        "INSERT INTO outbox (kind, payload, lane, dedupe_key, trace_id, attempts, created_at, due_at, buried_at,"
        " last_error) VALUES ('names', '{}', 'names', 'names', '', 8, 1, 1, 2, 'no answer from the portal')"
    )


def database_damaged(shop: Shop) -> None:
    """While the instance runs, as a failing disk does it."""
    shop.write("PRAGMA wal_checkpoint(TRUNCATE)")
    path = shop.server.home / "dialogs.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\x5a" * 4096 * 8)


def database_no_database(shop: Shop) -> None:
    """The instance finds it so at its start."""
    shop.server.stop()
    (shop.server.home / "dialogs.db").write_bytes(b"\x5a" * 8192)
    shop.server.start()
    wait_idle(shop.server)


def application_removed(shop: Shop) -> None:
    shop.portal.uninstall_app(shop.app)
    until(lambda: 'uninstalled_at": 0' not in shop.auth.read_text(), what="the instance knows of it")


def permissions(shop: Shop) -> None:
    shop.auth.chmod(0o644)


def calls_switched_off(shop: Shop) -> None:
    shop.server.api("/api/admin/disable", "POST")


def secret_in_a_log(shop: Shop) -> None:
    with (shop.server.home / "bot.log").open("a") as log:
        log.write(f"oops {CLIENT_SECRET}\n")


def port_dead(shop: Shop) -> None:
    shop.server.stop()


def several_chats(shop: Shop) -> None:
    shop.write(
        "INSERT INTO dialogs (chat_id, dialog_id, entity_id, connector_id, line_id, client_id, opened_at)"
        " SELECT 999, 'chat999', entity_id, connector_id, line_id, client_id, opened_at FROM dialogs LIMIT 1"
    )


def installer_no_administrator(shop: Shop) -> None:
    shop.portal.core.users[1].admin = False


FAULTS: Final[dict[str, Callable[[Shop], None]]] = {
    "handler_foreign": handler_of_another_server,
    "handler_missing": subscription_missing,
    "bot_missing": bot_deleted,
    "scope_missing": scope_missing,
    "tokens_dead": tokens_dead,
    "installer_dismissed": installer_dismissed,
    "line_detached": line_detached,
    "line_fields": welcome_bot_left_reset,
    "silent_network": portal_silent,
    "silent_receiver": another_application_token,
    "not_installed": never_installed,
    "token_expired": expired_without_a_secret,
    "portal_busy": portal_busy,
    "portal_unreachable": portal_unreachable,
    "clock_wrong": clock_off,
    "outbox_stuck": outbox_stuck,
    "outbox_buried": jobs_given_up,
    "database_damaged": database_damaged,
    "database_set_aside": database_no_database,
    "uninstalled": application_removed,
    "permissions": permissions,
    "disabled": calls_switched_off,
    "log_secret": secret_in_a_log,
    "port_dead": port_dead,
    "chats_doubled": several_chats,
    "installer_plain": installer_no_administrator,
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_named_first_and_nothing_false_is_said(shop: Shop, code: str) -> None:
    FAULTS[code](shop)
    found = examined(shop)
    assert problems(found) == [code], json.dumps(found, ensure_ascii=False, indent=1)
    first = found["findings"][0]
    assert first["evidence"] and first["meaning"] and first["next_step"]


def from_inside(shop: Shop) -> SelfExamination:
    """As the running instance makes it, in this process."""
    layout = Layout(shop.root)
    subject = subject_of(layout, inventory.spec(layout, "shop-1"))
    return SelfExamination(subject, lambda: shop.server.api("/api/admin/arrivals")["arrivals"])


def test_the_running_instance_sees_itself_in_all_but_the_machine(shop: Shop) -> None:
    """The second question of the same moment is answered from the first."""
    examination, before = from_inside(shop), len(shop.portal.calls_of("event.test"))
    found = examination.as_json("en")
    assert (found["level"], problems(found)) == ("green", []), json.dumps(found, ensure_ascii=False, indent=1)
    known = {row["code"] for row in examined(shop)["findings"]}
    assert known - {row["code"] for row in found["findings"]} <= {"unit_ok", "python_ok", "nginx_ok"}
    russian = examination.as_json("ru")
    assert russian["examined_at"] == found["examined_at"] and russian["findings"] != found["findings"]
    assert len(shop.portal.calls_of("event.test")) == before + 2


# A damaged database, a way in that is another's, dead tokens, work that does not go out, files that others may read.
@pytest.mark.parametrize("code", ["handler_foreign", "tokens_dead", "outbox_stuck", "database_damaged", "permissions"])
def test_the_running_instance_names_the_same_cause_of_itself(shop: Shop, code: str) -> None:
    FAULTS[code](shop)
    found = from_inside(shop).as_json("ru")
    assert problems(found) == [code], json.dumps(found, ensure_ascii=False, indent=1)
    assert found["seconds"] < 6


def test_an_instance_that_cannot_reach_its_own_address_says_nothing_of_it(shop: Shop) -> None:
    """Its unit shuts it off from private networks, where its public address may be."""
    layout = Layout(shop.root)
    subject = replace(subject_of(layout, inventory.spec(layout, "shop-1")), port=free_port())
    found = look_from_inside(subject, 2.0, dict)
    assert (found.addresses, found.visits) == (None, ())
    elsewhere = look_from_inside(replace(subject, port=subject.local_port), 2.0, dict)
    assert elsewhere.addresses == ("127.0.0.1",) and not any(visit.arrived_as for visit in elsewhere.visits)


def test_an_instance_that_nobody_asks_has_loaded_nothing_of_the_doctor(tmp_path: Path) -> None:
    code = "import sys, python_bot.app; sys.exit(any(name.startswith('python_bot.doctor') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    instance = Instance(Settings(tmp_path, "t" * 16, "http://xn--e1afmkfd.invalid/acme/python_bot/"))
    try:
        found = Diagnosis(instance, dict)("ru")
    finally:
        instance.close()
    assert {row["code"] for row in found["findings"] if row["level"] == "red"} == {"not_installed", "dns_missing"}


MENDED: Final = ("handler_foreign", "handler_missing", "bot_missing", "line_detached", "line_fields", "permissions")


@pytest.mark.parametrize("code", [*MENDED, "outbox_buried"])
def test_fix_repairs_it_says_so_and_all_is_green_again(shop: Shop, code: str) -> None:
    FAULTS[code](shop)
    found = examined(shop, "--fix")
    assert len(found["repaired"]) == 1 and "not repaired" not in found["repaired"][0]
    until(lambda: set(problems(examined(shop))) <= {"bot_changed"}, 30, what="all is green again")
    assert len(shop.portal.core.bots) == 1


def test_a_bot_that_was_made_anew_is_told_with_its_former_number(shop: Shop) -> None:
    former = shop.bot_id
    bot_deleted(shop)
    found = examined(shop, "--fix")
    row = next(row for row in found["findings"] if row["code"] == "bot_changed")
    assert (row["facts"]["former"], row["facts"]["bot_id"]) == (str(former), str(shop.bot_id))


def test_no_token_and_no_secret_is_shown(shop: Shop) -> None:
    stored = json.loads(shop.auth.read_text())
    for options in ((), ("--json",)):
        said = botctl(shop.root, "shop-1", "doctor", *options)
        for secret in (stored["access_token"], stored["refresh_token"], stored["application_token"], CLIENT_SECRET):
            assert secret not in said.stdout + said.stderr


def test_the_examination_leaves_the_portal_and_the_files_as_they_are(shop: Shop) -> None:
    before = (shop.auth.read_bytes(), list(shop.portal.core.handlers), dict(shop.portal.line(3).fields))
    examined(shop)
    assert (shop.auth.read_bytes(), list(shop.portal.core.handlers), dict(shop.portal.line(3).fields)) == before


def test_an_expired_token_is_renewed_on_the_way(shop: Shop) -> None:
    shop.portal.core.tokens.expire_access()
    found = examined(shop)
    assert found["level"] == "green"
    assert "token_renewed" in {row["code"] for row in found["findings"]}
    assert shop.auth.stat().st_mode & 0o777 == 0o600
