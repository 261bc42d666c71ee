"""Many messages each way in a bad world: killed again and again, refused, cut off, doubled, polled and called by turns.

In the end each client's words are in the portal once, in their order, and each answer of the team reached its client,
once and in order: a request whose answer never came is looked for before it is made again.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Final

import pytest

from python_bot.simulator.model import Message
from python_bot.simulator.telegram import Client
from tests.instance.test_telegram import World, world_of
from tests.instance.tools import wait_idle
from tests.support import until

IS_LONG: Final = bool(os.environ.get("CI") or os.environ.get("B24BOT_LONG_TESTS"))
CLIENTS, ROUNDS = (50, 20) if IS_LONG else (6, 8)


class Clients(threading.Thread):
    """Write one message each in every round, whether we are there or not."""

    def __init__(self, clients: list[Client], rounds: int, pause_s: float) -> None:
        super().__init__()
        self._clients, self._rounds, self._pause_s = clients, rounds, pause_s

    def run(self) -> None:
        for count in range(self._rounds):
            for client in self._clients:
                client.writes(f"вопрос {count} 👍")
            time.sleep(self._pause_s)


def switch(world: World, polling: bool) -> Callable[[], None]:
    def act() -> None:
        method = "deleteWebhook" if polling else "setWebhook"
        before = len(world.api.calls_of(method))
        answer = world.ask("PATCH", f"/{world.bot_row()['id']}", {"polling": polling})
        assert answer.status == 200, answer.text
        until(lambda: len(world.api.calls_of(method)) > before, what="it is switched")

    return act


def kill(world: World) -> None:
    world.server.kill()
    world.server.start()


@pytest.mark.timeout(240)
def test_each_message_arrives_once_and_in_order_whatever_happens() -> None:
    with world_of(local=True, TG_BOT_TOKEN="{token}", B24_LINE_ID="3", TG_WEBHOOK_SECRET="S3cret_demo-1") as world:
        api, portal = world.api, world.portal
        api.flood.enabled = True
        clients = [api.client(world.bot, f"Клиент {chr(1040 + number % 32)}") for number in range(CLIENTS)]
        until(lambda: world.bot_row()["state"] == "working", what="the bot works")
        writing = Clients(clients, ROUNDS, 1.0 if IS_LONG else 0.4)
        writing.start()
        until(lambda: all(world.texts(client) for client in clients), 60, what="each dialog has begun")
        chats = [world.chat_of(client) for client in clients]
        troubles: list[Callable[[], None]] = [
            lambda: kill(world),
            lambda: api.faults.flood(1, times=5),
            lambda: api.faults.break_down("sendMessage", times=5),
            switch(world, polling=False),
            lambda: api.faults.double_webhooks(10),
            lambda: kill(world),
            lambda: api.faults.lose("request", "sendMessage", times=3),
            lambda: api.faults.lose("answer", "sendMessage", times=3),
            lambda: portal.faults.html(503, times=3),
            switch(world, polling=True),
            lambda: api.faults.lose("answer", "getUpdates", times=2),
            lambda: portal.faults.duplicate_events(10),
            lambda: api.faults.break_down("getUpdates", times=2),
        ]
        chance, answers = random.Random(7), dict[int, list[Message]]()
        for count in range(ROUNDS):
            for chat_id in chats:
                answers.setdefault(chat_id, []).append(portal.operator(27).writes(chat_id, f"ответ {count}"))
            portal.wait_quiet()  # the portal never repeats an event: what is said while we are away, nobody tells us
            trouble = troubles[count % len(troubles)]
            trouble()
            time.sleep(chance.random() * 0.3)
        writing.join()
        portal.faults.clear()
        api.faults.clear()
        until(lambda: all(len(world.texts(client)) >= ROUNDS * 2 for client in clients), 90, what="the portal has all")
        until(lambda: all(each.delivered_as for said in answers.values() for each in said), 90, what="all is delivered")
        wait_idle(world.server, 30)

        asked = [f"вопрос {count} 👍" for count in range(ROUNDS)]
        answered = [f"Иван Петров: \nответ {count}" for count in range(ROUNDS)]
        for client, chat_id in zip(clients, chats, strict=True):
            assert [text for text in world.texts(client) if text.startswith("вопрос")] == asked
            seen = [message.content["text"] for message in client.shown if message.sender is world.bot]
            assert seen == answered
            numbers = {f"{client.id}:{message.message_id}" for message in client.shown}
            assert all(set(each.delivered_as) <= numbers for each in answers[chat_id])
        archive = world.server.messages(chats[0])
        assert sum(row["author"]["kind"] == "client" for row in archive) == ROUNDS
        assert api.pending(world.bot) == []
        assert any(delivery.ok for delivery in api.deliveries), "the webhook was not used"
