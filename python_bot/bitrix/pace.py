"""How fast we may call the portal: 2 requests a second, a short burst, and room kept free for hand-overs.

The portal's own bucket is 50 deep and drains 2 a second, shared by everything that calls it from our address
(https://apidocs.bitrix24.com/limits.html); we stay far below its rim.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

RATE_PER_S: Final = 2.0
BURST: Final = 10.0
BACKGROUND_RESERVE: Final = 4.0  # requests of the burst that only hand-overs may use


class Pace:
    def __init__(
        self, rate_per_s: float = RATE_PER_S, burst: float = BURST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate_per_s, burst, clock
        self._tokens, self._at = burst, clock()
        self._closed_until = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def wait_s(self, *, urgent: bool) -> float:
        """Take one request when it may leave now (0.0); otherwise the seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            if now < self._closed_until:
                return self._closed_until - now
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
            self._at = now
            needed = 1.0 if urgent else 1.0 + BACKGROUND_RESERVE
            if self._tokens >= needed:
                self._tokens -= 1.0
                return 0.0
            return (needed - self._tokens) / self._rate

    def acquire(self, *, urgent: bool) -> bool:
        """Wait for one request's turn; False when the pace was stopped meanwhile."""
        while not self._stopped.is_set():
            pause = self.wait_s(urgent=urgent)
            if pause <= 0.0:
                return True
            self._stopped.wait(pause)
        return False

    def close_for(self, seconds: float) -> None:
        """The portal said "too many requests": nothing leaves for a while, and no burst follows."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)
            self._tokens, self._at = 0.0, self._closed_until

    def stop(self) -> None:
        self._stopped.set()
