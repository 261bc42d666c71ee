"""Requests that wait for news. Only a few at a time: the other threads are for the portal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ...archive import Archive
from ...model import JsonPage

WAITERS: Final = 4
LOOK_S: Final = 1.0  # another process may have written, or this one begun to end, and only a look tells


class LongPoll:
    """Answers at once with what there is, or waits until there is something. `is_leaving`: the process ends."""

    def __init__(self, archive: Archive, is_leaving: Callable[[], bool]) -> None:
        self._archive = archive
        self._is_leaving = is_leaving
        self._lock = threading.Lock()
        self.waiting = 0

    def __call__(self, look: Callable[[], JsonPage], wait_s: float) -> JsonPage:
        if wait_s <= 0 or not self._take_place():
            return look()
        try:
            end = time.monotonic() + wait_s
            seen = self._archive.wait_for_change(0, 0.0)
            while True:
                page = look()
                left = end - time.monotonic()
                if page.items != b"[]" or left <= 0 or self._is_leaving():
                    return page
                seen = self._archive.wait_for_change(seen, min(LOOK_S, left))
        finally:
            with self._lock:
                self.waiting -= 1

    def _take_place(self) -> bool:
        with self._lock:
            if self.waiting >= WAITERS:
                return False
            self.waiting += 1
            return True
