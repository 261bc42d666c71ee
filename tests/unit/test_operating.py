from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.operating import CALM_S, FULL_S, OperatingTimes, slowness

PORTAL = 1_900_000_000.0  # the portal's clock is none of ours


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def told(spent_s: float, reset_in_s: float = 300.0) -> dict[str, Any]:
    return {"operating": spent_s, "operating_reset_at": int(PORTAL + reset_in_s), "finish": PORTAL}


def test_a_method_that_worked_little_is_not_slowed_down() -> None:
    times = OperatingTimes(Clock())
    times.note("x.get", told(CALM_S))
    assert times.pause_s(["x.get", "y.get"]) == 0.0


def test_a_method_near_its_limit_waits_for_the_reset_and_others_do_not() -> None:
    clock = Clock()
    times = OperatingTimes(clock)
    times.note("x.get", told(FULL_S))
    assert times.pause_s(["X.get"]) == pytest.approx(300.0)
    assert times.pause_s(["y.get"]) == 0.0
    clock.now += 299.0
    assert times.pause_s(["x.get", "y.get"]) == pytest.approx(1.0)
    clock.now += 2.0
    assert times.pause_s(["x.get"]) == 0.0


def test_a_refused_method_waits_as_long_as_the_portal_said() -> None:
    clock = Clock()
    times = OperatingTimes(clock)
    times.blocked("x.get", 30.0)
    assert times.pause_s(["x.get"]) == pytest.approx(30.0)
    times.blocked("y.get", None)
    assert times.pause_s(["y.get"]) == pytest.approx(60.0)


@given(a=st.floats(0, 1000), b=st.floats(0, 1000))
def test_the_more_time_was_spent_the_slower_it_goes(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0.0 <= slowness(low) <= slowness(high) <= 1.0


@pytest.mark.parametrize("answered", [None, [], {}, {"operating": "x", "operating_reset_at": 5}, {"operating": 500}])
def test_an_answer_without_times_changes_nothing(answered: Any) -> None:
    times = OperatingTimes(Clock())
    times.note("x.get", answered)
    assert times.pause_s(["x.get"]) == 0.0
