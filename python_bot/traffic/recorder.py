"""The thread that writes the journal, so that no request ever waits for it: a bounded queue and a commit a second.

What does not fit is dropped and counted. A journal that cannot be written harms nobody: the next batch tries again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..db import Storage
from ..errors import StorageError
from .contract import Traffic
from .masks import Masks
from .record import Record

log = logging.getLogger(__name__)

CAPACITY: Final = 5000
UNIT: Final = 50  # records of one write: well below a millisecond, because events may share its transaction
GATHER_S: Final = 1.0
REPEATS_S: Final = 600.0  # requests that repeat are one row in this time
MOST_REPEATED: Final = 1_000  # addresses of which it is known
TOLD_EACH: Final = 60  # readings of one address in this time that have a row each: a program may go on for ever
PRUNE_S: Final = 3600.0
PRUNE_UNIT: Final = 200
DAY_S: Final = 86_400
LONGEST: Final = {"path": 200, "user_agent": 200, "error_code": 60, "error_text": 300}
LONGEST_PORTAL: Final = 100
LONGEST_SUBJECT: Final = 300

Repeated = tuple[str, str, str, int | None]


class Recorder:
    """`note` takes requests from any thread. `days`: how long they are kept; 0 keeps no journal at all.

    `dropped`: told how many were lost.
    """

    def __init__(
        self,
        storage: Storage,
        traffic: Traffic,
        masks: Masks,
        days: int,
        *,
        dropped: Callable[[int], None] = lambda count: None,
        gather_s: float = GATHER_S,
        capacity: int = CAPACITY,
    ) -> None:
        self._storage = storage
        self._traffic = traffic
        self._masks = masks
        self._days = days
        self._dropped = dropped
        self._gather_s = gather_s
        self._capacity = capacity
        self._waiting: deque[Record] = deque()
        self._repeated: dict[Repeated, tuple[float, int]] = {}
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._pruned_at = 0.0
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="b24bot-journal", daemon=True)

    def start(self) -> None:
        if self._days:
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Writes what waits, before the storage is closed."""
        self._ended.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def note(self, record: Record) -> None:
        """Never waits, never raises."""
        if not self._days:
            return
        if len(self._waiting) >= self._capacity:
            self._dropped(1)
            return
        self._waiting.append(record)
        if not self._woken.is_set():
            self._woken.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            if self._woken.wait(PRUNE_S):
                self._ended.wait(self._gather_s)
                self._woken.clear()
            try:
                self._write_all()
                self._prune(time.time())
            except Exception:
                log.exception("the journal stumbled")
                self._waiting.clear()
        self._write_all()

    def _write_all(self) -> None:
        while self._waiting:
            unit = [self._waiting.popleft() for _ in range(min(UNIT, len(self._waiting)))]
            records = [self._masked(record) for one in unit if (record := self._summed(one))]
            if records:
                self._write(records)

    def _write(self, records: list[Record]) -> None:
        try:
            self._storage.write(lambda tx: self._traffic.add(tx, records))
            self._is_failing = False
        except StorageError as error:
            self._dropped(sum(record.count for record in records))
            if not self._is_failing:
                log.warning("the HTTP journal cannot be written: %s", error)
            self._is_failing = True
        except Exception:
            if len(records) == 1:
                self._dropped(records[0].count)
                log.exception("a request cannot be written into the HTTP journal")
            else:  # one of them is to blame, and the others are kept
                for record in records:
                    self._write([record])

    def _summed(self, record: Record) -> Record | None:
        """Of requests that repeat, one now and then, with their number."""
        told_each = _told_each(record)
        if told_each is None:
            return record
        if len(self._repeated) > MOST_REPEATED:
            self._repeated.clear()
        key = (record.kind, record.method, record.path, record.status)
        shown_at, count = self._repeated.get(key, (0.0, 0))
        if record.at - shown_at < REPEATS_S:
            self._repeated[key] = (shown_at, count + 1)
            return record if count + 1 < told_each else None
        self._repeated[key] = (record.at, 0)
        return replace(record, count=max(0, count + 1 - told_each) + 1)

    def _masked(self, record: Record) -> Record:
        texts = {name: self._masks.text(getattr(record, name), limit) for name, limit in LONGEST.items()}
        if record.direction == "in":  # our own portal's name is known, whatever it looks like
            texts["portal"] = self._masks.text(record.portal, LONGEST_PORTAL)
        texts["subject"] = record.subject[:LONGEST_SUBJECT]
        return replace(record, **texts)  # type: ignore[arg-type]  # every one of them is a text

    def _prune(self, now: float) -> None:
        if now - self._pruned_at < PRUNE_S:
            return
        self._pruned_at = now
        before = now - self._days * DAY_S
        try:
            while self._storage.write(lambda tx: self._traffic.prune(tx, before, PRUNE_UNIT)) == PRUNE_UNIT:
                if self._ended.wait(0.05):
                    return
        except StorageError as error:
            log.warning("the HTTP journal was not pruned: %s", error)


def _told_each(record: Record) -> int | None:
    """How many alike have a row each before they are only counted; None: all of them."""
    if record.repeats:
        return 1
    reads = record.kind == "api" and record.method in ("GET", "HEAD") and (record.status or 500) < 400
    return TOLD_EACH if reads else None
