"""The stores under test. Another database becomes another entry of STORES; every test here then runs on it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

from python_bot.archive import Archive, Comparison, SqliteArchive, SqliteComparison
from python_bot.db import Storage, Tx
from python_bot.outbox import Outbox, SqliteOutbox
from python_bot.traffic import SqliteTraffic, Traffic

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stores:
    """One set of stores over one storage, with short ways to write and look."""

    storage: Storage
    archive: Archive
    outbox: Outbox
    compared: Comparison
    traffic: Traffic

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.storage.write(work)

    def dialog(self, chat_id: int = 5) -> Any:
        text = self.archive.dialog(chat_id)
        return json.loads(text) if text is not None else None

    def messages(self, chat_id: int = 5) -> list[Any]:
        found: list[Any] = json.loads(self.archive.messages_page(chat_id, 0, 500).items)
        return found

    def message(self, message_id: int, chat_id: int = 5) -> Any:
        (found,) = [row for row in self.messages(chat_id) if row["message_id"] == message_id]
        return found


def stores_of(storage: Storage) -> Stores:
    return Stores(
        storage,
        SqliteArchive(storage),
        SqliteOutbox(storage),
        SqliteComparison(storage),
        SqliteTraffic(storage),
    )


@contextmanager
def sqlite_stores() -> Iterator[Stores]:
    # A memory file system, where there is one: these tests commit thousands of times.
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as home:
        storage = Storage(Path(home) / "dialogs.db")
        storage.open()
        try:
            yield stores_of(storage)
        finally:
            storage.close()


STORES: dict[str, Callable[[], Any]] = {"sqlite": sqlite_stores}


@pytest.fixture(params=STORES)
def fresh_stores(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Opens new, empty stores: `with fresh_stores() as stores`."""
    return STORES[request.param]


@pytest.fixture
def stores(fresh_stores: Callable[[], Any]) -> Iterator[Stores]:
    with fresh_stores() as opened:
        yield opened
