from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.pace import BACKGROUND_RESERVE, BURST, RATE_PER_S, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken_at_once(pace: Pace, *, urgent: bool = True) -> int:
    count = 0
    while pace.wait_s(urgent=urgent) == 0.0:
        count += 1
    return count


def test_a_burst_leaves_at_once_and_then_two_requests_a_second() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    assert taken_at_once(pace) == BURST
    assert pace.wait_s(urgent=True) == pytest.approx(1 / RATE_PER_S)
    clock.now += 5.0
    assert taken_at_once(pace) == 10
    clock.now += 1.0
    assert taken_at_once(pace) == 2


def test_the_background_leaves_room_for_hand_overs() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    assert taken_at_once(pace, urgent=False) == BURST - BACKGROUND_RESERVE
    assert pace.wait_s(urgent=False) == pytest.approx(1 / RATE_PER_S)
    assert taken_at_once(pace, urgent=True) == BACKGROUND_RESERVE


def test_the_named_wait_is_exactly_long_enough() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for urgent in (True, False):
        taken_at_once(pace, urgent=urgent)
        pause = pace.wait_s(urgent=urgent)
        clock.now += pause - 1e-3
        assert pace.wait_s(urgent=urgent) > 0
        clock.now += 2e-3
        assert pace.wait_s(urgent=urgent) == 0.0


def test_nothing_leaves_while_the_portal_closed_the_door() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.close_for(7.0)
    assert pace.wait_s(urgent=True) == pytest.approx(7.0)
    pace.close_for(3.0)  # a shorter one does not open it earlier
    clock.now += 6.9
    assert pace.wait_s(urgent=True) == pytest.approx(0.1)


@pytest.mark.parametrize("idle_s", [0.0, 3600.0])
@pytest.mark.parametrize("seconds", [2.0, 60.0])
def test_no_burst_follows_when_the_door_opens_again(seconds: float, idle_s: float) -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    taken_at_once(pace)
    clock.now += idle_s
    pace.close_for(seconds)
    pace.wait_s(urgent=True)
    clock.now += seconds
    assert taken_at_once(pace) <= 1


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans(), st.integers(1, 8)), max_size=40))
def test_over_any_time_at_most_a_burst_and_the_rate_leave(steps: list[tuple[float, bool, int]]) -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    leaving: list[float] = []
    for pause, urgent, tries in steps:
        clock.now += pause
        for _ in range(tries):
            wait = pace.wait_s(urgent=urgent)
            assert wait >= 0.0
            if wait == 0.0:
                leaving.append(clock.now)
    for i, start in enumerate(leaving):
        for j in range(i, len(leaving)):
            assert j - i + 1 <= BURST + (leaving[j] - start) * RATE_PER_S + 1e-6


def test_stopping_lets_everyone_who_waits_go_empty_handed() -> None:
    pace = Pace(rate_per_s=0.001, burst=0.0)
    answers: list[bool] = []
    waiting = [threading.Thread(target=lambda: answers.append(pace.acquire(urgent=True))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    pace.stop()
    for thread in waiting:
        thread.join(5.0)
    assert answers == [False] * 3
    assert Pace().acquire(urgent=False) is True
