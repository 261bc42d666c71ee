"""Others on the same file: processes, locks, readers that keep the WAL."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from python_bot.db import Storage
from python_bot.db.writer import Writer
from python_bot.errors import StorageBusy
from tests.unit.db.tools import fact, held_writer, in_file, insert, opened, put, set_aside


def test_two_storages_on_one_file_see_each_other(path: Path) -> None:
    with opened(path) as one, opened(path) as other:
        for i in range(5):
            put(one, f"one{i}")
            put(other, f"other{i}")
        assert fact(one, "other4") == fact(other, "one4") == "1"
    assert len(in_file(path)) == 10


def test_two_storages_survive_a_fresh_start_by_one_of_them(path: Path) -> None:
    with opened(path) as one, opened(path) as other:
        put(one, "a")
        assert fact(other, "a") == "1"
        one.start_afresh(("outbox", "facts"))
        put(other, "b")
        put(one, "c")
        assert [fact(one, name) for name in "abc"] == [fact(other, name) for name in "abc"] == ["1"] * 3
    assert in_file(path) == ["a", "b", "c"]


def _write_as_a_process(path: str, name: str, count: int) -> None:
    with opened(Path(path), busy_timeout_s=10.0) as storage:
        for i in range(count):
            put(storage, f"{name}{i:02}")


def test_processes_that_open_and_write_one_new_file_at_once_lose_nothing(path: Path) -> None:
    context = get_context("fork")
    processes = [context.Process(target=_write_as_a_process, args=(str(path), f"p{i}-", 10)) for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30.0)
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(in_file(path)) == 40


def test_a_lock_held_by_another_connection_makes_busy_and_passes(path: Path) -> None:
    with opened(path, busy_timeout_s=0.05) as storage:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageBusy) as caught:
                put(storage, "a")
            assert caught.value.next_step
            assert fact(storage, "a") is None  # reading goes on
            other.execute("ROLLBACK")
        put(storage, "a")
        assert fact(storage, "a") == "1"


def test_a_lock_held_at_the_start_makes_busy_and_leaves_the_file(path: Path) -> None:
    with opened(path) as storage:
        put(storage, "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageBusy):
            Storage(path, busy_timeout_s=0.05).open()
        other.execute("ROLLBACK")
    assert set_aside(path) == []
    assert in_file(path) == ["a"]


def test_a_caller_that_waited_too_long_is_told_busy(storage: Storage) -> None:
    with held_writer(storage), pytest.raises(StorageBusy):
        storage.write(insert("a"), timeout_s=0.01)


def quiet_wal(path: Path, bytes_at_most: int, timeout_s: float = 20.0) -> bool:
    wal, end = path.with_name("dialogs.db-wal"), time.monotonic() + timeout_s
    while wal.stat().st_size > bytes_at_most and time.monotonic() < end:
        time.sleep(0.02)
    return wal.stat().st_size <= bytes_at_most


def test_after_a_silence_a_large_wal_gives_its_room_back_and_nothing_is_lost(path: Path) -> None:
    with opened(path, silence_s=0.05) as storage:
        for number in range(40):
            put(storage, f"row {number} " + "x" * 100_000)
        assert quiet_wal(path, 0)
        put(storage, "after")
        assert len(in_file(path)) == 41
    assert len(in_file(path)) == 41


def test_a_reader_keeps_the_wal_and_no_writer_waits_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path, silence_s=0.05, busy_timeout_s=300.0) as storage:
        put(storage, "seen")
        with storage.read() as tx:
            assert tx.sql.execute("SELECT count(*) FROM facts").fetchone() == (1,)
            for number in range(40):
                put(storage, f"row {number} " + "x" * 100_000)
            tried, fold = threading.Event(), Writer.fold_wal

            def watched(writer: Writer) -> None:
                fold(writer)
                tried.set()

            monkeypatch.setattr(Writer, "fold_wal", watched)
            put(storage, "the silence begins")
            assert tried.wait(20.0), "it waits for the reader, and every writer behind it"
            put(storage, "after")
            assert path.with_name("dialogs.db-wal").stat().st_size > 0
        put(storage, "the next silence")
        assert quiet_wal(path, 0)
    assert len(in_file(path)) == 44
