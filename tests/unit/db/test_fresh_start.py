"""Starting afresh: a dated copy, and nothing lost around it."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

from python_bot.db import Storage
from python_bot.errors import StorageBusy
from tests.unit.db.tools import fact, in_file, opened, put


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
