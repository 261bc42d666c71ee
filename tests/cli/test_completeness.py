"""`botctl INSTANCE completeness` beside a running instance says what the API says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, ok
from tests.instance.tools import BEARER, adopt, attach_by_hand, client_message, error_code, status
from tests.support import until


@pytest.fixture
def portal() -> Iterator[SimulatedPortal]:
    with SimulatedPortal() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, portal: SimulatedPortal) -> Iterator[StagedServer]:
    found = StagedServer(tmp_path / "root", portal)
    adopt(portal, found)
    with found:
        until(lambda: (status(found)["portal"] or {}).get("bot_id"), what="the bot is registered")
        attach_by_hand(portal)
        yield found


def test_both_count_the_same_and_the_exit_code_tells_what_is_missing(
    server: StagedServer, portal: SimulatedPortal
) -> None:
    client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
    chat_id = client.writes("Добрый день!").chat_id
    until(lambda: portal.handed_over(chat_id))
    portal.operator(27).answers(chat_id)
    portal.operator(27).finishes(chat_id)
    until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["complete"], what="the dialog is compared")
    root = server.layout.root
    done = botctl(root, "shop-1", "completeness", "--json")
    told, api = json.loads(done.stdout), server.api("/api/completeness")
    assert (told["totals"], told["days"]) == (api["totals"], api["days"]) and api["next_cursor"] is None
    (day,) = api["days"]
    assert day["complete"] and day["known"] == day["archived"] >= day["captured"] >= 2 and day["source"] == "history"
    assert done.returncode == int(api["totals"]["gaps"]) == 0
    # Of this one nobody can know how much there was: the portal does not know the chat.
    server.post_event(client_message(900, 77, 9))
    done = botctl(root, "shop-1", "completeness")
    assert done.returncode == 1 and "chat 77  1 of ?  never compared: session 9" in done.stdout
    early = botctl(root, "shop-1", "completeness", "--until", "2020-01-01")
    assert early.returncode == 0 and "chat" not in early.stdout
    assert botctl(root, "shop-1", "completeness", "--since", "gestern").returncode == 2


def test_pages_need_a_token_and_totals_come_first(server: StagedServer) -> None:
    for number in range(3):
        server.post_event(client_message(900 + number, 70 + number, 9 + number))
    first = server.api("/api/completeness?limit=2")
    rest = server.api(f"/api/completeness?limit=2&cursor={first['next_cursor']}")
    assert first["totals"]["archived"] == 3 and rest["totals"] is None and rest["next_cursor"] is None
    assert [row["chat_id"] for row in first["days"] + rest["days"]] == [70, 71, 72]
    assert error_code(server.get("/api/completeness?since=x", **BEARER)) == (400, "bad_parameter")
    assert error_code(server.get("/api/completeness?line_id=3", **BEARER)) == (400, "unknown_parameter")
    assert server.get("/api/completeness").status == 401


def test_verify_shows_what_was_changed_behind_the_instance(server: StagedServer) -> None:
    root = server.layout.root
    server.post_event(client_message(900, 77, 9))
    until(lambda: server.messages(77))
    server.stop()
    with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
        db.execute("DELETE FROM manifests")
        db.execute("UPDATE messages SET changed = changed - 86400000000")
    for path in (server.home / "manifests").glob("*"):
        path.unlink()
    server.start()
    until(lambda: server.sql("SELECT 1 FROM manifests"), what="yesterday's manifest")
    assert json.loads(ok(root, "shop-1", "completeness", "--verify", "--json"))["same"] == 1
    with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
        db.execute("UPDATE messages SET text = 'иначе' WHERE message_id = 900")
    done = botctl(root, "shop-1", "completeness", "--verify")
    assert done.returncode == 1 and "message 900: text, author or time is another" in done.stdout
    (path,) = (server.home / "manifests").glob("*.jsonl")
    path.unlink()
    done = botctl(root, "shop-1", "completeness", "--verify")
    assert done.returncode == 1 and f"{path.name}: the file is missing" in done.stdout
