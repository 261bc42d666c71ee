"""`?refresh=1`: a reader wants a dialog as the portal knows it now. Asked for through the outbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ..archive import Archive, Comparison
from ..intake import Intake, reconcile_job

FRESH_S: Final = 10.0  # a dialog compared this lately is not asked for again
WAIT_S: Final = 3.0
LOOK_S: Final = 0.5  # what was written wakes us; a look tells whether it was ours
SEATS: Final = 2  # requests that wait at once: the other threads serve the portal's events
PER_MINUTE: Final = 20


class Refresh:
    """`may_call`: whether a call can leave at all; when it cannot, nobody waits."""

    def __init__(
        self,
        intake: Intake,
        archive: Archive,
        compared: Comparison,
        may_call: Callable[[], bool],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._intake = intake
        self._archive = archive
        self._compared = compared
        self._may_call = may_call
        self._now = now
        self._lock = threading.Lock()
        self._seats = threading.BoundedSemaphore(SEATS)
        self._allowance, self._at = float(PER_MINUTE), now()

    def __call__(self, chat_id: int, trace_id: str) -> bool:
        """Whether the archive now holds what the portal said after this call began (or a moment before)."""
        asked_at = self._now()
        compared_at = self._compared.reconciled_at(chat_id)
        if compared_at is not None and asked_at - compared_at < FRESH_S:
            return True
        if self._compared.last_message(chat_id) is None or not self._is_allowed(asked_at):
            return False
        self._intake.hurry(reconcile_job(chat_id, 0.0, trace_id, scope="latest"))
        if not self._may_call() or not self._seats.acquire(blocking=False):
            return False
        try:
            return self._wait(chat_id, int(asked_at))
        finally:
            self._seats.release()

    def _wait(self, chat_id: int, since: int) -> bool:
        end = time.monotonic() + WAIT_S
        seen = self._archive.wait_for_change(0, 0.0)
        while (left := end - time.monotonic()) > 0.0:
            if (self._compared.reconciled_at(chat_id) or 0) >= since:
                return True
            seen = self._archive.wait_for_change(seen, min(LOOK_S, left))
        return False

    def _is_allowed(self, now: float) -> bool:
        """Some tokens in a bucket: however many readers there are, the portal is asked this often at the most."""
        with self._lock:
            self._allowance = min(float(PER_MINUTE), self._allowance + max(0.0, now - self._at) * PER_MINUTE / 60.0)
            self._at = now
            if self._allowance < 1.0:
                return False
            self._allowance -= 1.0
            return True
