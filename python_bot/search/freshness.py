"""How far the index has followed, for those who wait for it without asking the disk again and again."""

from __future__ import annotations

import threading


class Freshness:
    """Counts in commits of the archive, as this process counts them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._learned = 0
        self._wanted = 0
        self._is_over = False

    def learned(self, commits: int) -> None:
        """The index knows everything that was committed up to here."""
        with self._changed:
            self._learned = max(self._learned, commits)
            self._changed.notify_all()

    def wait(self, commits: int, timeout_s: float) -> bool:
        """Ask for everything up to here, and wait until the index knows it; whether it does."""
        with self._changed:
            self._wanted = max(self._wanted, commits)
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._learned >= commits, timeout_s)

    def is_wanted(self, within_s: float) -> bool:
        """Whether somebody waits for more than is known, now or within this time; so it is when all is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_over or self._wanted > self._learned, within_s)

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
