"""What every store of the HTTP journal promises, whatever database is behind it. `tests/contract/` holds it to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..db import Tx
from ..values import dataclass
from .record import Direction, Entry, Kind, Outcome, Record


@dataclass(frozen=True, slots=True)
class Question:
    """Which requests are wanted; what is None or empty does not matter. Times are Unix seconds.

    `lowest_status`, `highest_status`: both 0 for requests that nobody answered. `after_id`: stored behind this one.
    """

    since: float | None = None
    until: float | None = None
    direction: Direction | None = None
    kinds: tuple[Kind, ...] = ()
    lowest_status: int | None = None
    highest_status: int | None = None
    outcome: Outcome | None = None
    trace_id: str = ""
    chat_id: int | None = None
    after_id: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """How many requests of one sort were answered in one way, and when the last of them was."""

    direction: Direction
    kind: Kind
    status: int | None
    authorization: str
    outcome: str
    requests: int
    last_at: float


class Traffic(Protocol):
    def add(self, tx: Tx, records: Sequence[Record]) -> None:
        """Store requests. Texts come in as they are to be read: masked, and on one line."""

    def prune(self, tx: Tx, before: float, limit: int) -> int:
        """Delete the oldest requests that began before this time, at most so many; how many it were."""

    def page(self, question: Question, limit: int) -> list[Entry]:
        """The newest `limit` requests that are asked for, oldest first; behind `after_id` the next `limit`."""

    def newest_id(self) -> int:
        """Of what was stored last; 0 when there is nothing. `Question.after_id` goes on from there."""

    def last(self, question: Question) -> Entry | None:
        """The newest request that is asked for."""

    def last_genuine_event(self) -> Entry | None:
        """The newest event that the portal sent and that was accepted. The fetch mode asks for its events instead."""

    def counts(self, since: float) -> list[Answered]:
        """Everything since then by direction, kind, status and authorization; the most frequent first."""

    def causes(self, entry_id: int) -> list[tuple[str, int | None]]:
        """Trace and chat of every cause of a request, also of one that several share."""
