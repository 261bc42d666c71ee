"""Nothing between a messenger and an open line is lost, doubled or out of order, whatever dies in between."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from typing import Any

from python_bot.simulator import SimulatedPortal
from tests.instance.test_relay import HOOK, connected, portal_chat, texts
from tests.support import Server, until
from tests.support.tiny import Postbox

LONG = os.environ.get("CI") == "true" or bool(os.environ.get("B24BOT_LONG_TESTS"))
CHATS = [f"chat{number}" for number in range(10)]
EACH = 20 if LONG else 6  # messages of each chat, each way
KILLS = 2 if LONG else 1


def tell_twice(server: Server, box: Postbox, rows: list[dict[str, Any]], rng: random.Random) -> None:
    """The webhook tells some of what the poll tells too, in any order and now and then again."""
    for _ in range(2):
        chosen = rng.sample(rows, k=len(rows) // 2)
        # In one call the order is the messenger's; across calls and polls it is nobody's.
        body = json.dumps({"updates": sorted(chosen, key=lambda row: row["number"])}).encode()
        try:
            server.request("POST", HOOK, body)
        except OSError:
            time.sleep(0.05)  # we are down, and the messenger's poll tells it


def answers(portal: SimulatedPortal, chat: str) -> list[str]:
    """What operators wrote in a chat, in the portal's order."""
    found = portal.chat(portal_chat(portal, chat))
    return [message.text for message in found.messages if message.author_id == 27]


def test_every_message_arrives_once_and_in_order_though_everybody_dies() -> None:
    rng = random.Random(7)
    with connected() as (portal, server, box):
        for chat in CHATS:
            box.happens(chat, "0")
        until(lambda: all(texts(portal, chat) for chat in CHATS), what="every chat is in the portal")
        operator = portal.operator(27)

        def clients() -> None:
            for number in range(1, EACH):
                for chat in CHATS:
                    box.happens(chat, str(number))
                time.sleep(0.05)

        def operators() -> None:
            for number in range(EACH):
                for chat in CHATS:
                    operator.writes(portal_chat(portal, chat), str(number))
                time.sleep(0.05)

        portal.faults.duplicate_events(EACH * 4)
        portal.faults.shuffle = True
        people = [threading.Thread(target=clients), threading.Thread(target=operators)]
        for person in people:
            person.start()
        for kill in range(KILLS):
            time.sleep(0.4 + kill % 2)
            tell_twice(server, box, list(box.updates), rng)
            with box.lock:
                box.refuse += [500, 503]
                box.drop_after += 2
            portal.faults.down = kill % 2 == 1
            server.kill()
            portal.faults.down = False
            server.start()
        for person in people:
            person.join()
        wanted = [str(number) for number in range(EACH)]

        def is_there() -> bool:
            there = all(len([t for t in texts(portal, chat) if t.isdigit()]) >= 2 * EACH for chat in CHATS)
            return there and all(len(box.texts(chat)) >= EACH for chat in CHATS)

        until(is_there, 90.0, what="everything arrived")
        time.sleep(1.0)  # what comes twice comes now
        for chat in CHATS:
            clients_words = [
                message.text
                for found in portal.chats
                if found.external_chat_id == f"tiny:{chat}"
                for message in found.messages
                if message.author_id == found.client_id
            ]
            assert clients_words == wanted, chat
            assert [text.rpartition("\n")[2] for text in box.texts(chat)] == wanted, chat
            assert answers(portal, chat) == wanted
        left = "SELECT COUNT(*) FROM channel_messages WHERE status IN ('waiting', 'sending', 'failed')"
        until(lambda: server.sql(left) == [(0,)], what="nothing waits")


def test_what_was_said_while_we_were_away_goes_first() -> None:
    chats, quiet = CHATS[:4], CHATS[4]
    with connected() as (portal, server, box):
        for chat in (*chats, quiet):
            box.happens(chat, "0")
        until(lambda: all(texts(portal, chat) for chat in (*chats, quiet)), what="every chat is in the portal")
        assert portal.wait_quiet()
        server.kill()
        for chat in (*chats, quiet):
            portal.operator(27).writes(portal_chat(portal, chat), "1")
        assert portal.wait_quiet()
        server.start()
        for chat in chats:
            portal.operator(27).writes(portal_chat(portal, chat), "2")
        until(lambda: all(len(box.texts(chat)) == 2 for chat in chats), what="everything arrived")
        assert [text.rpartition("\n")[2] for chat in chats for text in box.texts(chat)] == ["1", "2"] * len(chats)
        until(lambda: box.texts(quiet), what="what nothing follows is found at the start, too")
