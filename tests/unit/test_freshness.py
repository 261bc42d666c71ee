"""Waiting for the index: told and not asked for, and over when the instance ends."""

from __future__ import annotations

import threading
import time

from python_bot.search.freshness import Freshness


def test_whoever_waits_is_told_when_it_is_learned() -> None:
    freshness = Freshness()
    threading.Timer(0.05, freshness.learned, (7,)).start()
    started = time.monotonic()
    assert freshness.wait(7, 10.0)
    assert time.monotonic() - started < 5
    assert freshness.wait(6, 0.0)
    assert not freshness.wait(8, 0.01)


def test_the_index_is_asked_for_what_it_does_not_know_and_for_nothing_else() -> None:
    freshness = Freshness()
    assert not freshness.is_wanted(0.0)
    freshness.wait(3, 0.0)
    assert freshness.is_wanted(0.0)
    freshness.learned(3)
    assert not freshness.is_wanted(0.0)
    threading.Timer(0.05, freshness.wait, (4, 0.0)).start()
    assert freshness.is_wanted(10.0)


def test_an_end_lets_the_index_go() -> None:
    freshness = Freshness()
    threading.Timer(0.05, freshness.end).start()
    started = time.monotonic()
    assert freshness.is_wanted(10.0)
    assert time.monotonic() - started < 5
