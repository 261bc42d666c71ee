"""Which session of a chat an event belongs to, and whether it is the first sign of one.

The bot's entry (JOINCHAT) names no session, messages do, and the two arrive in any order. A session is known by
our own reference from its first sign on; Bitrix24's number is added when a message tells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..db import Tx
from ..model import ChatFacts

LATE_JOIN_S: Final = 120  # the entry and the first message of one session are announced within this time
SAME_JOIN_S: Final = 2

_COLUMNS: Final = "id, session_id, opened_at, joined_at, closed_at, handover"
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"
_NEWEST: Final = f"SELECT {_COLUMNS} FROM sessions WHERE chat_id = ? ORDER BY id DESC LIMIT 1"
_UNNUMBERED: Final = (
    f"SELECT {_COLUMNS} FROM sessions WHERE chat_id = ? AND session_id IS NULL AND closed_at IS NULL"
    " ORDER BY id DESC LIMIT 1"
)
_INSERT: Final = (
    "INSERT INTO sessions (session_id, chat_id, line_id, opened_at, joined_at) VALUES (?, ?, ?, ?, ?) RETURNING id"
)


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: int
    session_id: int | None
    opened_at: int
    joined_at: int | None
    closed_at: int | None
    handover: str


def _one(tx: Tx, query: str, key: int) -> SessionRow | None:
    row = tx.sql.execute(query, (key,)).fetchone()
    return SessionRow(*row) if row else None


def newest(tx: Tx, chat_id: int) -> SessionRow | None:
    return _one(tx, _NEWEST, chat_id)


def of_join(tx: Tx, chat: ChatFacts, at: int) -> SessionRow:
    """The session that the bot's entry belongs to: a running one not yet joined, or a new one."""
    row = newest(tx, chat.chat_id)
    if row is not None and row.closed_at is None:
        if row.joined_at is None and abs(at - row.opened_at) <= LATE_JOIN_S:
            tx.sql.execute("UPDATE sessions SET joined_at = ? WHERE id = ?", (at, row.id))
            return row
        if row.joined_at is not None and abs(at - row.joined_at) <= SAME_JOIN_S:
            return row
    return _insert(tx, chat, at, joined_at=at)


def of_sign(tx: Tx, chat: ChatFacts, at: int) -> SessionRow:
    """The session that a message or a session event belongs to."""
    if chat.session_id is None:
        row = newest(tx, chat.chat_id)
        if row is None or (row.closed_at is not None and at > row.closed_at + SAME_JOIN_S):
            return _insert(tx, chat, at)
        return row
    row = _one(tx, _BY_NUMBER, chat.session_id)
    if row is not None:
        return row
    row = _one(tx, _UNNUMBERED, chat.chat_id)
    if row is None:
        return _insert(tx, chat, at)
    opened_at = chat.session_opened_at or row.opened_at
    tx.sql.execute(
        "UPDATE sessions SET session_id = ?, opened_at = ?, line_id = COALESCE(?, line_id) WHERE id = ?",
        (chat.session_id, opened_at, chat.line_id, row.id),
    )
    return SessionRow(row.id, chat.session_id, opened_at, row.joined_at, row.closed_at, row.handover)


def ask_handover(tx: Tx, row: SessionRow) -> int | None:
    """Mark that a hand-over was asked for; the reference when this was the first time, else None."""
    if row.handover:
        return None
    tx.sql.execute("UPDATE sessions SET handover = 'asked' WHERE id = ?", (row.id,))
    return row.id


def _insert(tx: Tx, chat: ChatFacts, at: int, joined_at: int | None = None) -> SessionRow:
    opened_at = chat.session_opened_at or at
    values = (chat.session_id, chat.chat_id, chat.line_id, opened_at, joined_at)
    (ref,) = tx.sql.execute(_INSERT, values).fetchone()
    return SessionRow(ref, chat.session_id, opened_at, joined_at, None, "")
