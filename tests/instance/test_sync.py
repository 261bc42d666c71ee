"""The archive becomes complete by itself: what was missed is found, repaired, and not asked for again."""

from __future__ import annotations

import time
from typing import Any

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, at_work
from tests.support import Server, until

HISTORY = "imopenlines.session.history.get"
CARD = "imopenlines.dialog.get"


def history_calls(portal: SimulatedPortal) -> int:
    return len(portal.calls_of(HISTORY))


def talk(portal: SimulatedPortal, number: int, *, line: int = 3, words: int = 1, end: bool = True) -> int:
    """A conversation from beginning to end; its chat."""
    client = portal.client(f"Клиент {number}", connector="telegrambot", line=line, external_id=f"p{number}")
    chat_id = client.writes(f"Вопрос {number}").chat_id
    for word in range(words):
        portal.operator(27).writes(chat_id, f"Ответ {number}.{word}")
    if end:
        portal.operator(27).finishes(chat_id)
    return chat_id


def truth(portal: SimulatedPortal, chat_id: int) -> list[tuple[Any, ...]]:
    return [
        (m.message_id, m.session_id, m.author_id, m.text, int(m.date), m.edited, m.deleted)
        for m in portal.chat(chat_id).messages
    ]


def archived(server: Server, chat_id: int) -> list[tuple[Any, ...]]:
    rows = server.messages(chat_id)
    assert all(row["sent_at_exact"] for row in rows)
    return [
        (
            row["message_id"],
            row["session_id"],
            row["author"]["id"],
            row["text"],
            int(time.mktime(time.strptime(row["sent_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone),
            row["edited_at"] is not None,
            row["deleted_at"] is not None,
        )
        for row in rows
    ]


def dialog(server: Server, chat_id: int, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = server.api(f"/api/dialogs/{chat_id}{query}")
    return found


def is_complete(server: Server, chat_id: int) -> bool:
    answer = server.get(f"/api/dialogs/{chat_id}", **BEARER)
    return answer.status == 200 and bool(answer.json["dialog"]["complete"])


def test_sessions_that_began_and_ended_while_we_were_away_are_found_after_the_start() -> None:
    with at_work() as (portal, server):
        seen = talk(portal, 0)
        until(lambda: is_complete(server, seen), what="the session we saw is compared")
        server.stop()
        missed = [talk(portal, number, words=2) for number in range(1, 21)]
        portal.wait_quiet()
        portal.clock.advance(3600)
        server.start()
        until(lambda: all(is_complete(server, chat_id) for chat_id in missed), 60, what="all that was missed is found")
        for chat_id in missed:
            assert archived(server, chat_id) == truth(portal, chat_id)
            assert dialog(server, chat_id)["dialog"]["status"] == "closed"
            assert dialog(server, chat_id)["dialog"]["line_id"] == 3
