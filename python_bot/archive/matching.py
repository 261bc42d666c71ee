"""Which imported message is which one of the portal's. Pure.

The former bot knew no message numbers: author, text and time have to do. Nothing said may be lost, so a pair has to
be certain, each message has one partner at the most, and what has none stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from ..values import dataclass

# The former bot noted when it received a message; the closest partners find each other first.
TOLERANCES_S: Final = (2, 15, 120)
EDIT_TOLERANCE_S: Final = 10  # of an edited message the portal tells the last text only
HOUR_S: Final = 3600
OFFSETS_S: Final = (0, HOUR_S, -HOUR_S)  # summer time, or a zone that was given wrongly
TELLING_CHARACTERS: Final = 12  # «Да» an hour apart proves nothing, a sentence does
FARTHEST_S: Final = HOUR_S + TOLERANCES_S[-1]


@dataclass(frozen=True, slots=True)
class Said:
    """`text` as compared: see `normal`. `at`: Unix seconds. `edited`: the text may have been another one."""

    message_id: int
    author_id: int
    text: str
    at: int
    edited: bool = False


def normal(text: str) -> str:
    """Words without their spacing."""
    return " ".join(text.split())


def pairs(imported: Sequence[Said], real: Sequence[Said]) -> list[tuple[Said, Said]]:
    """(imported, the portal's) for each imported message that the portal's own stands for.

    One shift of the clock is assumed for the whole conversation: the one that explains most, none if it does as well.
    """
    best = _pairs(imported, real, 0)
    for offset_s in OFFSETS_S[1:]:
        found = _pairs(imported, real, offset_s)
        is_telling = len(found) > 1 or any(len(one.text) >= TELLING_CHARACTERS for one, _ in found)
        if is_telling and len(found) > len(best):
            best = found
    return best


def _pairs(imported: Sequence[Said], real: Sequence[Said], offset_s: int) -> list[tuple[Said, Said]]:
    found: list[tuple[Said, Said]] = []
    ours, theirs = _by_text(imported), _by_text(real)
    for key in ours.keys() & theirs.keys():
        left, right = ours[key], theirs[key]
        for tolerance_s in TOLERANCES_S:
            closest = _closest(left, right, offset_s, tolerance_s)
            found += closest
            left, right = _without(left, right, closest)
    # The same author, the same moment, another text: it was edited since.
    rest, edited = _without(imported, [said for said in real if said.edited], found)
    for author_id in {said.author_id for said in edited}:
        left = sorted((said for said in rest if said.author_id == author_id), key=_moment)
        right = sorted((said for said in edited if said.author_id == author_id), key=_moment)
        found += _closest(left, right, offset_s, EDIT_TOLERANCE_S)
    return found


def _closest(left: Sequence[Said], right: Sequence[Said], offset_s: int, tolerance_s: int) -> list[tuple[Said, Said]]:
    """As many pairs as there can be of two lists in the order of time, none of which cross."""
    found: list[tuple[Said, Said]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        apart = left[i].at + offset_s - right[j].at
        if abs(apart) <= tolerance_s:
            found.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    return found


def _without(
    left: Iterable[Said], right: Iterable[Said], found: Iterable[tuple[Said, Said]]
) -> tuple[list[Said], list[Said]]:
    gone_left, gone_right = {one.message_id for one, _ in found}, {other.message_id for _, other in found}
    return (
        [said for said in left if said.message_id not in gone_left],
        [said for said in right if said.message_id not in gone_right],
    )


def _by_text(rows: Iterable[Said]) -> dict[tuple[int, str], list[Said]]:
    grouped: dict[tuple[int, str], list[Said]] = defaultdict(list)
    for said in sorted(rows, key=_moment):
        grouped[said.author_id, said.text].append(said)
    return grouped


def _moment(said: Said) -> tuple[int, int]:
    return said.at, said.message_id
