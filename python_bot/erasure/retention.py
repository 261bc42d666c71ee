"""Deletes closed dialogs when they are older than is wished; a job of the worker, daily and at every start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from ..archive import Erased, Erasure
from ..attachments import survey_job
from ..intake import Intake
from ..model import Job, NewJob
from .journal import chats_of_entry

log = logging.getLogger(__name__)

RETENTION: Final = "retention"
DAY_S: Final = 24 * 3600
STEP_S: Final = 1.0  # between two jobs the worker looks whether something else is due
AT_ONCE: Final = 100


def retention_job(due_at: float = 0.0, key: str = RETENTION) -> NewJob:
    return NewJob(RETENTION, {}, key, key, due_at=due_at)


class Retention:
    """`days`: how long a dialog is kept after its last message; 0 keeps it for ever."""

    def __init__(self, erasure: Erasure, intake: Intake, days: int, *, now: Callable[[], float] = time.time) -> None:
        self._erasure = erasure
        self._intake = intake
        self._days = days
        self._now = now

    def start(self) -> None:
        if self._days:
            self._intake.queue(retention_job(key="retention:start"))  # tomorrow's waits already, and does not count

    def __call__(self, job: Job) -> None:
        if not self._days:
            return
        is_done, erased = self.step()
        if erased != Erased():
            log.info(
                "retention: %d dialogs with %d messages and %d files older than %d days were deleted, "
                "and %d journal entries, %d jobs, %d users",
                erased.dialogs,
                erased.messages,
                erased.files,
                self._days,
                erased.journal,
                erased.jobs,
                erased.users,
            )
        if erased.files:
            self._intake.queue(survey_job())  # their contents go next
        self._intake.queue(retention_job(self._now() + DAY_S if is_done else 0.0))

    def step(self) -> tuple[bool, Erased]:
        """Delete for a moment; whether that was all, and how much it was."""
        end = time.monotonic() + STEP_S
        erased = Erased()
        for more in self._pieces(int(self._now()) - self._days * DAY_S):
            erased += more
            if time.monotonic() > end:
                return False, erased
        return True, erased

    def _pieces(self, before: int) -> Iterator[Erased]:
        while self._erasure.link_journal(chats_of_entry):
            yield Erased()
        while chats := self._erasure.outlived(before, AT_ONCE):
            for chat_id in chats:
                yield self._erasure.erase_outlived(chat_id, before)
        while count := self._erasure.erase_events_without_chat(before):
            yield Erased(journal=count)
