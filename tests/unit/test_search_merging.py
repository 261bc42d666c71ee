"""Many pieces of the index become one when there is time for it, and searches never notice."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from bench.russian import Speaker
from python_bot.archive import Archive
from python_bot.db import Storage
from python_bot.model import Changes, Document
from python_bot.search import Index, Indexer, indexer, parse
from python_bot.search import index as indexes
from python_bot.search.index import SCHEMA, START, State
from tests.support import until

QUERIES = [parse(text) for text in ("доставка", "заказ оплата", "курь*", "*став*", "-доставка заказ")]


def pieces(path: Path) -> int:
    """In which FTS5 has to look."""
    with closing(sqlite3.connect(path)) as database:
        tables = ("words", "grams")
        return sum(database.execute(f"SELECT COUNT(DISTINCT segid) FROM {t}_idx").fetchone()[0] for t in tables)


class Filled:
    def __init__(self, path: Path) -> None:
        self.path, self.index = path, Index(path)
        self.index.open()
        self.index.begin("archive")
        self._speaker, self._count = Speaker(random.Random(5)), 0

    def says(self, messages: int, *, at_a_time: int = 50) -> None:
        for start in range(self._count, self._count + messages, at_a_time):
            numbers = range(start + 1, start + 1 + at_a_time)
            documents = [Document(n, n % 7, n, self._speaker.says(), "Анна", "") for n in numbers]
            self.index.take(documents, (), (documents[-1].changed, documents[-1].message_id))
        self._count += messages

    def found(self) -> list[list[int]]:
        return [self.index.newest(query, 2**62, 10_000) for query in QUERIES]

    def merge(self) -> int:
        steps = 1
        while self.index.merge():
            steps += 1
        return steps


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
    monkeypatch.setattr(indexes, "SCATTERED", 500)
    found = Filled(tmp_path / "search.db")
    yield found
    found.index.close()


def test_pieces_become_one_and_everything_is_found_as_before(filled: Filled) -> None:
    filled.says(2_000)
    before = filled.found()
    assert filled.index.is_scattered()
    assert pieces(filled.path) > 8
    assert filled.merge() >= 3  # in steps, so that what is said meanwhile waits for one only
    assert (pieces(filled.path), filled.index.is_scattered(), filled.found()) == (2, False, before)
    assert all(before)


def test_what_is_said_between_two_steps_is_learned(filled: Filled) -> None:
    filled.says(1_500)
    for _ in range(40):
        filled.index.merge()
        filled.says(2, at_a_time=1)
    found = filled.found()
    filled.merge()
    assert (filled.found(), filled.index.is_scattered()) == (found, False)
    assert filled.index.newest(QUERIES[0], 2**62, 1)[0] > 1_500


def test_a_few_more_are_not_worth_writing_all_anew(filled: Filled) -> None:
    filled.says(4_000)
    filled.merge()
    filled.says(500)
    assert not filled.index.is_scattered()  # a fifth of all would be
    filled.says(600)
    assert filled.index.is_scattered()


def test_an_index_of_an_earlier_release_is_merged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "SCATTERED", 3)
    path = tmp_path / "search.db"
    former = Storage(path, schema=SCHEMA[:1], durable=False)
    former.open()
    former.write(lambda tx: tx.sql.execute("INSERT INTO state VALUES ('archive', 1, 4, 4)") and None)
    former.write(
        lambda tx: (
            tx.sql.executemany("INSERT INTO documents VALUES (?, 1, 'да', '')", [(n,) for n in range(4)]) and None
        )
    )
    former.close()
    index = Index(path)
    index.open()
    assert index.state() is not None
    assert index.is_scattered()
    index.close()


def test_after_the_way_back_to_this_release_the_index_of_the_newer_one_is_built_anew(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    newer = Storage(path, schema=(*SCHEMA, ("CREATE TABLE more (x)",)), durable=False)
    newer.open()
    newer.close()
    index = Index(path)
    index.open()
    assert index.state() is None
    index.close()


def test_an_index_that_was_tidied_up_too_often_is_built_anew(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """FTS5 of Debian 12 cannot read its own tables after a thousand erasures."""
    monkeypatch.setattr(indexes, "ROUNDS", 3)
    filled.says(1_000)
    filled.index.scrub()
    filled.merge()
    filled.index.scrub()
    state = filled.index.state()
    assert state is not None
    assert not state.is_worn
    filled.index.scrub()
    state = filled.index.state()
    assert state is not None
    assert state.is_worn
    archive = Calm()
    follower = Indexer(cast(Archive, archive), filled.index, lambda: True)
    assert follower.step()
    state = filled.index.state()
    assert (state, filled.found()) == (State("archive", START), [[]] * len(QUERIES))


@pytest.mark.parametrize("table", ["words", "grams"])
def test_as_often_as_it_may_be_tidied_up_fts5_can_read_it(filled: Filled, table: str) -> None:
    filled.says(200)
    for _ in range(indexes.ROUNDS):
        filled.says(1, at_a_time=1)
        filled.index.scrub()
    with closing(sqlite3.connect(filled.path)) as database:
        database.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")


class Calm:
    """An archive without changes, but for the commits that a test makes."""

    def __init__(self) -> None:
        self.commits = 0

    def wait_for_change(self, seen: int, timeout_s: float) -> int:
        time.sleep(min(timeout_s, 0.01))
        return self.commits

    def changes(self, *_: Any) -> Changes:
        return Changes("archive", (), (), 0)


@pytest.fixture
def calm(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Calm, Indexer]]:
    monkeypatch.setattr(indexer, "CALM_S", 0.05)
    monkeypatch.setattr(indexer, "LOOK_S", 0.01)
    archive = Calm()
    thread = Indexer(cast(Archive, archive), filled.index, lambda: True)
    yield archive, thread
    thread.stop()


def test_in_calm_moments_the_pieces_are_brought_together(filled: Filled, calm: tuple[Calm, Indexer]) -> None:
    filled.says(2_000)
    calm[1].start()
    until(lambda: not filled.index.is_scattered())
    assert pieces(filled.path) == 2


def test_while_much_is_written_they_stay(filled: Filled, calm: tuple[Calm, Indexer]) -> None:
    filled.says(2_000)
    archive, thread = calm
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.002):
            archive.commits += 1

    writer = threading.Thread(target=write)
    writer.start()
    thread.start()
    time.sleep(0.5)
    scattered = pieces(filled.path)
    ended.set()
    writer.join()
    assert scattered > 8
    until(lambda: not filled.index.is_scattered())


def test_who_waits_for_the_index_waits_for_one_step(
    filled: Filled, calm: tuple[Calm, Indexer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tidying would go on for a minute."""
    monkeypatch.setattr(indexer, "LAG_S", 60.0)
    monkeypatch.setattr(filled.index, "is_scattered", lambda: True)
    steps: list[float] = []
    monkeypatch.setattr(filled.index, "merge", lambda: steps.append(time.monotonic()) or True)
    tidying = threading.Thread(target=calm[1]._merge_in_calm, args=(0,), daemon=True)
    tidying.start()
    until(lambda: len(steps) > 3)
    filled.index.freshness.wait(1, 0.0)
    tidying.join(10)
    assert not tidying.is_alive()
