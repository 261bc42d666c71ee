"""Which events of the archive's own journal belong to a trace."""

from __future__ import annotations

from typing import Final

from ..db import Storage
from ..values import dataclass

TOLERANCE_S: Final = 60  # an event is stored within seconds after its request began
_FIRST_SINCE: Final = "SELECT received_at FROM journal WHERE id >= ? ORDER BY id LIMIT 1"


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """`outcome`: read, unknown or unreadable."""

    id: int
    event: str
    outcome: str
    received_at: int


def recorded_events(storage: Storage, trace_id: str, around: float) -> list[RecordedEvent]:
    """Stored events of a trace, oldest first; `around`: when its request began, Unix seconds.

    Millions of events have no index by trace, but come in the order of time: it is halved until the moment is found.
    """
    with storage.read() as tx:
        (highest,) = tx.sql.execute("SELECT COALESCE(MAX(id), 0) FROM journal").fetchone()
        low, high = 0, highest + 1
        while low < high:
            middle = (low + high) // 2
            found = tx.sql.execute(_FIRST_SINCE, (middle,)).fetchone()
            if found is not None and found[0] < around - TOLERANCE_S:
                low = middle + 1
            else:
                high = middle
        rows = tx.sql.execute(
            "SELECT id, event, outcome, received_at FROM journal WHERE id >= ? AND id <="
            " COALESCE((SELECT MIN(id) FROM journal WHERE id >= ? AND received_at > ?), ?)"
            " AND trace_id = ? ORDER BY id",
            (low, low, around + TOLERANCE_S, highest, trace_id),
        ).fetchall()
    return [RecordedEvent(*row) for row in rows]
