"""When a dialog is compared with the portal's history, in which portions, which numbers are asked for. Pure arithmetic.

Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

SHORTEST_S: Final = 600.0
LONGEST_S: Final = 24 * 3600.0
DISCOVER_EVERY_S: Final = 3600.0
# A closed session can be opened again, and its words be changed, without a sign that would reach us. It is read once
# more when that has become unlikely.
LAST_LOOK_S: Final = 3 * 24 * 3600

FIRST_PORTION: Final = 10
LARGEST_PORTION: Final = 50  # a batch holds no more
QUICK_S, SLOW_S = 2.0, 8.0  # the portal ends a request after 60 s, and we wait 30

UNKNOWN_IN_A_ROW: Final = 50
FORGOTTEN_IN_A_ROW: Final = 2000  # a portal that deleted its oldest sessions starts somewhere above 1
TRAILING: Final = 20  # two lists of numbers (odd, even) may be a few apart: the last ones are asked for again
WIDEST_GAP: Final = 100_000  # nobody has as many sessions in one downtime; a number that wide is a mistake

Range = tuple[int, int]  # first and last number, both included


def next_check(now: float, last_message_at: float | None) -> float:
    """When an open session that is complete now is compared again: the longer it has been silent, the later."""
    silent_s = now - last_message_at if last_message_at is not None else LONGEST_S
    return now + min(LONGEST_S, max(SHORTEST_S, silent_s))


def next_portion(portion: int, took_s: float, failed: bool = False) -> int:
    """How many sessions the next request asks for, after one of `portion` took this long."""
    if failed or took_s > SLOW_S:
        return max(1, portion // 2)
    if took_s < QUICK_S:
        return min(LARGEST_PORTION, portion + max(1, portion // 2))
    return portion


def without(wanted: Range, taken: Iterable[Range]) -> list[Range]:
    """The parts of `wanted` that no range of `taken` covers, in ascending order."""
    first, last = wanted
    left: list[Range] = []
    for low, high in sorted(taken):
        if low > last:
            break
        if low > first:
            left.append((first, low - 1))
        first = max(first, high + 1)
    if first <= last:
        left.append((first, last))
    return left


def narrowed(gap: Range, widest: int = WIDEST_GAP) -> list[Range]:
    """The parts of a gap that are worth asking for: both its ends when it is wider than any downtime."""
    first, last = gap
    if last - first < widest:
        return [gap]
    return [(first, first + widest // 2 - 1), (last - widest // 2 + 1, last)]


def portion_of(gap: Range, known: Collection[int], size: int) -> tuple[list[int], Range]:
    """The next numbers of a gap to ask for, and the part of it that is settled once they are answered.

    Known numbers are not asked for, so the part may be longer than `size`.
    """
    first, last = gap
    asked: list[int] = []
    for number in range(first, last + 1):
        if number in known:
            continue
        if len(asked) == size:
            return asked, (first, number - 1)
        asked.append(number)
    return asked, gap
