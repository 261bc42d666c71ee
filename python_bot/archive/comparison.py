"""All SQL of the comparison with the portal: what is due, which numbers were looked at, answers as they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..db import Storage, Tx
from ..model import SessionCheck

UNSETTLED: Final = "(reconciled_at IS NULL OR reconciled_to < last_message_id)"

_SESSIONS: Final = (
    "SELECT session_id, closed_at IS NOT NULL, reconciled_at IS NOT NULL AND reconciled_to >= last_message_id,"
    " last_message_id FROM sessions WHERE chat_id = ? ORDER BY opened_at, id"
)
_BACKLOG: Final = f"SELECT COUNT(*) FROM sessions INDEXED BY sessions_unsettled WHERE {UNSETTLED}"
_DUE_CHATS: Final = (
    "SELECT chat_id FROM (SELECT chat_id FROM sessions INDEXED BY sessions_unsettled"
    f"  WHERE {UNSETTLED} AND chat_id > ?1"
    " UNION SELECT chat_id FROM sessions INDEXED BY sessions_open"
    "  WHERE closed_at IS NULL AND reconciled_at < ?2 AND chat_id > ?1) ORDER BY chat_id LIMIT ?3"
)
_CHATS_SINCE: Final = (
    "SELECT chat_id FROM dialogs WHERE chat_id > ? AND COALESCE(last_message_at, opened_at) >= ?"
    " ORDER BY chat_id LIMIT ?"
)
_UP_TO: Final = (
    "SELECT closed_at FROM sessions WHERE closed_at > ? AND closed_at <= ? ORDER BY closed_at LIMIT 1 OFFSET ?"
)
_CLOSED: Final = (
    "SELECT chat_id, session_id FROM sessions WHERE closed_at > ?1 AND closed_at <= ?2 AND session_id IS NOT NULL"
    " AND reconciled_at < closed_at + ?3 ORDER BY closed_at, id"
)
_NUMBERS: Final = (
    "SELECT session_id FROM sessions WHERE session_id BETWEEN ?1 AND ?2"
    " UNION SELECT session_id FROM erased_sessions WHERE session_id BETWEEN ?1 AND ?2"
)


class SqliteComparison:
    """Implements `contract.Comparison` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- what is due

    def sessions_of(self, chat_id: int) -> list[SessionCheck]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(_SESSIONS, (chat_id,)).fetchall()
        return [SessionCheck(number, bool(closed), bool(settled), last_id) for number, closed, settled, last_id in rows]

    def last_message(self, chat_id: int) -> tuple[int, int | None] | None:
        with self._storage.read() as tx:
            row: tuple[int, int | None] | None = tx.sql.execute(
                "SELECT last_message_id, last_message_at FROM dialogs WHERE chat_id = ?", (chat_id,)
            ).fetchone()
        return row

    def backlog(self) -> int:
        """How many sessions were not compared with history yet, or not since their last message."""
        with self._storage.read() as tx:
            return int(tx.sql.execute(_BACKLOG).fetchone()[0])

    def reconciled_at(self, chat_id: int) -> int | None:
        with self._storage.read() as tx:
            row = tx.sql.execute("SELECT reconciled_at FROM dialogs WHERE chat_id = ?", (chat_id,)).fetchone()
        return row[0] if row else None

    def due_chats(self, checked_before: int, after: int, limit: int) -> list[int]:
        with self._storage.read() as tx:
            return [row[0] for row in tx.sql.execute(_DUE_CHATS, (after, checked_before, limit))]

    def chats_since(self, at: int, after: int, limit: int) -> list[int]:
        with self._storage.read() as tx:
            return [row[0] for row in tx.sql.execute(_CHATS_SINCE, (after, at, limit))]

    def closed_between(
        self, after: int, until: int, limit: int, read_within_s: int
    ) -> tuple[list[tuple[int, int]], int]:
        with self._storage.read() as tx:
            row = tx.sql.execute(_UP_TO, (after, until, limit - 1)).fetchone()
            up_to = row[0] if row else until  # whole seconds: many may have been closed at once
            return tx.sql.execute(_CLOSED, (after, up_to, read_within_s)).fetchall(), up_to

    # --- numbers

    def numbers(self, first: int, last: int) -> set[int]:
        with self._storage.read() as tx:
            return {row[0] for row in tx.sql.execute(_NUMBERS, (first, last))}

    def number_bounds(self, since: int = 0) -> tuple[int, int] | None:
        with self._storage.read() as tx:
            if not since:
                row = tx.sql.execute("SELECT MIN(session_id), MAX(session_id) FROM sessions").fetchone()
            else:
                row = tx.sql.execute(
                    "SELECT MIN(session_id), (SELECT MAX(session_id) FROM sessions) FROM sessions WHERE opened_at >= ?",
                    (since,),
                ).fetchone()
        return (row[0], row[1]) if row[0] is not None else None

    def began_at(self) -> int | None:
        with self._storage.read() as tx:
            found: int | None = tx.sql.execute("SELECT MIN(opened_at) FROM sessions").fetchone()[0]
        return found

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        with self._storage.read() as tx:
            return tx.sql.execute(
                "SELECT first_id, last_id FROM session_ranges WHERE last_id >= ? AND first_id <= ? ORDER BY first_id",
                (first, last),
            ).fetchall()

    def settle(self, tx: Tx, first: int, last: int) -> None:
        row = tx.sql.execute(
            "SELECT MIN(first_id), MAX(last_id) FROM session_ranges WHERE last_id >= ? AND first_id <= ?",
            (first - 1, last + 1),
        ).fetchone()
        tx.sql.execute("DELETE FROM session_ranges WHERE last_id >= ? AND first_id <= ?", (first - 1, last + 1))
        low, high = (row[0], row[1]) if row[0] is not None else (first, last)
        tx.sql.execute("INSERT INTO session_ranges VALUES (?, ?)", (min(low, first), max(high, last)))

    # --- answers as they came

    def keep_answer(self, tx: Tx, session_id: int, chat_id: int, asked_at: int, body: bytes) -> None:
        tx.sql.execute(
            "INSERT INTO histories (session_id, chat_id, asked_at, body) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (session_id) DO UPDATE SET chat_id = ?2, asked_at = ?3, body = ?4 WHERE asked_at <= ?3",
            (session_id, chat_id, asked_at, body),
        )

    def answers(self, after: int, limit: int) -> Sequence[tuple[int, int, int, bytes]]:
        with self._storage.read() as tx:
            return tx.sql.execute(
                "SELECT session_id, chat_id, asked_at, body FROM histories WHERE session_id > ?"
                " ORDER BY session_id LIMIT ?",
                (after, limit),
            ).fetchall()
