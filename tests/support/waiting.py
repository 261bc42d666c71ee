from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(probe: Callable[[], T], timeout_s: float = 15.0, what: str = "") -> T:
    """The first truthy value of `probe`; fails loudly when none came in time."""
    end = time.monotonic() + timeout_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what or probe}; last value {value!r}")
        time.sleep(0.02)
