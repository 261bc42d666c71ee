"""How much working time the portal still grants a method, so that the background slows down before it is refused.

The portal adds up the time it spent in one method for one application over ten minutes and blocks the method above
480 s; every answer tells the sum (`time.operating`) and when its oldest minute drops out (`time.operating_reset_at`).
https://apidocs.bitrix24.com/settings/performance/limits.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

CALM_S: Final = 200.0  # below this nothing is slowed down
FULL_S: Final = 400.0  # from here on nothing leaves before the reset; the lowest known limit is 420
BLOCKED_S: Final = 60.0  # when the portal refuses a method and does not say for how long


class OperatingTimes:
    """`clock`: seconds that never go back. Safe for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def note(self, method: str, answered: Any) -> None:
        """The `time` block of an answer. The portal's clock need not be ours: only differences of its times count."""
        if not isinstance(answered, dict):
            return
        spent, reset_at, finish = (answered.get(key) for key in ("operating", "operating_reset_at", "finish"))
        if not (isinstance(spent, int | float) and isinstance(reset_at, int | float)):
            return
        until_reset = max(0.0, float(reset_at) - float(finish)) if isinstance(finish, int | float) else BLOCKED_S
        self._set(method, until_reset * slowness(float(spent)))

    def blocked(self, method: str, seconds: float | None) -> None:
        """The portal refused the method; nothing of it leaves for as long as it said."""
        self._set(method, seconds if seconds is not None else BLOCKED_S)

    def pause_s(self, methods: Iterable[str]) -> float:
        """Seconds to wait before background work should call any of these again; 0.0 when it may go on."""
        now = self._clock()
        with self._lock:
            return max([0.0, *(self._free_at.get(method.lower(), now) - now for method in methods)])

    def _set(self, method: str, pause_s: float) -> None:
        with self._lock:
            self._free_at[method.lower()] = self._clock() + pause_s


def slowness(spent_s: float) -> float:
    """The part of the time until the reset to wait before the next request: 0 … 1."""
    share = (spent_s - CALM_S) / (FULL_S - CALM_S)
    return min(1.0, max(0.0, share)) ** 2
