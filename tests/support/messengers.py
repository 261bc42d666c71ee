"""An instance between a simulated portal, a simulated Avito and a simulated Telegram with a group of topics."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer, Buyer, Seller
from python_bot.simulator.telegram import Bot, Group, Somebody, TelegramServer
from tests.instance.tools import BEARER, at_work, wait_idle
from tests.support import Server

BOT_ID = 1  # the bot's account in the instance
LINE_ID = 3


@dataclass(frozen=True, slots=True)
class World:
    """`line`: whether the shop's messages go to the open line, `topics`: to the group's topics."""

    portal: SimulatedPortal
    server: Server
    avito: AvitoServer
    shop: Seller
    telegram: TelegramServer
    bot: Bot
    group: Group
    manager: Somebody

    def another(self) -> World:
        """Another shop with another group in the same instance: a group takes 20 messages a minute only."""
        group = self.telegram.group(self.bot)
        return replace(self, shop=self.avito.add_shop(), group=group, manager=group.member("Мария"))

    def add(self, *, line: bool = True, topics: bool = False) -> dict[str, Any]:
        """The shop as an account of the instance."""
        client_id, client_secret = self.shop.secrets
        wanted: dict[str, Any] = {"api_client_id": client_id, "api_client_secret": client_secret}
        if line:
            wanted["line_id"] = LINE_ID
        if topics:
            wanted |= {"telegram_bot_id": BOT_ID, "telegram_chat_id": str(self.group.id)}
        answer = self.server.request("POST", "/api/avito/accounts", json.dumps(wanted).encode(), **BEARER)
        assert answer.status == 201, answer.text
        found: dict[str, Any] = answer.json
        return found

    def account(self, account_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get(f"/api/avito/accounts/{account_id}", **BEARER).json
        return found

    def connected(self, *, line: bool = True, topics: bool = False) -> dict[str, Any]:
        """The same, and Avito calls us."""
        account = self.add(line=line, topics=topics)
        wait_idle(self.server)
        found = self.account(account["id"])
        assert (found["state"], found["webhook_enabled"]) == ("working", True), found
        return found

    def in_line(self, buyer: Buyer) -> list[str]:
        """What the portal shows of a chat, its own notices left out: words and files of the client and of the team."""
        return [
            message.text or " ".join(file.name for file in message.files)
            for chat in self.portal.chats
            if chat.external_chat_id == f"av:{buyer.chat.id}"
            for message in chat.messages
            if not message.system or message.params.get("CONNECTOR_MID")
        ]

    def portal_chat(self, buyer: Buyer) -> int:
        return next(chat.chat_id for chat in self.portal.chats if chat.external_chat_id == f"av:{buyer.chat.id}")

    def in_topics(self) -> dict[str, list[str]]:
        """Topic -> what it shows, without the notices of the group itself."""
        return {
            topic.name: [
                message.content.get("text") or message.kind
                for message in self.group.shown(topic)
                if not message.is_service
            ]
            for topic in self.group.topics
        }


@contextmanager
def messengers() -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        avito = stack.enter_context(AvitoServer(limits=False))
        telegram = stack.enter_context(TelegramServer())
        env = {"AVITO_API_URL": avito.url, "TELEGRAM_API_URL": telegram.url}
        portal, server = stack.enter_context(at_work(env=env))
        bot = telegram.add_bot("Bridge")
        group = telegram.group(bot)
        server.stop()
        with contextlib.closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
            db.execute(
                "INSERT INTO channel_accounts (id, channel, external_id, name, connector_id, created_at)"
                " VALUES (?, 'telegram', ?, 'Bridge', 'b24bot_acme_telegram1', 1785312000)",
                (BOT_ID, str(bot.id)),
            )
            db.execute("INSERT INTO channel_secrets VALUES (?, 'token', ?)", (BOT_ID, bot.token))
        server.start()
        wait_idle(server)
        yield World(portal, server, avito, avito.add_shop(), telegram, bot, group, group.member("Мария"))
