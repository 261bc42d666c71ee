"""What is known to be missing, as the API and `botctl` show it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from ..archive import Archive, Comparison, Completeness
from ..model import Captured, CompletenessTotals, DialogDay, time_text
from ..sync import schedule
from ..sync.discover import BEGAN

FOR_EVER: Final = 2**62
SHOWN_IDS: Final = 100


class Report:
    """Reads; `now` stands in for an end that nobody gave."""

    def __init__(
        self,
        archive: Archive,
        compared: Comparison,
        completeness: Completeness,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._archive = archive
        self._compared = compared
        self._completeness = completeness
        self._now = now

    def totals(self, since: int, until: int | None) -> dict[str, Any]:
        end = int(self._now()) + 1 if until is None else until
        found = self._completeness.totals(since, end)
        return _totals(found, self.unprobed(since))

    def days(
        self, after: tuple[int, ...] | None, limit: int, since: int, until: int | None
    ) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
        """A page behind a position, and the position from which the next one goes on; None at the end."""
        day, chat_id = after or (since, -1)
        rows = self._completeness.days((day, chat_id), limit + 1, since, FOR_EVER if until is None else until)
        shown = rows[:limit]
        return [_day(row) for row in shown], (shown[-1].day, shown[-1].chat_id) if len(rows) > limit else None

    def unprobed(self, since: int) -> int:
        """Session numbers between those that we know that nobody looked at yet, from the first one of that time on.

        The newest are left out: they are asked for again and again while others are given.
        """
        began_at = self._archive.fact(BEGAN)
        bounds = self._compared.number_bounds(max(since, began_at if isinstance(began_at, int) else 0))
        if bounds is None:
            return 0
        first, last = bounds[0], bounds[1] - schedule.TRAILING
        gaps = schedule.without((first, last), self._compared.ranges(first, last)) if first <= last else []
        return sum(high - low + 1 - len(self._compared.numbers(low, high)) for low, high in gaps)


def _captured(found: Captured) -> dict[str, Any]:
    return {
        "captured": found.captured,
        "archived": found.archived,
        "in_history": found.in_history,
        "unnoted": found.unnoted,
        "imported": found.imported,
    }


def _totals(found: CompletenessTotals, unprobed: int) -> dict[str, Any]:
    is_known = not (found.uncompared or found.behind or unprobed)
    return {
        "known": found.messages.in_history if is_known else None,
        **_captured(found.messages),
        "missing": found.messages.change_only,
        "sessions": found.sessions,
        "sessions_uncompared": found.uncompared,
        "sessions_behind": found.behind,
        "session_numbers_unprobed": unprobed,
        "compared_at": _time(found.compared_at),
        "complete": is_known and not found.messages.change_only,
        "gaps": bool(found.messages.change_only or found.uncompared or unprobed),
    }


def _day(row: DialogDay) -> dict[str, Any]:
    return {
        "chat_id": row.chat_id,
        "day": time_text(row.day)[:10],
        "known": row.known,
        **_captured(row.messages),
        "missing": row.messages.change_only,
        "missing_ids": list(row.missing[:SHOWN_IDS]),
        "sessions_uncompared": list(row.uncompared[:SHOWN_IDS]),
        "sessions_behind": row.behind,
        "compared_at": _time(row.compared_at),
        "source": "history" if row.compared_at else None,
        "complete": row.known is not None and not row.missing,
    }


def _time(seconds: int | None) -> str | None:
    return time_text(seconds) if seconds is not None else None
