"""The job `discover`: what the installer saw lately, the session numbers below, between and above those that we know,
and the sessions that ended some days ago.

Each turn of the job is one request; the next turn is a new job, so that hand-overs, the repairs of what was found, and
a stop of the instance come in between. The place reached is in the job: a killed instance goes on there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from ..archive import Archive, Comparison
from ..db import Storage, Tx
from ..errors import CallRefused
from ..intake import DISCOVER, again_job, reconcile_job
from ..model import Job, NewJob
from ..outbox import Outbox, one_by_one
from . import schedule
from .numbers import PROBE, RECENT_PAGE, Numbers

log = logging.getLogger(__name__)

SURVEY_PAGE: Final = 500
RECENT_PAGES: Final = 10
BEGAN: Final = "archive_began"  # the fact that says from when on the archive wants to be complete
LOOKED_TO: Final = "last_looks_to"  # the fact that says up to which end sessions had their last look


class DiscoverJobs:
    """Handles jobs of the kind `discover`, one turn at a time."""

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
        return one_by_one(lambda job: getattr(self, f"_{job.payload['stage']}")(job), jobs)

    def buried(self, job: Job, reason: str) -> None:
        """The search itself is never given up."""
        self._storage.write(lambda tx: self._next_round(tx, job))

    # --- the stages

    def _survey(self, job: Job) -> None:
        """Every dialog that is not known as closed and compared gets its turn now: we were away.

        However lately an open one was compared: what was said to a client while we were away has to reach them soon.
        """
        after = job.payload.get("after", 0)
        chats = self._compared.due_chats(int(time.time()) + 1, after, SURVEY_PAGE)

        def work(tx: Tx) -> None:
            for chat_id in chats:
                self._outbox.put(tx, reconcile_job(chat_id, 0.0, job.trace_id), time.time())
            if len(chats) == SURVEY_PAGE:
                self._outbox.put(tx, survey_job(job.trace_id, chats[-1]), time.time())

        self._storage.write(work)

    def _recent(self, job: Job) -> None:
        page = job.payload.get("page", 0)
        began_at = self._began_at()
        try:
            chats, more = self._numbers.recent(page * RECENT_PAGE)
        except CallRefused as refusal:
            if refusal.is_passing:
                raise
            log.info("the portal does not show recent chats: %s", refusal)
            chats, more = [], False
        news = [
            chat for chat in chats if chat.last_at >= began_at and self._is_news(chat.chat_id, chat.last_message_id)
        ]
        news = [chat for chat in news if self._numbers.keeps(chat.chat_id, chat.line_id)]
        is_last = not more or page + 1 >= RECENT_PAGES or any(chat.last_at < began_at for chat in chats)

        def work(tx: Tx) -> None:
            for chat in news:
                key = reconcile_job(chat.chat_id, 0.0, job.trace_id, chat.session_id, "latest")
                self._outbox.put(tx, key, time.time())
            self._go_on(tx, job, {"stage": "below"} if is_last else {"stage": "recent", "page": page + 1})

        self._storage.write(work)

    def _below(self, job: Job) -> None:
        """Sessions that began before the first one that we heard of, but after our own beginning.

        What is found is read before the next turn, so that the lowest known number goes down with it.
        """
        began_at = self._began_at()
        bounds = self._compared.number_bounds(began_at)
        low = bounds[0] if bounds else 1
        left = schedule.without((max(1, low - PROBE), low - 1), self._compared.ranges(max(1, low - PROBE), low - 1))
        numbers = [number for first, last in left for number in range(first, last + 1)]
        known = self._compared.numbers(numbers[0], numbers[-1]) if numbers else set()
        found = self._numbers.ask([number for number in numbers if number not in known])

        def work(tx: Tx) -> None:
            self._numbers.take(tx, found, job.trace_id, since=began_at)
            if numbers:
                self._compared.settle(tx, numbers[0], numbers[-1])
            self._go_on(tx, job, {"stage": "below" if found else "gaps"})

        self._storage.write(work)

    def _gaps(self, job: Job) -> None:
        """One portion of the numbers between those that we know."""
        bounds = self._compared.number_bounds(self._began_at())
        if bounds is None:
            self._storage.write(lambda tx: self._next_round(tx, job))
            return
        low, high = bounds
        first = max(low, job.payload.get("next", 0))
        gaps = schedule.without((first, high), self._compared.ranges(first, high))
        if not gaps:
            self._storage.write(lambda tx: self._go_on(tx, job, {"stage": "above", "next": high + 1}))
            return
        gap = schedule.narrowed(gaps[0])[0]
        if gap != gaps[0]:
            log.warning(
                "of the session numbers %d to %d only the ends are looked at; botctl sync --all looks at all", *gaps[0]
            )
        asked, settled = schedule.portion_of(gap, self._compared.numbers(*gap), PROBE)
        found = self._numbers.ask(asked)
        goes_on = self._beyond(gaps[0], gap, settled)

        def work(tx: Tx) -> None:
            self._numbers.take(tx, found, job.trace_id)
            if settled[0] <= high - schedule.TRAILING:
                self._compared.settle(tx, settled[0], min(goes_on - 1, high - schedule.TRAILING))
            self._go_on(tx, job, {"stage": "gaps", "next": goes_on})

        self._storage.write(work)

    def _above(self, job: Job) -> None:
        """Sessions newer than any that we know: upward until so many numbers in a row are unknown."""
        first, streak = job.payload["next"], job.payload.get("unknown", 0)
        numbers = range(first, first + PROBE)
        known = self._compared.numbers(numbers[0], numbers[-1])
        found = self._numbers.ask([number for number in numbers if number not in known])
        highest = max([*known, *(one.session_id for one in found)], default=0)
        streak = numbers[-1] - highest if highest else streak + PROBE

        def work(tx: Tx) -> None:
            self._numbers.take(tx, found, job.trace_id)
            if highest - schedule.TRAILING >= first:
                self._compared.settle(tx, first, highest - schedule.TRAILING)
            if streak >= schedule.UNKNOWN_IN_A_ROW:
                self._go_on(tx, job, {"stage": "again"})
            else:
                self._go_on(tx, job, {"stage": "above", "next": numbers[-1] + 1, "unknown": streak})

        self._storage.write(work)

    def _again(self, job: Job) -> None:
        """Sessions that ended some days ago are read a last time."""
        until = int(time.time()) - schedule.LAST_LOOK_S
        done_to = self._archive.fact(LOOKED_TO)
        after = done_to if isinstance(done_to, int) else until
        ended, up_to = self._compared.closed_between(after, until, SURVEY_PAGE, schedule.LAST_LOOK_S)

        def work(tx: Tx) -> None:
            for chat_id, session_id in ended:
                self._outbox.put(tx, again_job(chat_id, session_id, job.trace_id), time.time())
            self._archive.set_fact(tx, LOOKED_TO, max(after, up_to))
            if up_to < until:
                self._go_on(tx, job, {"stage": "again"})
            else:
                self._next_round(tx, job)

        self._storage.write(work)

    # --- helpers

    def _beyond(self, whole: schedule.Range, part: schedule.Range, settled: schedule.Range) -> int:
        """Where to go on: behind what was settled, or at the upper end of a gap that is too wide to be looked at."""
        return settled[1] + 1 if settled[1] < part[1] or part == whole else schedule.narrowed(whole)[1][0]

    def _is_news(self, chat_id: int, last_message_id: int) -> bool:
        last = self._compared.last_message(chat_id)
        return last is None or last[0] < last_message_id

    def _began_at(self) -> int:
        began_at = self._archive.fact(BEGAN)
        return began_at if isinstance(began_at, int) else int(time.time())

    def _go_on(self, tx: Tx, job: Job, payload: Mapping[str, Any]) -> None:
        self._outbox.put(tx, NewJob(DISCOVER, dict(payload), job.lane, job.dedupe_key, job.trace_id), time.time())

    def _next_round(self, tx: Tx, job: Job) -> None:
        if job.payload["stage"] != "survey":
            self._outbox.put(tx, discover_job("", time.time() + schedule.DISCOVER_EVERY_S), time.time())


def discover_job(trace_id: str, due_at: float = 0.0) -> NewJob:
    return NewJob(DISCOVER, {"stage": "recent"}, DISCOVER, DISCOVER, trace_id, due_at)


def survey_job(trace_id: str, after: int = 0) -> NewJob:
    return NewJob(DISCOVER, {"stage": "survey", "after": after}, "survey", f"survey:{after}", trace_id)
