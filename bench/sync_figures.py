"""How fast the archive catches up with the portal, at the portal's real limits and 150 ms a request."""

from __future__ import annotations

import time

from python_bot.simulator import SimulatedPortal
from tests.support import Server, until

from .figure import Figure

CALL_EVERY_S = 0.5  # the pace: what one call after the other can do at best


def reconciling(seconds: float) -> Figure:
    """Sessions of 22 messages, found and read after a time away; the yardstick reads each with a call of its own."""
    sessions, words = 300, 20
    took, messages = _away(sessions, words)
    mine, naive = messages / took, messages / (sessions * CALL_EVERY_S)
    return Figure(
        f"messages/s found and compared after a time away ({sessions} sessions) / one call per session at 2/s",
        f"{mine:.0f}/s",
        f"{naive:.0f}/s, and nothing found",
        mine / naive,
        5.0,
        True,
    )


def catch_up(seconds: float) -> Figure:
    """1,000 sessions began and ended during an hour away: until each is complete in the archive."""
    took, messages = _away(1000, 2)
    return Figure(
        f"1,000 sessions ({messages} messages) of an hour away are all complete, seconds",
        f"{took:.0f} s",
        f"one call per session at 2/s: {1000 * CALL_EVERY_S:.0f} s",
        took,
        100.0,
        False,
    )


def _away(sessions: int, words: int) -> tuple[float, int]:
    """Seconds from the start of the instance until all sessions that it missed are complete; their messages."""
    with SimulatedPortal(limits=True, latency_s=0.15) as portal, Server(portal) as server:
        server.install()
        seen = portal.client("Анна", connector="telegrambot", line=3, external_id="seen").writes("Добрый день!")
        until(lambda: server.messages(seen.chat_id), what="a session is known")
        server.stop()
        portal.faults.drop_events(10_000_000)
        chats = []
        for number in range(sessions):
            client = portal.client(f"Клиент {number}", connector="telegrambot", line=3, external_id=str(number))
            chats.append(client.writes("Добрый день! Подскажите, пожалуйста, по заказу").chat_id)
            for word in range(words):
                portal.operator(27).writes(chats[-1], f"Ответ {word}: доставка бесплатна, привезём завтра к обеду")
            portal.operator(27).finishes(chats[-1])
        portal.clock.advance(3600)
        started = time.monotonic()
        server.start()
        until(lambda: server.api("/api/admin/status")["archive"]["complete_dialogs"] > sessions, timeout_s=900)
        took = time.monotonic() - started
        if portal.limits.refused:
            raise AssertionError(f"the portal refused {portal.limits.refused} requests")
        return took, sum(len(portal.chat(chat_id).messages) for chat_id in chats)
