"""A database file of its own that is made, read once and gone: nothing else ever opens it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ..errors import StorageFull
from .connection import connect, translated

PREFIX: Final = "export-"
SUFFIX: Final = ".tmp"
PIECE: Final = 256 * 1024
CACHE_KIB: Final = 8 * 1024


class ScratchFile:
    """The name goes at once, so that whatever ends the process, nothing remains. Close it after use.

    `reserve`: bytes that must stay free on the disk. Raises StorageError, StorageFull.
    """

    def __init__(self, directory: Path, reserve: int, statements: Iterable[str]) -> None:
        self._directory, self._reserve = directory, reserve
        self._check_room()
        handle, name = tempfile.mkstemp(SUFFIX, PREFIX, directory)
        self._file = os.fdopen(handle, "rb")
        try:
            self._connection = connect(Path(name), "rw", 0.0)
            try:
                for pragma in (
                    "journal_mode=OFF",
                    "synchronous=OFF",
                    f"cache_size=-{CACHE_KIB}",
                    "locking_mode=EXCLUSIVE",
                ):
                    self._connection.execute(f"PRAGMA {pragma}")
                self.run(statements)
            except sqlite3.Error as error:
                self._connection.close()
                raise translated(error) from None
        except BaseException:
            self._file.close()
            raise
        finally:
            Path(name).unlink()

    def run(self, statements: Iterable[str]) -> None:
        self._check_room()
        try:
            for statement in statements:
                self._connection.execute(statement)
        except sqlite3.Error as error:
            raise translated(error) from None

    def add(self, rows: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """Statements with their values, all in one transaction."""
        self._check_room()
        try:
            self._connection.execute("BEGIN")
            for statement, values in rows:
                self._connection.execute(statement, values)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error) from None

    def finish(self) -> int:
        """Nothing more is added; the size in bytes."""
        self._connection.close()
        return os.fstat(self._file.fileno()).st_size

    def pieces(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield piece

    def close(self) -> None:
        self._connection.close()
        self._file.close()

    def _check_room(self) -> None:
        if shutil.disk_usage(self._directory).free < self._reserve:
            raise StorageFull(
                "the disk has too little room left to make a file on it",
                next_step="free some room, lower B24BOT_DISK_RESERVE_MB, or export as jsonl, which needs none",
            )


def remove_left(directory: Path) -> None:
    """What a process left that was killed between making a file and taking its name away."""
    for path in directory.glob(f"{PREFIX}*{SUFFIX}"):
        path.unlink(missing_ok=True)
