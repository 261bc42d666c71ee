"""Times as texts."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def iso_utc(at: int | None) -> str | None:
    """1785312000 -> '2026-07-29T08:00:00Z'; None too for a time outside the calendar, which an event may carry."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None


def time_text(seconds: float) -> str:
    """Unix seconds -> `2026-07-29T11:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
