"""Searches go one after the other, and one that takes long holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from python_bot.archive import Archive
from python_bot.search import finder, parse
from python_bot.search.finder import IndexedSearch
from python_bot.search.index import Index
from tests.support import until


class Nothing:
    """An archive of nothing, and an index that finds nothing in it; `meanwhile` happens while it looks."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self.looking = self.most = self.finished = 0
        self._lock = threading.Lock()

    def few_chats(self, *_: Any) -> None:
        return None

    def found(self, *_: Any) -> list[Any]:
        return []

    def newest(self, *_: Any) -> list[int]:
        with self._lock:
            self.looking += 1
            self.most = max(self.most, self.looking)
        self._meanwhile()
        with self._lock:
            self.looking -= 1
            self.finished += 1
        return []


@contextmanager
def searches(count: int, nothing: Nothing) -> Iterator[None]:
    search = IndexedSearch(cast(Archive, nothing), cast(Index, nothing))
    query = parse("доставка")
    threads = [threading.Thread(target=search.find, args=(query, None, 20)) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(30)


def test_those_who_come_at_the_same_moment_search_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "TURN_S", 3600.0)
    nothing = Nothing(lambda: time.sleep(0.001))
    with searches(8, nothing):
        pass
    assert (nothing.finished, nothing.most) == (8, 1)


def test_a_search_that_takes_long_holds_nobody_up() -> None:
    let_go = threading.Event()

    def wait() -> None:
        assert let_go.wait(30)

    nothing = Nothing(wait)
    with searches(3, nothing):
        until(lambda: nothing.looking == 3)
        let_go.set()
    assert nothing.finished == 3
