"""Whose turn it is: how many senders a subscriber may occupy, and when one that is not well is let alone. Pure.

A subscriber whose last delivery got through is trusted with SENDERS_PER_HOST senders. Any other gets one at a time,
and all of those together at most half of the senders: however many hang, the others find a free one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ..values import dataclass

SENDERS: Final = 8
SENDERS_PER_HOST: Final = 2
SENDERS_FOR_DOUBTFUL: Final = SENDERS // 2
UNWELL_AFTER: Final = 3  # failures in a row, of whatever dialogs
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How it went lately. `failures`: in a row; `rests_until`: when a subscriber that is not well is called again."""

    failures: int = 0
    rests_until: float = 0.0
    trusted: bool = False

    @property
    def is_unwell(self) -> bool:
        return self.failures >= UNWELL_AFTER

    def after_success(self) -> Standing:
        return Standing(trusted=True)

    def after_failure(self, now: float, *, unreachable: bool, retry_after_s: float | None) -> Standing:
        """A refusal says little about the subscriber: only his dialog waits, unless he refuses everything."""
        failures = self.failures + 1
        rest = 0.0
        if failures >= UNWELL_AFTER:
            rest = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(failures - UNWELL_AFTER, 30))
        if unreachable and retry_after_s is not None:
            rest = max(rest, min(retry_after_s, LONGEST_REST_S))
        return replace(self, failures=failures, rests_until=now + rest, trusted=False)


@dataclass(frozen=True, slots=True)
class Busy:
    """A sender at work: for whom, and whether that one was trusted when it began."""

    subscription_id: int
    origin: str
    trusted: bool


def places(subscription_id: int, origin: str, standing: Standing, busy: Collection[Busy], now: float) -> int:
    """How many more senders may call this subscriber now."""
    if standing.rests_until > now:
        return 0
    free = SENDERS - len(busy)
    of_host = sum(one.origin == origin for one in busy)
    if standing.trusted:
        return max(0, min(free, SENDERS_PER_HOST - of_host))
    doubtful = sum(not one.trusted for one in busy)
    own = sum(one.subscription_id == subscription_id for one in busy)
    return max(0, min(free, SENDERS_PER_HOST - of_host, SENDERS_FOR_DOUBTFUL - doubtful, 1 - own))
