"""`botctl INSTANCE journal` and `call`, beside a running instance and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from python_bot.cli.call import nested
from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, create, ok
from tests.instance.tools import adopt, attach_by_hand, auth_file, client_message, status, wait_idle
from tests.support import ROOT, TOKEN, until


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def running(root: Path) -> Iterator[tuple[SimulatedPortal, StagedServer]]:
    with SimulatedPortal() as portal:
        server = StagedServer(root, portal)
        adopt(portal, server)
        with server:
            until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
            wait_idle(server)
            attach_by_hand(portal)
            yield portal, server


Running = tuple[SimulatedPortal, StagedServer]


def test_a_trace_is_a_tree_from_the_event_to_the_answer(root: Path, running: Running) -> None:
    portal, server = running
    chat_id = portal.client("Анна").writes("Добрый день!").chat_id
    wait_idle(server)

    def handed_over() -> list[dict[str, object]]:
        lines = ok(root, "shop-1", "journal", "--chat", str(chat_id), "--kind", "rest", "--json").splitlines()
        return [row for line in lines if (row := json.loads(line))["job"] == "handover"]

    until(handed_over, what="the journal has the hand-over")
    trace = str(handed_over()[-1]["trace_id"])
    out = ok(root, "shop-1", "journal", "--trace", trace).splitlines()
    assert out[0] == f"trace {trace}"
    assert "event      POST /python_bot/  200" in out[1] and "application_token: ok" in out[1]
    assert any(
        line.startswith(("├─ archive: ONIMBOT", "└─ archive: ONIMBOT")) and line.endswith("read") for line in out
    )
    handover = next(i for i, line in enumerate(out) if "handover: done" in line)
    assert "POST /rest/imopenlines.bot.session.operator  200" in out[handover + 1]
    assert f"dialog {chat_id} now: handed over 20" in out[-1] and "no answer of an operator yet" in out[-1]
    data = json.loads(ok(root, "shop-1", "journal", "--trace", trace, "--json"))
    assert data["archived"] and data["dialogs"][0]["chat_id"] == chat_id
    portal.operator(27).writes(chat_id, "Здравствуйте!")
    until(lambda: "answered 20" in ok(root, "shop-1", "journal", "--trace", trace))


def test_a_trace_shows_what_is_planned_and_what_the_portal_said(root: Path, running: Running) -> None:
    _, server = running
    server.request("POST", "/python_bot/", client_message(80_000, 7100, 710), X_Request_Id="planned-trace")

    def out() -> str:
        return botctl(root, "shop-1", "journal", "--trace", "planned-trace").stdout

    until(lambda: "WRONG_CHAT" in out())
    assert "reconcile: waits until 20" in out()
    data = json.loads(ok(root, "shop-1", "journal", "--trace", "planned-trace", "--json"))
    assert [job["kind"] for job in data["waiting"]] == ["reconcile"] and not data["buried"]


def test_requests_are_shown_by_kind_status_and_time(root: Path, running: Running) -> None:
    _, server = running
    server.get("/api/dialogs", X_Request_Id="refused-trace")
    server.get("/nowhere", X_Request_Id="nowhere-trace")
    until(lambda: "nowhere-trace" in ok(root, "shop-1", "journal"))
    refused = ok(root, "shop-1", "journal", "--status", "401", "--kind", "api").splitlines()
    assert refused[-1].endswith("none: missing  token_missing  [refused-trace]")
    assert "nowhere-trace" not in "".join(refused)
    lines = ok(root, "shop-1", "journal", "--status", "4xx", "--since", "1h", "-n", "1").splitlines()
    assert len(lines) == 1 and "[nowhere-trace]" in lines[0]
    done = botctl(root, "shop-1", "journal", "--status", "none")
    assert done.stdout == "" and "No request" in done.stderr


@pytest.mark.parametrize("wrong", [("--status", "6xx"), ("--status", "4"), ("--kind", "nothing"), ("--since", "soon")])
def test_what_cannot_be_understood_is_wrong_usage(root: Path, running: Running, wrong: tuple[str, str]) -> None:
    assert botctl(root, "shop-1", "journal", *wrong).returncode == 2


def test_a_trace_that_nobody_knows_says_what_to_do(root: Path, running: Running) -> None:
    done = botctl(root, "shop-1", "journal", "--trace", "nobody\x1b[31m")
    assert done.returncode == 1 and "Next step:" in done.stderr and "\x1b" not in done.stderr


def test_following_shows_what_comes(root: Path, running: Running) -> None:
    _, server = running
    env = {**os.environ, "B24BOT_ROOT": str(root), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    command = [
        sys.executable,
        "-m",
        "python_bot.cli",
        "shop-1",
        "journal",
        "-f",
        "-n",
        "0",
        "--kind",
        "event",
        "--json",
    ]
    output = root / "followed"
    with output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        numbers = iter(range(100))

        def came() -> bool:
            number = next(numbers)
            body = client_message(70_000 + number, 7000, 700)
            server.request("POST", "/python_bot/", body, X_Request_Id=f"followed-{number}")
            server.get("/nowhere-else")
            return output.stat().st_size > 0

        until(came, 30, what="a line came")
    finally:
        process.send_signal(2)
        assert process.wait(10) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"event"} and rows[0]["trace_id"].startswith("followed-")


# --- call


def test_a_method_is_called_and_its_answer_shown(root: Path, running: Running) -> None:
    portal, _ = running
    bots = json.loads(ok(root, "shop-1", "call", "imbot.bot.list"))["result"]
    (bot,) = bots.values() if isinstance(bots, dict) else bots
    assert int(bot["ID"]) in portal.core.bots
    user = json.loads(ok(root, "shop-1", "call", "app.info"))
    assert set(user) == {"result"}


def test_the_token_is_nowhere_and_the_call_is_in_the_journal(root: Path, running: Running) -> None:
    portal, server = running
    tokens = [str(auth_file(server)[name]) for name in ("access_token", "refresh_token", "application_token")]
    portal.faults.fail("app.info", "SOMETHING_ODD", 400, description=f"Token {tokens[0]} and {TOKEN}")
    done = botctl(root, "shop-1", "call", "app.info")
    assert done.returncode == 1 and "SOMETHING_ODD" in done.stderr
    shown = done.stdout + done.stderr + ok(root, "shop-1", "call", "scope")
    journal = ok(root, "shop-1", "journal", "--json")
    assert not [token for token in (*tokens, TOKEN) if token in shown + journal]
    odd = [row for line in journal.splitlines() if (row := json.loads(line))["error_code"] == "SOMETHING_ODD"]
    assert odd[-1]["job"] == "botctl" and odd[-1]["path"] == "/rest/app.info"


def test_a_dead_access_token_is_refreshed_beside_the_running_instance(root: Path, running: Running) -> None:
    portal, server = running
    before = auth_file(server)["access_token"]
    portal.core.tokens.expire_access()
    ok(root, "shop-1", "call", "scope")
    assert auth_file(server)["access_token"] != before
    portal.client("Борис").writes("Здравствуйте")
    wait_idle(server)
    assert not status(server)["outbox"]["buried"]


def test_the_bots_number_is_added(root: Path, running: Running) -> None:
    portal, server = running
    bot_id = status(server)["portal"]["bot_id"]
    ok(root, "shop-1", "call", "imbot.update", "--bot", "FIELDS[PROPERTIES][NAME]=Архив")
    (update,) = [call for call in portal.calls_of("imbot.update") if str(call.params.get("BOT_ID")) == str(bot_id)][-1:]
    assert update.params["FIELDS"]["PROPERTIES"]["NAME"] == "Архив"
    botctl(root, "shop-1", "call", "imbot.v2.Bot.get", "--bot")
    assert str(portal.calls_of("imbot.v2.Bot.get")[-1].params["botId"]) == str(bot_id)
    assert botctl(root, "shop-1", "call", "imbot.update", "--bot", "BOT_ID=1").returncode == 2


def test_an_instance_that_is_not_installed_says_what_to_do(tmp_path: Path) -> None:
    create(tmp_path)
    done = botctl(tmp_path, "shop-1", "call", "app.info")
    assert done.returncode == 1 and "not installed" in done.stderr and "Next step:" in done.stderr
    done = botctl(tmp_path, "shop-1", "call", "imbot.update", "--bot")
    assert done.returncode == 1 and "Next step:" in done.stderr


def test_parameters_become_a_tree(tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    file.write_text('{"NAME": "Анна", "N": 1}', encoding="utf-8")
    given = ("ID=27", "filter[STATUS]=N=W", "filter[>ID]=5", "select[]=ID", "select[]=TITLE", f"FIELDS=@{file}", "E=")
    assert nested(given) == {
        "ID": "27",
        "filter": {"STATUS": "N=W", ">ID": "5"},
        "select": ["ID", "TITLE"],
        "FIELDS": {"NAME": "Анна", "N": 1},
        "E": "",
    }
    assert nested(("rows[][a]=1", "rows[][a]=2")) == {"rows": [{"a": "1"}, {"a": "2"}]}


@pytest.mark.parametrize(
    "wrong",
    [
        ("ID",),
        ("=5",),
        ("auth=secret",),
        ("access_token=x",),
        ("a=1", "a[b]=2"),
        ("a[b]=2", "a=1"),
        ("a[]=1", "a[b]=2"),
    ],
)
def test_parameters_that_make_no_sense_are_wrong_usage(wrong: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        nested(wrong)


def test_a_method_is_no_path(root: Path, running: Running) -> None:
    for wrong in ("../oauth/token", "user.current?x=1", "user current", ""):
        assert botctl(root, "shop-1", "call", wrong).returncode == 2
    assert botctl(root, "shop-1", "call", "user.get", "F=@/nowhere.json").returncode == 1
