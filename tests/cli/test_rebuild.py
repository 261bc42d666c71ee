"""`botctl INSTANCE rebuild`: compared beside a running instance, put in place while it stands still."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, ok
from tests.instance.tools import adopt, attach_by_hand, status
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


def test_it_equals_the_archive_of_a_running_instance_and_takes_its_place(
    server: StagedServer, portal: SimulatedPortal
) -> None:
    root = server.layout.root
    client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
    chat_id = client.writes("Добрый день!", files=[portal.file("чек.jpg", b"\xff\xd8\xff")]).chat_id
    until(lambda: portal.handed_over(chat_id))
    portal.operator(27).answers(chat_id)
    portal.operator(27).finishes(chat_id)
    until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["complete"], what="the dialog is compared")
    other = portal.client("Борис", connector="telegrambot", line=3, external_id="2").writes("А я?").chat_id
    until(lambda: portal.handed_over(other))
    portal.wait_quiet()
    before = {each: server.api(f"/api/dialogs/{each}") for each in (chat_id, other)}
    done = botctl(root, "shop-1", "rebuild", "--json")
    assert json.loads(done.stdout)["found"] == [] and done.returncode == 0, done.stdout
    assert not (server.home / "rebuild").exists()
    refused = botctl(root, "shop-1", "rebuild", "--replace", "--yes")
    assert refused.returncode == 1 and "end that process" in refused.stderr
    assert {each: server.api(f"/api/dialogs/{each}") for each in (chat_id, other)} == before
    server.stop()
    told = ok(root, "shop-1", "rebuild", "--replace", "--yes")
    (kept,) = server.home.glob("dialogs-*.db")
    assert "They are equal." in told and str(kept) in told and not (server.home / "rebuild").exists()
    server.start()
    assert {each: server.api(f"/api/dialogs/{each}") for each in (chat_id, other)} == before
    assert status(server)["portal"]["bot_id"]
    client.writes("Ещё одно")
    until(lambda: any(m["text"] == "Ещё одно" for m in server.messages(chat_id)), what="it goes on")
    until(lambda: server.api(f"/api/search?q={quote('добрый')}")["messages"], what="the index is built anew")


def test_a_changed_text_is_listed_with_exit_code_1_and_nothing_is_changed(
    server: StagedServer, portal: SimulatedPortal
) -> None:
    root = server.layout.root
    chat_id = portal.client("Анна", connector="telegrambot", line=3, external_id="1").writes("Добрый день!").chat_id
    until(lambda: server.messages(chat_id))
    number = server.messages(chat_id)[0]["message_id"]
    with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
        db.execute("UPDATE messages SET text = 'Иначе' WHERE message_id = ?", (number,))
    done = botctl(root, "shop-1", "rebuild")
    assert done.returncode == 1 and f"texts: 1\n  chat {chat_id}: {number}" in done.stdout
    assert server.messages(chat_id)[0]["text"] == "Иначе"
    assert botctl(root, "shop-1", "rebuild", "--replace", "--compare").returncode == 2
    assert botctl(root, "shop-1", "rebuild", "--replace").returncode == 1  # nobody can be asked
