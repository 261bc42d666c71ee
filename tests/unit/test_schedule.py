from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.model import SessionCheck
from python_bot.sync import schedule
from python_bot.sync.reconcile import plan

NOW = 1_785_312_000.0
RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 15)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def numbers(ranges: list[schedule.Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


# --- when


@given(silent_s=st.floats(0, 1e9), longer_s=st.floats(0, 1e9))
def test_the_longer_a_dialog_is_silent_the_later_it_is_looked_at_again(silent_s: float, longer_s: float) -> None:
    soon = schedule.next_check(NOW, NOW - silent_s) - NOW
    later = schedule.next_check(NOW, NOW - silent_s - longer_s) - NOW
    assert schedule.SHORTEST_S <= soon <= later <= schedule.LONGEST_S


def test_a_silence_doubles_from_look_to_look() -> None:
    at, looks = NOW, 0
    while at < NOW + 7 * 24 * 3600:
        at, looks = schedule.next_check(at, NOW), looks + 1
    assert looks <= 16  # a week of silence costs no more requests than this


def test_a_dialog_without_a_message_is_looked_at_once_a_day() -> None:
    assert schedule.next_check(NOW, None) == NOW + schedule.LONGEST_S


# --- portions


@given(portion=st.integers(1, 50), took_s=st.floats(0, 60), failed=st.booleans())
def test_a_portion_stays_within_a_batch(portion: int, took_s: float, failed: bool) -> None:
    new = schedule.next_portion(portion, took_s, failed)
    assert 1 <= new <= schedule.LARGEST_PORTION
    if failed or took_s > schedule.SLOW_S:
        assert new < portion or portion == 1
    elif took_s < schedule.QUICK_S:
        assert new > portion or portion == schedule.LARGEST_PORTION
    else:
        assert new == portion


# --- numbers


@given(first=st.integers(1, 60), width=st.integers(0, 40), taken=RANGES)
def test_what_is_left_is_exactly_what_nobody_looked_at(first: int, width: int, taken: list[schedule.Range]) -> None:
    wanted = (first, first + width)
    left = schedule.without(wanted, taken)
    assert numbers(left) == numbers([wanted]) - numbers(taken)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(left))


@given(
    first=st.integers(1, 60),
    width=st.integers(0, 60),
    known=st.sets(st.integers(1, 130)),
    size=st.integers(1, 50),
)
def test_portions_ask_for_every_unknown_number_of_a_gap_once(
    first: int, width: int, known: set[int], size: int
) -> None:
    gap, asked = (first, first + width), list[int]()
    while gap[0] <= gap[1]:
        portion, settled = schedule.portion_of(gap, known, size)
        assert len(portion) <= size and set(portion) <= numbers([settled])
        assert settled[0] == gap[0] and settled[1] >= gap[0]
        asked += portion
        gap = (settled[1] + 1, gap[1])
    assert asked == [number for number in range(first, first + width + 1) if number not in known]


def test_of_a_gap_wider_than_any_downtime_only_the_ends_are_asked_for() -> None:
    assert schedule.narrowed((5, 50), widest=100) == [(5, 50)]
    assert schedule.narrowed((1, 1_000_000), widest=100) == [(1, 50), (999_951, 1_000_000)]


# --- what one job asks for

OPEN = SessionCheck(321, closed=False, settled=True, last_message_id=9)
OVER = SessionCheck(319, closed=True, settled=True, last_message_id=5)
BEHIND = SessionCheck(317, closed=True, settled=False, last_message_id=3)
NUMBERLESS = SessionCheck(None, closed=False, settled=False, last_message_id=8)


@pytest.mark.parametrize(
    ("scope", "hint", "checks", "sessions", "with_card"),
    [
        ("due", None, [OVER], {}, False),
        ("due", None, [BEHIND, OVER], {317: 3}, False),
        ("due", None, [OVER, OPEN], {321: 9}, True),
        ("due", None, [OVER, replace(BEHIND, session_id=323)], {323: 3}, True),  # it may have been opened again
        ("due", 321, [OPEN], {321: 9}, True),
        ("due", 325, [OVER], {325: 0}, True),
        ("due", 319, [OVER], {}, False),
        ("again", 319, [OVER], {319: 5}, True),
        ("again", 317, [replace(BEHIND, settled=True), OVER], {317: 3}, False),
        ("due", None, [], {None: 0}, True),
        ("due", None, [NUMBERLESS], {None: 0}, True),
        ("due", None, [OVER, NUMBERLESS], {None: 5}, True),
        ("latest", None, [OVER], {None: 5}, True),
        ("latest", None, [BEHIND, OVER], {317: 3, None: 5}, True),
        ("all", None, [BEHIND, OVER, OPEN], {317: 3, 319: 5, None: 9}, True),
    ],
)
def test_a_job_asks_for_what_is_not_settled_and_nothing_else(
    scope: str,
    hint: int | None,
    checks: list[SessionCheck],
    sessions: dict[int | None, int],
    with_card: bool,
) -> None:
    ask = plan({"chat_id": 5, "session_id": hint, "scope": scope}, checks)
    assert (dict(ask.sessions), ask.with_card) == (sessions, with_card)
