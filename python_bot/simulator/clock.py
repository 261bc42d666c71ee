"""The portal's clock: real time plus whatever a test has pushed it forward."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

PORTAL_ZONE = timezone(timedelta(hours=3))  # the demo portal lives in Moscow


class Clock:
    """Unix seconds that never stand still and never go back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_s = 0.0
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> float:
        return time.time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Push time forward at once; timers that became due run before this returns."""
        if seconds < 0:
            raise ValueError("a portal's clock does not go back")
        with self._lock:
            self._ahead_s += seconds
        for listener in list(self._listeners):
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)


def iso(unix_s: float) -> str:
    """ISO 8601 with the portal's offset, whole seconds, as REST answers carry it."""
    return datetime.fromtimestamp(int(unix_s), UTC).astimezone(PORTAL_ZONE).isoformat()
