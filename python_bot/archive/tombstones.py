"""What is left of an erased conversation: numbers that keep it from coming back.

A late event, a repeated one, or the portal's history may tell again what was erased. Messages are known by their
number, which only grows over a whole portal; those that we never had are known by their time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..db import Tx
from ..model import ChatFacts, SessionHistory
from ..values import dataclass

LEEWAY_S: Final = 60  # the portal's clock and ours may differ by this much

_PUT: Final = (
    "INSERT INTO erased_chats (chat_id, message_id, before) VALUES (?1, ?2, ?3) ON CONFLICT (chat_id)"
    " DO UPDATE SET message_id = MAX(message_id, ?2), before = MAX(before, ?3)"
)
_PUT_SESSIONS: Final = (
    "INSERT OR IGNORE INTO erased_sessions (session_id)"
    " SELECT session_id FROM sessions WHERE chat_id = ? AND session_id IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Gone are messages with a number up to `message_id`, and what was said before `before` (Unix seconds)."""

    message_id: int
    before: int

    def covers(self, message_id: int | None, at: int) -> bool:
        """`at`: when it was said, 0 when nobody knows."""
        is_known = message_id is not None and message_id <= self.message_id
        return is_known or 0 < at < self.before - LEEWAY_S


def put(tx: Tx, chat_id: int, stone: Tombstone) -> None:
    tx.sql.execute(_PUT, (chat_id, stone.message_id, stone.before))
    tx.sql.execute(_PUT_SESSIONS, (chat_id,))


def of_chat(tx: Tx, chat_id: int) -> Tombstone | None:
    row = tx.sql.execute("SELECT message_id, before FROM erased_chats WHERE chat_id = ?", (chat_id,)).fetchone()
    return Tombstone(*row) if row else None


def covers_message(tx: Tx, chat_id: int, message_id: int, at: int) -> bool:
    stone = of_chat(tx, chat_id)
    return stone is not None and stone.covers(message_id, at)


def covers_session(tx: Tx, chat: ChatFacts, at: int, *, begins: bool) -> bool:
    """A session told without a word of it. Only a new one may bring an erased dialog back into the list."""
    stone = of_chat(tx, chat.chat_id)
    if stone is None:
        return False
    if stone.covers(None, at):
        return True
    if tx.sql.execute("SELECT 1 FROM dialogs WHERE chat_id = ?", (chat.chat_id,)).fetchone():
        return False
    return not begins or is_erased_session(tx, chat.session_id)


def is_erased_session(tx: Tx, session_id: int | None) -> bool:
    found = tx.sql.execute("SELECT 1 FROM erased_sessions WHERE session_id = ?", (session_id,)).fetchone()
    return found is not None


def remaining(tx: Tx, history: SessionHistory) -> SessionHistory | None:
    """The history without what was erased of it; None when nothing is left to tell."""
    stone = of_chat(tx, history.chat_id)
    if stone is None:
        return history
    kept = tuple(item for item in history.messages if not stone.covers(item.message.message_id, item.message.sent_at))
    if not kept:
        return None
    authors = {item.message.author.id for item in kept}
    return replace(history, messages=kept, users=tuple(user for user in history.users if user.id in authors))
