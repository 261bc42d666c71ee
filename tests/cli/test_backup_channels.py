"""A backup with channels: what it brings back goes on, and nothing is said twice and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from python_bot.channels.store import TABLES
from python_bot.simulator import SimulatedPortal
from python_bot.simulator.telegram import Client, TelegramServer
from tests.cli.tools import StagedServer, ok
from tests.instance.tools import BEARER, adopt, attach_by_hand, status, wait_idle
from tests.support import until

WAITING: Final = "SELECT COUNT(*) FROM channel_messages WHERE direction = 'in' AND status IN ('waiting', 'sending')"
JOBS: Final = "SELECT COUNT(*) FROM outbox WHERE kind = 'channel.send'"


class World:
    """A shop with a Telegram bot on line 3, and its home where botctl looks for it."""

    def __init__(self, root: Path, portal: SimulatedPortal, api: TelegramServer) -> None:
        self.root, self.portal, self.api = root, portal, api
        self.bot = api.add_bot("Магазин", "shop_bot")
        self.server = StagedServer(root, portal)
        self.server.env["TELEGRAM_API_URL"] = api.url
        adopt(portal, self.server)
        self.server.start()
        until(lambda: (status(self.server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(self.server)
        attach_by_hand(portal)
        body = json.dumps({"token": self.bot.token, "line_id": 3}).encode()
        assert self.server.request("POST", "/api/telegram/bots", body, **BEARER).status == 201
        wait_idle(self.server)
        self.olga: Client = api.client(self.bot, "Olga")

    def client_writes(self, text: str) -> None:
        self.olga.writes(text)
        until(lambda: text in self.texts(), what="the portal has it")

    def operator_writes(self, text: str) -> None:
        said = self.portal.operator(27).writes(self.chat_id, text)
        until(lambda: said.delivered_as, what="it is delivered")

    @property
    def chat_id(self) -> int:
        return next(chat.chat_id for chat in self.portal.chats if chat.external_chat_id == f"tg:{self.olga.id}")

    def texts(self) -> list[str]:
        """What the portal shows, but for its own notices."""
        chats = [chat for chat in self.portal.chats if chat.external_chat_id == f"tg:{self.olga.id}"]
        return [message.text for chat in chats for message in chat.messages if not message.system]

    def read(self) -> list[str]:
        """What the client reads, without the operator's name."""
        return [message.content["text"].rpartition("\n")[2] for message in self.olga.shown]

    def table(self, name: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.server.home}/dialogs.db?mode=ro", uri=True)) as db:
            return sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    with SimulatedPortal() as portal, TelegramServer(limits=False) as api:
        found = World(tmp_path, portal, api)
        try:
            yield found
        finally:
            found.server.stop()


def test_what_waited_in_a_backup_and_what_went_through_after_it_is_said_once(world: World, tmp_path: Path) -> None:
    server, portal = world.server, world.portal
    world.client_writes("Вопрос до копии")
    world.operator_writes("Ответ до копии")
    wait_idle(server)
    portal.faults.down = True
    world.olga.writes("Вопрос, который ждал")
    portal.operator(27).writes(world.chat_id, "Ответ, который ждал")
    until(lambda: server.sql(WAITING) == [(1,)] and server.sql(JOBS) == [(1,)], what="both wait")
    backup = tmp_path / "shop-1.tar.gz"
    ok(world.root, "shop-1", "backup", str(backup))
    portal.faults.down = False
    until(
        lambda: "Вопрос, который ждал" in world.texts() and "Ответ, который ждал" in world.read(), 30, what="both go on"
    )
    world.client_writes("Вопрос после копии")
    world.operator_writes("Ответ после копии")
    wait_idle(server)
    server.stop()
    ok(world.root, "shop-1", "restore", str(backup), "--replace")
    portal.operator(27).writes(world.chat_id, "Ответ в простой")
    world.olga.writes("Вопрос в простой")
    server.start()
    until(
        lambda: "Вопрос в простой" in world.texts() and "Ответ в простой" in world.read(), 30, what="both are through"
    )
    wait_idle(server, 30)
    when = ("до копии", "который ждал", "после копии", "в простой")
    wanted = Counter([*(f"{who}{',' * ('ждал' in t)} {t}" for who in ("Вопрос", "Ответ") for t in when)])
    assert Counter(world.texts()) == wanted
    assert Counter(world.read()) == wanted
    server.api(f"/api/dialogs/{world.chat_id}?refresh=1")
    rows = [row for row in server.messages(world.chat_id) if row["author"]["kind"] in ("client", "operator")]
    assert Counter(row["text"] for row in rows) == wanted
    assert all(row["external"]["message_ids"] for row in rows), (
        "also of what went through while another archive was there"
    )
    assert not (server.home / ".restored").exists()


def test_a_fresh_archive_and_a_rebuilt_one_know_what_went_through_and_a_purge_leaves_nothing(world: World) -> None:
    server = world.server
    world.client_writes("Первый вопрос")
    world.operator_writes("Первый ответ")
    wait_idle(server)
    before = {name: world.table(name) for name in TABLES}
    assert {"channel_accounts", "channel_secrets", "channel_seen", "channel_chats", "channel_message_ids"} <= {
        name for name, rows in before.items() if rows
    }
    server.api("/api/admin/reinit_db", "POST")
    assert {name: world.table(name) for name in TABLES} == before
    world.client_writes("Второй вопрос")
    world.operator_writes("Второй ответ")
    server.api(f"/api/dialogs/{world.chat_id}?refresh=1")  # history tells of the first ones again
    wait_idle(server)
    wanted = ["Первый вопрос", "Первый ответ", "Второй вопрос", "Второй ответ"]
    assert (world.texts(), world.read()) == (wanted, wanted)

    server.stop()
    before = {name: world.table(name) for name in TABLES}
    ok(world.root, "shop-1", "rebuild", "--replace", "--yes")
    assert {name: world.table(name) for name in TABLES} == before
    server.start()
    world.client_writes("Третий вопрос")
    world.operator_writes("Третий ответ")
    wait_idle(server)
    wanted += ["Третий вопрос", "Третий ответ"]
    assert (world.texts(), world.read()) == (wanted, wanted)
    rows = [row for row in server.messages(world.chat_id) if row["author"]["kind"] in ("client", "operator")]
    assert [row["text"] for row in rows] == wanted and all(row["external"]["message_ids"] for row in rows)

    exported = server.get("/api/export", **BEARER).text
    assert f"{world.olga.id}:{world.olga.shown[0].message_id}" in exported and world.bot.token not in exported
    masked = server.get("/api/export?anonymise=1", **BEARER).text
    assert str(world.olga.id) not in masked and "external" not in masked
    server.stop()
    ok(world.root, "shop-1", "purge", "--yes")
    left = [path for path in world.root.rglob("*") if path.is_file() and world.bot.token.encode() in path.read_bytes()]
    assert not server.home.exists() and left == []
