"""Everything that is written once for all channels, over a real instance with a tiny messenger."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import at_work, wait_idle
from tests.support import Server, until
from tests.support.server import ROOT
from tests.support.tiny import Postbox

ENV = {"B24BOT_CHANNELS": "tiny=tests.support.tiny", "PYTHONPATH": str(ROOT)}
CONNECTOR = "b24bot_acme_tiny1"


@contextmanager
def connected(line_id: int | None = 3) -> Iterator[tuple[SimulatedPortal, Server, Postbox]]:
    """An instance with one account of the tiny messenger on a line."""
    with Postbox() as box, at_work(env=ENV) as (portal, server):
        server.stop()
        with contextlib.closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
            db.execute(
                "INSERT INTO channel_accounts (channel, external_id, name, line_id, connector_id, created_at)"
                " VALUES ('tiny', 'box-1', 'Our box', ?, ?, 1785312000)",
                (line_id, CONNECTOR),
            )
            db.executemany("INSERT INTO channel_secrets VALUES (1, ?, ?)", box.secrets.items())
        server.start()
        wait_idle(server)
        yield portal, server, box


def chat_texts(portal: SimulatedPortal, chat: str) -> list[str]:
    """What the portal shows of a tiny chat, its own notices left out."""
    return [
        message.text
        for found in portal.chats
        if found.external_chat_id == f"tiny:{chat}"
        for message in found.messages
        if not message.system
    ]


def portal_chat(portal: SimulatedPortal, chat: str) -> int:
    return next(found.chat_id for found in portal.chats if found.external_chat_id == f"tiny:{chat}")


def test_a_client_writes_an_operator_answers_and_both_arrive() -> None:
    with connected() as (portal, server, box):
        box.happens("anna", "Good day!")
        until(lambda: chat_texts(portal, "anna") == ["Good day!"], what="the portal has it")
        chat_id = portal_chat(portal, "anna")
        answer = portal.operator(27).writes(chat_id, "Hello, Anna")
        until(lambda: box.texts("anna"), what="the client has it")
        assert box.texts("anna") == ["[b]Иван Петров:[/b] \nHello, Anna"]
        until(lambda: answer.delivered_as, what="the portal knows that it was delivered")
        assert answer.delivered_as == [box.sent[0]["id"]]
        until(lambda: box.read == ["tiny:anna"], what="the client sees that it was read")
        wait_idle(server)
        assert [row[0] for row in server.sql("SELECT status FROM channel_messages ORDER BY id")] == [
            "sent",
            "delivered",
        ]
        assert json.dumps(server.log()).count(box.token) == 0
