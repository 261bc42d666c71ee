"""What the doctor asks of an archive."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from python_bot.archive import SqliteCheckup
from python_bot.db import Storage, verdict
from python_bot.errors import StorageError
from python_bot.model import JournalEntry
from tests.contract.conversations import facts


def event(name: str, at: int) -> JournalEntry:
    return JournalEntry(at, name, "trace-0123", f"{name}{at}".encode(), b"{}", "json", "read")


def test_the_last_event_is_the_newest_but_those_that_do_not_count(stores: Any) -> None:
    checkup = SqliteCheckup(stores.storage)
    assert checkup.last_event("ONAPPTEST") is None
    for entry in (event("ONAPPTEST", 1), event("ONSESSIONSTART", 2), event("ONAPPTEST", 3)):
        stores.write(lambda tx, e=entry: stores.archive.record(tx, e))
    assert checkup.last_event("ONAPPTEST") == ("ONSESSIONSTART", 2)


def test_several_chats_of_one_person_in_one_channel_are_noticed(stores: Any) -> None:
    checkup = SqliteCheckup(stores.storage)
    stores.write(lambda tx: stores.archive.joined(tx, facts(chat_id=5), 100))
    assert checkup.people_with_several_chats(10) == []
    stores.write(lambda tx: stores.archive.joined(tx, facts(chat_id=7), 200))
    assert checkup.people_with_several_chats(10) == [744]


def test_a_database_in_use_is_checked_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dialogs.db"
    storage = Storage(path)
    storage.open()
    try:
        assert verdict(path, 5.0) == "ok"
        assert verdict(path, -1.0) in ("ok", None)  # a small file is read before anybody looks at the clock
    finally:
        storage.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\x5a" * 4096 * 3)
    found = verdict(path, 5.0)
    assert found not in ("ok", None)
    with pytest.raises(StorageError):
        verdict(tmp_path / "missing.db", 5.0)
