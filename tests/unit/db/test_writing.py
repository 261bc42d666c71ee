"""Writing in groups, and reading one moment."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from python_bot.db import Storage
from python_bot.errors import StorageBusy, StorageError
from tests.unit.db.tools import fact, held_writer, in_file, insert, opened, put


def test_what_was_written_is_on_disk_when_write_returns(storage: Storage, path: Path) -> None:
    put(storage, "a")
    assert in_file(path) == ["a"]
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_result_of_the_work_is_returned(storage: Storage) -> None:
    assert storage.write(lambda tx: tx.sql.execute("SELECT 41 + 1").fetchone()[0]) == 42


def together(storage: Storage, works: list[Callable[[Any], Any]]) -> list[Any]:
    """All units wait at once, so that they become one group; their results or errors."""
    outcomes: list[Any] = [None] * len(works)

    def one(i: int) -> None:
        try:
            outcomes[i] = storage.write(works[i])
        except Exception as error:
            outcomes[i] = error

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(works))]
    with held_writer(storage):
        for thread in threads:
            thread.start()
        while storage._units.qsize() < len(works):
            pass
    for thread in threads:
        thread.join(10.0)
    return outcomes


def test_what_waits_is_committed_as_one_group(storage: Storage) -> None:
    commits, units = storage.commits, storage.units
    assert together(storage, [insert(f"n{i}") for i in range(20)]) == [1] * 20
    assert storage.units - units == 21
    assert storage.commits - commits == 2  # the one that held the writer, and all the others


def test_a_bad_unit_fails_alone(storage: Storage, path: Path) -> None:
    def half(tx: Any) -> None:
        insert("half")(tx)
        raise RuntimeError("after half of its work")

    outcomes = together(
        storage, [insert("a"), half, insert("a2"), lambda tx: tx.sql.execute("SELECT * FROM nowhere"), insert("b")]
    )
    assert [type(outcome) for outcome in outcomes] == [int, RuntimeError, int, StorageError, int]
    assert in_file(path) == ["a", "a2", "b"]


def test_a_unit_that_breaks_a_rule_of_the_database_gets_our_own_error(storage: Storage, path: Path) -> None:
    put(storage, "a")
    with pytest.raises(StorageError) as caught:
        put(storage, "a")
    assert not isinstance(caught.value, StorageBusy)
    assert in_file(path) == ["a"]


def test_a_broken_reference_fails_without_taking_its_neighbours_along(storage: Storage, path: Path) -> None:
    """Some foreign keys are checked at the commit only: of a whole group, when several units share it."""

    def orphan(tx: Any) -> None:
        tx.sql.execute("INSERT INTO sessions (chat_id, opened_at) VALUES (404, 0)")

    outcomes = together(storage, [insert("a"), orphan, insert("b")])
    assert isinstance(outcomes[1], StorageError)
    assert in_file(path) == ["a", "b"]


def test_writing_after_the_end_is_refused(path: Path) -> None:
    with opened(path) as storage:
        pass
    with pytest.raises(StorageError):
        put(storage, "a")
    storage.close()


def test_closing_finishes_what_waits(path: Path) -> None:
    storage = Storage(path)
    storage.open()
    threads = [threading.Thread(target=put, args=(storage, f"n{i}")) for i in range(10)]
    with held_writer(storage):
        for thread in threads:
            thread.start()
        while storage._units.qsize() < len(threads):
            pass
        closer = threading.Thread(target=storage.close)
        closer.start()
        while not storage._closed:
            pass
    closer.join(10.0)
    for thread in threads:
        thread.join(10.0)
    assert len(in_file(path)) == 10


def test_files_of_the_archive_are_their_owners_alone(path: Path) -> None:
    before = os.umask(0o022)
    try:
        with opened(path) as storage:
            put(storage, "a")
            assert fact(storage, "a") == "1"
            modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) >= {"dialogs.db", "dialogs.db-wal"}
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o600} == {}


def test_a_reading_sees_one_moment(storage: Storage) -> None:
    put(storage, "a")
    with storage.read() as tx:
        assert tx.sql.execute("SELECT COUNT(*) FROM facts").fetchone() == (1,)
        put(storage, "b")
        assert tx.sql.execute("SELECT COUNT(*) FROM facts").fetchone() == (1,)
    assert fact(storage, "b") == "1"


def test_a_reader_cannot_write(storage: Storage) -> None:
    with pytest.raises(StorageError), storage.read() as tx:
        tx.sql.execute("INSERT INTO facts VALUES ('a', '1')")
    assert fact(storage, "a") is None


def test_readings_within_each_other_and_after_an_error_work(storage: Storage) -> None:
    with storage.read() as one, storage.read() as other:
        assert one is not other
    with pytest.raises(ZeroDivisionError), storage.read():
        raise ZeroDivisionError
    assert fact(storage, "a") is None
