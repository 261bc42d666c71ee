"""What the doctor asks of an archive; cheap enough for a running instance."""

from __future__ import annotations

from typing import Final

from ..db import Storage

# The portal keeps one chat for a person in a channel of a line: several mean that somebody was met anew each time.
_DOUBLED: Final = (
    "SELECT client_id FROM dialogs WHERE client_id IS NOT NULL AND entity_id <> '' GROUP BY entity_id"
    " HAVING COUNT(*) > 1 LIMIT ?"
)
_LAST_EVENT: Final = "SELECT event, received_at FROM journal WHERE event <> ? ORDER BY id DESC LIMIT 1"


class SqliteCheckup:
    """Implements `contract.Checkup` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def last_event(self, other_than: str) -> tuple[str, int] | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(_LAST_EVENT, (other_than,)).fetchone()
        return (row[0], row[1]) if row else None

    def people_with_several_chats(self, limit: int) -> list[int]:
        with self._storage.read() as tx:
            return [row[0] for row in tx.sql.execute(_DOUBLED, (limit,))]
