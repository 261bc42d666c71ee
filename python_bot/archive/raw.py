"""The raw sources of an archive: requests as they came, and answers of the portal's history."""

from __future__ import annotations

from typing import Final

from ..db import Storage, Tx
from ..model import JournalEntry, RawAnswer

_ENTRIES: Final = (
    "SELECT id, received_at, event, trace_id, fingerprint, body, format, outcome FROM journal WHERE id > ?"
    " ORDER BY id LIMIT ?"
)
_ORDER: Final = "SELECT session_id, asked_at FROM histories WHERE asked_at >= ? ORDER BY asked_at, session_id"
_ANSWER: Final = "SELECT session_id, chat_id, asked_at, body FROM histories WHERE session_id = ?"


class SqliteRaw:
    """Implements `contract.Raw` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def count(self) -> int:
        with self._storage.read() as tx:
            found: int = tx.sql.execute(
                "SELECT (SELECT COUNT(*) FROM journal) + (SELECT COUNT(*) FROM histories)"
            ).fetchone()[0]
        return found

    def entries(self, after: int, limit: int) -> list[tuple[int, JournalEntry]]:
        with self._storage.read() as tx:
            return [(row[0], JournalEntry(*row[1:])) for row in tx.sql.execute(_ENTRIES, (after, limit))]

    def answer_times(self, since: int) -> list[tuple[int, int]]:
        with self._storage.read() as tx:
            return tx.sql.execute(_ORDER, (since,)).fetchall()

    def answer(self, session_id: int) -> RawAnswer | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(_ANSWER, (session_id,)).fetchone()
        return RawAnswer(*row) if row else None

    def last_message_of(self, tx: Tx, session_id: int) -> int:
        row = tx.sql.execute("SELECT last_message_id FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
        return int(row[0]) if row else 0
