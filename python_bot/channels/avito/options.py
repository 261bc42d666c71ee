"""What can be set for a shop besides its keys. Small: whoever shows accounts reads it, also where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REQUESTS: Final = "requests_per_minute"
PER_MINUTE: Final = 60  # Avito names no figure; others were refused above 60 a minute
FEWEST, MOST = 12, 600


def per_minute(options: Mapping[str, object]) -> int:
    """How many requests of an account may leave in a minute."""
    found = options.get(REQUESTS)
    return found if isinstance(found, int) else PER_MINUTE
