"""Figures of a Telegram bot: how long a message takes through us each way, and what a bot costs in memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.telegram import Bot, TelegramServer
from tests.support import Server, until

from . import servers
from .figure import Figure

PAUSE_S = 1.1  # between messages: slower than every limit, so that nothing but our own time is measured


@contextmanager
def _world() -> Iterator[tuple[SimulatedPortal, TelegramServer, Bot]]:
    """An instance with a bot on a line, polled, against a portal and a messenger that answer at once."""
    with TelegramServer() as api, SimulatedPortal(limits=True) as portal:
        bot = api.add_bot()
        env = {"TELEGRAM_API_URL": api.url, "TG_BOT_TOKEN": bot.token, "B24_LINE_ID": "3", "PYTHONWARNINGS": ""}
        with Server(portal, env=env) as server:
            server.install()
            until(lambda: api.calls_of("getUpdates") and portal.calls_of("imconnector.status"), 60, "it is connected")
            time.sleep(5)  # the pace's burst is whole again after the set-up
            yield portal, api, bot


def telegram_in(seconds: float) -> Figure:
    """Clients one after the other: from the moment the messenger has the words to the arrival of our call."""
    delays: list[float] = []
    with _world() as (portal, api, bot):
        client = api.client(bot, "Ольга")
        for number in range(max(8, int(seconds))):
            before = len(portal.calls_of("imconnector.send.messages"))
            began = time.time()
            client.writes(f"вопрос {number}")
            until(lambda n=before: len(portal.calls_of("imconnector.send.messages")) > n)  # type: ignore[misc]  # no type is inferred for a lambda's default
            delays.append(portal.calls_of("imconnector.send.messages")[before].at - began)
            time.sleep(PAUSE_S)
    value = 1000 * statistics.median(delays)
    return Figure(
        "client writes in Telegram → the portal has it, median ms", f"{value:.1f} ms", "–", value, 50.0, False
    )


def telegram_out(seconds: float) -> Figure:
    """An operator's answers one after the other: from the portal's event to the arrival of our call."""
    delays: list[float] = []
    with _world() as (portal, api, bot):
        client = api.client(bot, "Ольга")
        client.writes("Здравствуйте!")
        chat_id = until(lambda: next((c.chat_id for c in portal.chats if c.external_chat_id == f"tg:{client.id}"), 0))
        for number in range(max(8, int(seconds))):
            before = len(api.calls_of("sendMessage"))
            began = time.time()
            portal.operator(27).writes(chat_id, f"ответ {number}")
            until(lambda n=before: len(api.calls_of("sendMessage")) > n)  # type: ignore[misc]  # no type is inferred for a lambda's default
            delays.append(api.calls_of("sendMessage")[before].at - began)
            time.sleep(PAUSE_S)
    value = 1000 * statistics.median(delays)
    return Figure("operator answers → Telegram has it, median ms", f"{value:.1f} ms", "–", value, 50.0, False)


def telegram_memory(seconds: float) -> Figure:
    """An idle instance with a bot that has carried a message each way, and one that has no bot."""
    with SimulatedPortal() as portal, Server(portal, env={"PYTHONWARNINGS": ""}) as server:
        server.install()
        portal.client("Анна", connector="telegrambot", line=3, external_id="1").writes("Добрый день!")
        until(lambda: server.messages(), what="the message is archived")
        time.sleep(3)
        assert server.process is not None
        without = servers.pss_mib(server.process.pid)
    with TelegramServer() as api, SimulatedPortal() as portal:
        bot = api.add_bot()
        env = {"TELEGRAM_API_URL": api.url, "TG_BOT_TOKEN": bot.token, "B24_LINE_ID": "3", "PYTHONWARNINGS": ""}
        with Server(portal, env=env) as server:
            server.install()
            client = api.client(bot, "Ольга")
            client.writes("Здравствуйте!")
            chat = until(lambda: next((c.chat_id for c in portal.chats if c.external_chat_id == f"tg:{client.id}"), 0))
            answer = portal.operator(27).writes(chat, "Да")
            until(lambda: answer.delivered_as, what="the answer is delivered")
            time.sleep(3)
            assert server.process is not None
            mine = servers.pss_mib(server.process.pid)
    return Figure(
        "memory of an idle instance with a Telegram bot, PSS / without one",
        f"{mine:.1f} MiB",
        f"{without:.1f} MiB",
        mine / without,
        1.2,
        False,
    )
