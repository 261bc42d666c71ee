"""One figure: what was seen, beside what it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`reach`: the bound that `value` (usually ours / yardstick) is held against; `more_is_better` its direction."""

    what: str
    ours: str
    yardstick: str
    value: float
    reach: float
    more_is_better: bool

    @property
    def holds(self) -> bool:
        return self.value >= self.reach if self.more_is_better else self.value <= self.reach


class Skipped(Exception):
    """The figure cannot be measured here; the text says what is missing."""
