"""`botctl INSTANCE forget --account`: clients of a shop that lives in topics alone, whom the portal does not know."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer, Buyer, Seller
from python_bot.simulator.telegram import Group, TelegramServer, Topic
from tests.cli.test_forget import places
from tests.cli.tools import StagedServer, botctl, ok, shown
from tests.instance.tools import BEARER, wait_idle
from tests.support import until

TABLES = ("channel_chats", "channel_messages", "channel_message_ids", "channel_posts", "channel_topics")


@dataclass(frozen=True)
class Shop:
    server: StagedServer
    seller: Seller
    group: Group
    account_id: int

    @property
    def root(self) -> Path:
        return self.server.layout.root

    def rows_of(self, chat_id: str) -> dict[str, int]:
        """Table -> rows of a chat."""
        of_chat = {"channel_message_ids": "ref IN (SELECT id FROM channel_messages WHERE chat_id = ?)"}
        return {
            table: self.server.sql(f"SELECT COUNT(*) FROM {table} WHERE {of_chat.get(table, 'chat_id = ?')}", chat_id)[
                0
            ][0]
            for table in TABLES
        }

    def topics(self, buyer: Buyer) -> list[Topic]:
        """Of the client and this advert, the deleted ones left out."""
        item = buyer.chat.item
        name = f"{buyer.person.name} · {item.title if item else ''}"
        return [topic for topic in self.group.topics if topic.name == name and not topic.deleted]

    def texts(self, topic: Topic) -> list[str]:
        return [message.content.get("text", "") for message in self.group.shown(topic) if not message.is_service]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with ExitStack() as stack:
        portal = stack.enter_context(SimulatedPortal(limits=False))
        avito, telegram = stack.enter_context(AvitoServer(limits=False)), stack.enter_context(TelegramServer())
        server = StagedServer(tmp_path / "root", portal)
        server.env |= {"AVITO_API_URL": avito.url, "TELEGRAM_API_URL": telegram.url}
        stack.enter_context(server)
        bot, seller = telegram.add_bot("Bridge"), avito.add_shop("Демо Магазин")
        group = telegram.group(bot)
        made = server.request("POST", "/api/telegram/bots", json.dumps({"token": bot.token}).encode(), **BEARER)
        assert made.status == 201, made.text
        client_id, client_secret = seller.secrets
        add = ("shop-1", "avito", "add", "--client-id", client_id, "--secret-file", "-", "--json")
        desk = ("--telegram-bot", str(made.json["id"]), "--telegram-chat", str(group.id))
        account = json.loads(ok(server.layout.root, *add, *desk, stdin=f"{client_secret}\n"))
        until(lambda: seller.subscriptions, what="the webhook is registered")
        yield Shop(server, seller, group, account["id"])


def test_a_client_whom_the_portal_does_not_know_goes_with_all_their_chats(shop: Shop) -> None:
    lena = shop.seller.buyer("Елена Прекрасная", shop.seller.item("Кресло"))
    again = shop.seller.same_buyer(lena, shop.seller.item("Лампа"))
    oleg = shop.seller.buyer("Олег", shop.seller.item("Кресло"))
    for buyer in (lena, again, oleg):
        buyer.writes("Здравствуйте, ещё продаёте?")
    until(lambda: all(any(shop.texts(topic)[1:] for topic in shop.topics(one)) for one in (lena, again, oleg)), 30)
    wait_idle(shop.server)
    chats, olegs = [f"av:{buyer.chat.id}" for buyer in (lena, again)], f"av:{oleg.chat.id}"
    assert all(shop.rows_of(chat)["channel_topics"] for chat in (*chats, olegs))
    with closing(sqlite3.connect(shop.server.home / "dialogs.db", timeout=10)) as db, db:
        db.execute("UPDATE channel_seen SET at = at - 90000")  # a day ago

    account = ("shop-1", "forget", "--account", str(shop.account_id))
    found = shown(shop.root, *account, "--person", str(lena.person.user_id), "--dry-run")
    group, hers = str(shop.group.id).removeprefix("-100"), (*shop.topics(lena), *shop.topics(again))
    assert set(found["topics"]) == {f"https://t.me/c/{group}/{topic.thread_id}" for topic in hers}
    assert (found["known"], found["chats"]) == (True, [])

    with (shop.server.home / "bot.log").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"message": f"refused: {lena.person.name}"}, ensure_ascii=False) + "\n")
    told = ok(shop.root, *account, "--chat", lena.chat.id, "--yes")
    assert "Nothing is left." in told and all(address in told for address in found["topics"])
    for chat in chats:
        assert set(shop.rows_of(chat).values()) == {0}
        assert places(shop.server.home, chat) == []
    for word in (f"av:{lena.person.user_id}", lena.person.name):
        assert places(shop.server.home, word) == [], word
    keys = {row[0] for row in shop.server.sql("SELECT key FROM channel_seen")}
    assert keys.isdisjoint({lena.chat.messages[0].id, again.chat.messages[0].id, *(f"about:{chat}" for chat in chats)})
    assert {oleg.chat.messages[0].id} <= keys and shop.rows_of(olegs)["channel_topics"] == 1

    former = shop.topics(lena)
    lena.writes("Это снова я")
    until(lambda: len(shop.topics(lena)) == 2, 30, what="a topic of its own: the former one belongs to nobody now")
    (new,) = [topic for topic in shop.topics(lena) if topic not in former]
    until(lambda: "Это снова я" in shop.texts(new), what="what is said later is shown")
    oleg.writes("А я ещё жду")
    until(lambda: "А я ещё жду" in shop.texts(shop.topics(oleg)[0]), what="the others are served as before")


def test_somebody_is_named_in_one_way_and_nobody_unknown_is_erased(shop: Shop) -> None:
    for way in (
        (),
        ("--account", "2"),
        ("--chat", "u2i-x"),
        ("--client", "7", "--account", "2"),
        ("--account", "2", "--chat", "u2i-x", "--person", "7"),
    ):
        assert botctl(shop.root, "shop-1", "forget", *way, "--yes").returncode == 2, way
    nobody = ok(shop.root, "shop-1", "forget", "--account", str(shop.account_id), "--chat", "u2i-x", "--yes")
    assert "Nothing is known of the chat av:u2i-x" in nobody
