"""The job `import`: the whole past, or the past since a day, from one session number upward.

Each turn is one request, and the place reached is in the next job: a kill loses nothing, and nothing is asked twice.
The worker looks for repairs first, so that what one turn found is read before the next turn looks further.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from ..archive import Archive, Comparison
from ..db import Storage, Tx
from ..errors import CallRefused
from ..intake import IMPORT, reconcile_job
from ..model import Job, NewJob
from ..outbox import Outbox, one_by_one
from ..values import dataclass
from . import schedule
from .numbers import PROBE, Numbers

PROGRESS: Final = "sync"  # the fact that tells how far it is
CHATS_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """`next` is the number to be asked for next, `high` the highest that is known to exist."""

    trace_id: str
    since: int
    started_at: int
    next: int = 0
    high: int = 0
    found: int = 0
    chats_after: int | None = None
    unknown: int = 0
    finished_at: int | None = None

    @classmethod
    def read(cls, value: Any) -> Progress | None:
        """From a stored fact; None when it is none (of this release)."""
        try:
            return cls(**value)
        except TypeError:
            return None


class ImportJobs:
    """Handles jobs of the kind `import`, one turn at a time."""

    limit = 1

    def __init__(
        self, storage: Storage, archive: Archive, compared: Comparison, outbox: Outbox, numbers: Numbers
    ) -> None:
        self._storage = storage
        self._archive = archive
        self._compared = compared
        self._outbox = outbox
        self._numbers = numbers

    def pause_s(self) -> float:
        return self._numbers.pause_s()

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        return one_by_one(lambda job: self._turn(Progress(**job.payload)), jobs)

    def buried(self, job: Job, reason: str) -> None:
        """`botctl outbox` shows it and can revive it: it goes on where it was."""

    def _turn(self, at: Progress) -> None:
        if at.next == 0:
            self._begin(at)
        elif at.chats_after is not None:
            self._known_chats(at, at.chats_after)
        else:
            self._numbers_from(at)

    def _begin(self, at: Progress) -> None:
        """Where the numbers begin and how high they go."""
        bounds = self._compared.number_bounds(at.since)
        high = bounds[1] if bounds else 0
        try:
            recent, _ = self._numbers.recent(0)
        except CallRefused as refusal:
            if refusal.is_passing:
                raise
            recent = []
        high = max([high, *(chat.session_id or 0 for chat in recent)])
        first = 1 if not at.since else bounds[0] if bounds else high + 1
        after = 0 if at.since else None
        self._storage.write(lambda tx: self._go_on(tx, replace(at, next=first, high=high, chats_after=after)))

    def _known_chats(self, at: Progress, after: int) -> None:
        """What was said since then is compared again, whatever was compared before."""
        chats = self._compared.chats_since(at.since, after, CHATS_PAGE)

        def work(tx: Tx) -> None:
            for chat_id in chats:
                self._outbox.put(tx, reconcile_job(chat_id, 0.0, at.trace_id, scope="all"), time.time())
            goes_on = chats[-1] if len(chats) == CHATS_PAGE else None
            self._go_on(tx, replace(at, chats_after=goes_on))

        self._storage.write(work)

    def _numbers_from(self, at: Progress) -> None:
        numbers = range(at.next, at.next + PROBE)
        known = self._compared.numbers(numbers[0], numbers[-1])
        found = self._numbers.ask([number for number in numbers if number not in known])
        bounds = self._compared.number_bounds()
        highest = max([*known, *(one.session_id for one in found)], default=0)
        high = max(at.high, highest, bounds[1] if bounds else 0)
        unknown = numbers[-1] - highest if highest else at.unknown + PROBE
        is_over = numbers[-1] >= high and unknown >= (
            schedule.UNKNOWN_IN_A_ROW if high else schedule.FORGOTTEN_IN_A_ROW
        )

        def work(tx: Tx) -> None:
            taken = self._numbers.take(tx, found, at.trace_id)
            if min(numbers[-1], high - schedule.TRAILING) >= numbers[0]:
                self._compared.settle(tx, numbers[0], min(numbers[-1], high - schedule.TRAILING))
            then = replace(at, next=numbers[-1] + 1, high=high, found=at.found + taken, unknown=unknown)
            if is_over:
                self._tell(tx, replace(then, finished_at=int(time.time())))
            else:
                self._go_on(tx, then)

        self._storage.write(work)

    def _go_on(self, tx: Tx, at: Progress) -> None:
        self._outbox.put(tx, import_job(at), time.time())
        self._tell(tx, at)

    def _tell(self, tx: Tx, at: Progress) -> None:
        self._archive.set_fact(tx, PROGRESS, asdict(at))


def import_job(at: Progress) -> NewJob:
    payload: Mapping[str, Any] = asdict(at)
    return NewJob(IMPORT, dict(payload), IMPORT, IMPORT, at.trace_id)
