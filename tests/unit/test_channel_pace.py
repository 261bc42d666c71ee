"""Limits of messengers, kept in advance."""

from __future__ import annotations

import random

import pytest

from python_bot.channels.pace import FORGET_EVERY, Limit, Pace, wait_s
from python_bot.errors import DeliveryFailed

ACCOUNT, CHAT, GROUP = Limit(30, 1.0), Limit(1, 1.0), Limit(20, 60.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_place_is_free_when_the_window_has_passed_over_the_first_of_them() -> None:
    assert wait_s(Limit(2, 10.0), [5.0], 5.0) == 0.0
    assert wait_s(Limit(2, 10.0), [1.0, 5.0], 5.0) == 6.0
    assert wait_s(Limit(2, 10.0), [1.0, 5.0], 11.0) == 0.0


def test_no_window_of_any_limit_is_ever_too_full() -> None:
    clock, chance = Clock(), random.Random(7)
    pace = Pace(clock=clock)
    sent: list[tuple[float, str]] = []
    for _ in range(3 * FORGET_EVERY):
        chat = f"chat{chance.randrange(60)}"
        limits = {("account",): ACCOUNT, ("chat", chat): CHAT}
        if chat in ("chat1", "chat2"):
            limits[("group", chat)] = GROUP
        if pace.take_or_wait(limits) == 0.0:
            sent.append((clock.now, chat))
        clock.now += chance.random() * 0.05
    times = [at for at, _ in sent]
    assert all(b - a >= 1.0 for a, b in zip(times, times[30:], strict=False))
    for chat, limit in [(f"chat{n}", CHAT) for n in range(60)] + [("chat1", GROUP), ("chat2", GROUP)]:
        own = [at for at, name in sent if name == chat]
        assert all(b - a >= limit.per_s for a, b in zip(own, own[limit.count :], strict=False))


def test_a_busy_chat_takes_no_place_of_the_account() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    limits = {("account",): Limit(2, 1.0), ("chat", "a"): CHAT}
    assert pace.take_or_wait(limits) == 0.0
    assert pace.take_or_wait(limits) == pace.take_or_wait(limits) == 1.0
    assert pace.take_or_wait({("account",): Limit(2, 1.0), ("chat", "b"): CHAT}) == 0.0


def test_a_short_wait_is_waited_for_and_a_long_one_told() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    quick, slow = {("account",): Limit(1, 0.03)}, {("chat",): Limit(1, 3.0)}
    for _ in range(3):
        pace.acquire(quick, "Telegram")
    assert clock.now == pytest.approx(1000.06)
    pace.acquire(slow, "Telegram")
    with pytest.raises(DeliveryFailed) as caught:
        pace.acquire(slow, "Telegram")
    assert caught.value.retry_after_s == pytest.approx(3.0) and not caught.value.final


def test_a_pause_that_was_asked_for_is_kept_for_its_key_only() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    pace.close_for(("chat", "a"), 17)
    pace.close_for(("chat", "a"), 3)
    assert pace.take_or_wait({("chat", "a"): CHAT}) == 17
    assert pace.take_or_wait({("chat", "b"): CHAT}) == 0.0
    clock.now += 17
    assert pace.take_or_wait({("chat", "a"): CHAT}) == 0.0
