"""The file is gone, replaced or damaged."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from python_bot.db import Storage
from python_bot.errors import StorageError
from python_bot.model import NewJob
from python_bot.outbox import SqliteOutbox
from tests.unit.db.tools import fact, in_file, opened, put, set_aside


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


def test_a_job_of_a_file_that_is_gone_ends_without_meeting_one_of_the_new_file(storage: Storage, path: Path) -> None:
    """A worker that does it now tells by its number how it ended."""
    outbox = SqliteOutbox(storage)
    storage.write(lambda tx: outbox.put(tx, NewJob("handover", {}, "a", "a"), 1.0))
    (claimed,) = storage.write(lambda tx: outbox.claim(tx, ("handover",), 1, 2.0, 60.0))
    delete(path)
    storage.write(lambda tx: outbox.put(tx, NewJob("handover", {}, "b", "b"), 3.0))
    storage.write(lambda tx: outbox.done(tx, [claimed.id]))
    assert [job.lane for job in outbox.waiting(9)] == ["b"]
    storage.write(lambda tx: outbox.postpone(tx, claimed.id, 9e9, "too late"))
    assert [job.due_at for job in outbox.waiting(9)] == [3.0]


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
