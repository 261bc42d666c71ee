"""Outgoing webhooks of an instance that is killed or restarted beside receivers that behave badly."""

from __future__ import annotations

import contextlib
import random
import socket

from tests.instance.receivers import (
    Call,
    Receiver,
    hangs,
    redirects,
    says_garbage,
)
from tests.instance.subscribing import ask, instance, new_chats, say, subscribe, told
from tests.support import until


def test_nothing_is_lost_or_disordered_when_the_instance_is_killed() -> None:
    """With receivers beside it that hang, and one that is late, and refuses or breaks off now and then."""
    chance = random.Random(5)

    def is_moody(receiver: Receiver, connection: socket.socket, call: Call) -> None:
        receiver.over.wait(0.02)
        mood = chance.random()
        if mood > 0.05:
            receiver.answer(connection, call, 503 if mood < 0.1 else 200)

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(instance())
        for behave in (hangs, redirects, says_garbage):
            subscribe(server, stack.enter_context(Receiver(behave)))
        receiver = stack.enter_context(Receiver(is_moody))
        made = subscribe(server, receiver, ["dialog.opened", "message.created"])
        chats = [next(new_chats) for _ in range(4)]
        said: dict[int, list[int]] = {chat_id: [] for chat_id in chats}
        for _ in range(4):
            for chat_id in chats:
                said[chat_id] += [say(server, chat_id) for _ in range(6)]
            server.kill()
            server.start()
        path = f"/api/subscriptions/{made['id']}"
        until(lambda: ask(server, "GET", path)["waiting"] == 0, timeout_s=60, what="everything was delivered")
        for chat_id in chats:
            mine = [call for call in receiver.taken if call.json["data"]["dialog"]["chat_id"] == chat_id]
            first_seen = dict.fromkeys(call.json["id"] for call in mine)
            assert list(first_seen) == sorted(first_seen)
            assert mine[0].event == "dialog.opened"
            numbers = dict.fromkeys(number for event, number in told(mine) if event == "message.created")
            assert list(numbers) == said[chat_id]


def test_a_restart_repeats_nothing_and_waits_for_nobody_who_hangs() -> None:
    def is_late(receiver: Receiver, connection: socket.socket, call: Call) -> None:
        receiver.over.wait(0.2)
        receiver.answer(connection, call, 200)

    with instance() as server, Receiver(is_late) as late, Receiver(hangs) as hanging:
        made = subscribe(server, late, ["message.created"])
        subscribe(server, hanging, ["message.created"])
        chats = [next(new_chats) for _ in range(3)]
        said: list[int] = []
        for _ in range(2):
            said += [say(server, chat_id) for chat_id in chats]
            before = len(late.calls)
            until(lambda before=before: len(late.calls) > before and hanging.calls, what="calls are under way")
            server.stop()
            assert server.process is not None and server.process.returncode == 0
            server.start()
        until(lambda: ask(server, "GET", f"/api/subscriptions/{made['id']}")["waiting"] == 0, 30, "all is delivered")
        numbers = [number for _, number in told(late.calls)]
        assert sorted(numbers) == sorted(said)
