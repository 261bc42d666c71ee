"""Every earlier schema becomes the newest, or nothing changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from python_bot.db import Storage
from python_bot.db import schema as db_schema
from python_bot.errors import SchemaTooNew, StorageError
from python_bot.migrations import STEPS
from tests.unit.db.tools import fact, opened, put, schema


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
