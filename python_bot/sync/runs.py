"""A comparison that somebody asked for: put into the outbox, and how far it is. The running instance does the work."""

from __future__ import annotations

import secrets
import time

from ..archive import Archive, Comparison
from ..db import Storage, Tx
from ..intake import reconcile_job
from ..model import NewJob
from ..outbox import Outbox
from ..values import dataclass
from .discover import BEGAN, discover_job, survey_job
from .imports import PROGRESS, Progress, import_job


@dataclass(frozen=True, slots=True)
class View:
    """How far a run is. `waiting`, `refused`: its requests that wait, and that the portal refused for good.

    `next`, `high`: for a run over all numbers, the one that is asked for next and the highest known; else 0.
    """

    waiting: int
    refused: int
    found: int = 0
    next: int = 0
    high: int = 0

    @property
    def is_over(self) -> bool:
        return self.waiting == 0

    @property
    def share(self) -> float:
        """Of the numbers, 0 … 1."""
        return min(1.0, (self.next - 1) / self.high) if self.high else 0.0


class Runs:
    def __init__(self, storage: Storage, archive: Archive, compared: Comparison, outbox: Outbox) -> None:
        self._storage = storage
        self._archive = archive
        self._compared = compared
        self._outbox = outbox

    def compare_due(self) -> str:
        """Every dialog that is open or not settled, and what nobody announced. Returns the run's trace, as all do."""
        trace_id = _new_trace()
        if self._archive.fact(BEGAN) is None:
            began_at = self._compared.began_at() or int(time.time())
            self._storage.write(lambda tx: self._archive.set_fact(tx, BEGAN, began_at))
        return self._put(trace_id, survey_job(trace_id), discover_job(trace_id))

    def compare_chat(self, chat_id: int) -> str:
        """Every session of one chat, whatever was compared before."""
        trace_id = _new_trace()
        return self._put(trace_id, reconcile_job(chat_id, 0.0, trace_id, scope="all"))

    def compare_all(self, since: int = 0) -> tuple[str, bool]:
        """Every session there is, or everything since then; and whether an interrupted run goes on instead."""
        known = Progress.read(self._archive.fact(PROGRESS))
        if known is not None and known.finished_at is None and known.since == since:
            return self._put(known.trace_id, import_job(known)), True
        trace_id = _new_trace()
        return self._put(trace_id, import_job(Progress(trace_id, since, int(time.time())))), False

    def look(self, trace_id: str) -> View:
        waiting, refused = self._outbox.traced(trace_id)
        progress = Progress.read(self._archive.fact(PROGRESS))
        if progress is None or progress.trace_id != trace_id:
            return View(waiting, refused)
        return View(waiting, refused, progress.found, progress.next, progress.high)

    def _put(self, trace_id: str, *jobs: NewJob) -> str:
        def work(tx: Tx) -> None:
            for job in jobs:
                self._outbox.put(tx, job, time.time())

        self._storage.write(work)
        return trace_id


def _new_trace() -> str:
    return f"sync-{secrets.token_hex(4)}"
