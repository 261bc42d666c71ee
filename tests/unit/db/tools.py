"""What tests of the database share: a storage, facts in it, and what a file holds as others see it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from python_bot.db import Storage

T = 1_785_312_000


@contextmanager
def opened(path: Path, **more: Any) -> Iterator[Storage]:
    storage = Storage(path, **more)
    storage.open()
    try:
        yield storage
    finally:
        storage.close()


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


def insert(name: str) -> Callable[[Any], Any]:
    return lambda tx: tx.sql.execute("INSERT INTO facts VALUES (?, '1')", (name,)).rowcount


def set_aside(path: Path) -> list[Path]:
    return sorted(found for found in path.parent.iterdir() if "unreadable" in found.name)
