"""Large archives for the figures of reading, made once for a run: dialogs of 20 messages, and their search index."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from python_bot.archive import SqliteArchive
from python_bot.db import Storage
from python_bot.search import Index, Indexer

from .archive_maker import make_archive

SMALL: Final = 10_000
LARGE: Final = int(os.environ.get("B24BOT_BENCH_MESSAGES", "1000000"))
EACH: Final = 20
KEPT: Final = os.environ.get("B24BOT_BENCH_ARCHIVES", "")  # a directory where they stay for the next run
MADE: Final = "made"


@cache
def home(messages: int) -> Path:
    """The home of an instance with so many messages."""
    if KEPT:
        directory = Path(KEPT) / str(messages)
        directory.mkdir(parents=True, exist_ok=True)
    else:
        directory = Path(tempfile.mkdtemp(prefix="b24bot-bench-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if not (directory / MADE).exists():
        make_archive(directory / "dialogs.db", dialogs=messages // EACH, messages_each=EACH, rng=random.Random(1))
        (directory / MADE).touch()
    return directory


@cache
def searched_home(messages: int) -> Path:
    """The same with its index filled."""
    directory = home(messages)
    storage, index = Storage(directory / "dialogs.db"), Index(directory / "search.db")
    storage.open()
    index.open()
    indexer = Indexer(SqliteArchive(storage), index, lambda: True)
    while indexer.step():
        pass
    while index.is_scattered() and index.merge():  # as an instance does in the next calm moments
        pass
    index.close()
    storage.close()
    return directory
