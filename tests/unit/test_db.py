from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from python_bot.db import Storage
from python_bot.db import schema as db_schema
from python_bot.db.writer import Writer
from python_bot.errors import SchemaTooNew, StorageBusy, StorageError
from python_bot.migrations import STEPS

T = 1_785_312_000


@contextmanager
def opened(path: Path, **more: Any) -> Iterator[Storage]:
    storage = Storage(path, **more)
    storage.open()
    try:
        yield storage
    finally:
        storage.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dialogs.db"


@pytest.fixture
def storage(path: Path) -> Iterator[Storage]:
    with opened(path) as storage:
        yield storage


def fact(storage: Storage, name: str) -> Any:
    with storage.read() as tx:
        row = tx.sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def put(storage: Storage, name: str, value: str = "1") -> None:
    storage.write(lambda tx: tx.sql.execute("INSERT INTO facts VALUES (?, ?)", (name, value)))


def in_file(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as other:
        return [row[0] for row in other.execute("SELECT name FROM facts ORDER BY name")]


def schema(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


# --- writing


def test_what_was_written_is_on_disk_when_write_returns(storage: Storage, path: Path) -> None:
    put(storage, "a")
    assert in_file(path) == ["a"]
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_result_of_the_work_is_returned(storage: Storage) -> None:
    assert storage.write(lambda tx: tx.sql.execute("SELECT 41 + 1").fetchone()[0]) == 42


@contextmanager
def held_writer(storage: Storage) -> Iterator[None]:
    """While inside, the writer thread is busy with one unit and everything else waits behind it."""
    started, go = threading.Event(), threading.Event()

    def work(tx: Any) -> None:
        started.set()
        assert go.wait(10.0)

    thread = threading.Thread(target=storage.write, args=(work,))
    thread.start()
    assert started.wait(10.0)
    try:
        yield
    finally:
        go.set()
        thread.join(10.0)


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


def insert(name: str) -> Callable[[Any], Any]:
    return lambda tx: tx.sql.execute("INSERT INTO facts VALUES (?, '1')", (name,)).rowcount


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


# --- reading


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


# --- the file is gone, replaced, damaged


def delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("everything", [True, False])
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_file_deleted_while_running_is_made_anew(storage: Storage, path: Path, everything: bool, first: str) -> None:
    put(storage, "before")
    assert fact(storage, "before") == "1"  # a reader is idle now
    with storage.read() as tx:  # and one is busy
        tx.sql.execute("SELECT 1 FROM facts").fetchone()
        if everything:
            delete(path)
        else:
            path.unlink()
        if first == "write":
            put(storage, "after")
    if first == "read":
        assert fact(storage, "before") is None
        put(storage, "after")
    assert (fact(storage, "before"), fact(storage, "after")) == (None, "1")
    for i in range(5):
        put(storage, f"more{i}")
        assert fact(storage, f"more{i}") == "1"
    assert in_file(path) == ["after", *(f"more{i}" for i in range(5))]
    storage.close()
    assert in_file(path) == ["after", *(f"more{i}" for i in range(5))]


def test_a_replaced_file_is_noticed(storage: Storage, path: Path, tmp_path: Path) -> None:
    put(storage, "before")
    assert fact(storage, "before") == "1"
    other = tmp_path / "backup.db"
    with opened(other) as backup:
        put(backup, "restored")
    delete(path)
    other.rename(path)
    assert (fact(storage, "restored"), fact(storage, "before")) == ("1", None)
    put(storage, "after")
    assert in_file(path) == ["after", "restored"]


def set_aside(path: Path) -> list[Path]:
    return sorted(found for found in path.parent.iterdir() if "unreadable" in found.name)


@pytest.mark.parametrize("content", [b"this is no database at all " * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_an_unreadable_file_is_set_aside_with_its_bytes_intact(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with opened(path) as storage:
        put(storage, "a")
        assert fact(storage, "a") == "1"
    assert [found.read_bytes() for found in set_aside(path)] == [content]


@pytest.mark.parametrize("damage", [b"garbage " * 16, b"SQLite format 3\x00" + b"\xff" * 112])
def test_the_wal_of_an_unreadable_file_is_set_aside_with_it(path: Path, tmp_path: Path, damage: bytes) -> None:
    """A crash leaves committed messages in the WAL alone: they are the part that can still be recovered."""
    other = tmp_path / "other" / "dialogs.db"
    other.parent.mkdir()
    with opened(other) as storage:
        put(storage, "committed", "x" * 9000)
        main, wal = other.read_bytes(), other.with_name("dialogs.db-wal").read_bytes()
    path.write_bytes(damage + main[len(damage) :])
    path.with_name("dialogs.db-wal").write_bytes(wal)
    with opened(path) as storage:
        if not set_aside(path):  # the WAL held the whole of the damaged page
            assert fact(storage, "committed")
            return
    kept = {found.name.rpartition("Z")[2]: found.read_bytes() for found in set_aside(path)}
    assert kept[""] == damage + main[len(damage) :]
    assert kept.get("-wal") == wal


def test_an_empty_file_becomes_an_archive(path: Path) -> None:
    path.touch()
    with opened(path) as storage:
        put(storage, "a")
    assert set_aside(path) == []


def test_a_file_unreadable_twice_within_a_second_is_set_aside_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda *args: "20260729T110000Z")
    for content in (b"first " * 1000, b"second " * 1000):
        path.write_bytes(content)
        with opened(path) as storage:
            put(storage, "a")
        delete(path)
    assert {found.read_bytes() for found in set_aside(path)} == {b"first " * 1000, b"second " * 1000}


def test_a_file_that_becomes_unreadable_while_running_is_set_aside(storage: Storage, path: Path) -> None:
    put(storage, "before")
    garbage = path.with_name("garbage")
    garbage.write_bytes(b"garbage " * 1000)
    delete(path)
    garbage.rename(path)
    put(storage, "after")
    assert fact(storage, "after") == "1"
    assert [found.read_bytes() for found in set_aside(path)] == [b"garbage " * 1000]


def test_a_directory_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Storage(tmp_path / "nowhere" / "dialogs.db").open()
    assert caught.value.next_step


# --- the schema


def test_a_schema_newer_than_known_is_refused_with_a_next_step_and_left_untouched(path: Path) -> None:
    with opened(path) as storage:
        put(storage, "a")
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version={len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as caught:
        Storage(path).open()
    assert caught.value.next_step
    assert path.read_bytes() == before
    assert {found.name for found in path.parent.iterdir()} == {"dialogs.db"}


@pytest.mark.parametrize("version", range(len(STEPS)))
def test_every_earlier_schema_becomes_the_newest(path: Path, tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as old:
        for step in STEPS[:version]:
            for statement in step:
                old.execute(statement)
        old.execute(f"PRAGMA user_version={version}")
        old.commit()
    new = tmp_path / "new.db"
    with opened(path), opened(new):
        pass
    assert schema(path) == schema(new)
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert found.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_failed_step_of_a_migration_leaves_the_former_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as storage:
        put(storage, "a")
    before = schema(path)
    monkeypatch.setattr(db_schema, "STEPS", (*STEPS, ("CREATE TABLE half (x)", "CREATE TABLE half (x)")))
    with pytest.raises(StorageError):
        Storage(path).open()
    assert schema(path) == before
    monkeypatch.undo()
    with opened(path) as storage:
        assert fact(storage, "a") == "1"


# --- starting afresh


def test_starting_afresh_keeps_a_dated_copy_and_the_chosen_tables(storage: Storage, path: Path) -> None:
    put(storage, "kept")
    storage.write(
        lambda tx: tx.sql.execute(
            "INSERT INTO outbox (kind, payload, lane, dedupe_key, trace_id, created_at, due_at)"
            " VALUES ('k', '{}', 'l', 'd', 't', 1, 1)"
        )
    )
    storage.write(lambda tx: tx.sql.execute("INSERT INTO users (user_id, kind) VALUES (1, 'client')"))
    storage.write(lambda tx: tx.sql.execute("INSERT INTO dialogs (chat_id, dialog_id, opened_at) VALUES (5, 'c', 0)"))
    storage.write(lambda tx: tx.sql.execute("INSERT INTO sessions (chat_id, opened_at) VALUES (5, 0)"))
    assert fact(storage, "kept") == "1"
    copy = path.with_name(storage.start_afresh(("outbox", "facts")))
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("SELECT COUNT(*) FROM users").fetchone() == (1,)
        assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with storage.read() as tx:
        assert tx.sql.execute("SELECT COUNT(*) FROM users").fetchone() == (0,)
        assert tx.sql.execute("SELECT id, kind FROM outbox").fetchall() == [(1, "k")]
    for i in range(5):
        put(storage, f"new{i}")
        assert fact(storage, f"new{i}") == "1"
    storage.write(lambda tx: tx.sql.execute("INSERT INTO dialogs (chat_id, dialog_id, opened_at) VALUES (5, 'c', 0)"))
    refs = storage.write(
        lambda tx: tx.sql.execute("INSERT INTO sessions (chat_id, opened_at) VALUES (5, 0) RETURNING id").fetchall()
    )
    assert refs == [(2,)]  # jobs that were kept still speak of session 1
    storage.close()
    assert in_file(path) == ["kept", *(f"new{i}" for i in range(5))]


def test_starting_afresh_during_a_reading_loses_nothing_and_works_afterwards(path: Path) -> None:
    """The reader's moment is either kept whole, or the fresh start is refused and changes nothing."""
    with opened(path, busy_timeout_s=0.05) as storage:
        put(storage, "a")
        storage.write(lambda tx: tx.sql.execute("INSERT INTO users (user_id, kind) VALUES (1, 'client')"))
        with storage.read() as tx:
            assert tx.sql.execute("SELECT COUNT(*) FROM users").fetchone() == (1,)
            put(storage, "b")
            try:
                storage.start_afresh(("outbox", "facts"))
                expected = (0,)
            except StorageBusy:
                expected = (1,)
            assert tx.sql.execute("SELECT COUNT(*) FROM users").fetchone() == (1,)
        put(storage, "c")
        with storage.read() as tx:
            assert tx.sql.execute("SELECT COUNT(*) FROM users").fetchone() == expected
        storage.start_afresh(("outbox", "facts"))
        with storage.read() as tx:
            assert tx.sql.execute("SELECT COUNT(*) FROM users").fetchone() == (0,)
    assert in_file(path) == ["a", "b", "c"]


def test_starting_afresh_twice_keeps_two_copies(storage: Storage, path: Path) -> None:
    put(storage, "a")
    names = {storage.start_afresh(("outbox", "facts")) for _ in range(2)}
    assert len(names) == 2 and all(path.with_name(name).exists() for name in names)
    assert in_file(path) == ["a"]


def test_writers_around_a_fresh_start_lose_nothing_that_they_were_told_is_stored(storage: Storage, path: Path) -> None:
    told: list[str] = []

    def write_many(number: int) -> None:
        for i in range(30):
            put(storage, f"{number}-{i}")
            told.append(f"{number}-{i}")

    threads = [threading.Thread(target=write_many, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    storage.start_afresh(("outbox", "facts"))
    for thread in threads:
        thread.join(20.0)
    assert set(told) == set(in_file(path))


# --- others on the same file


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
