"""A connection to a file, and SQLite's words for what went wrong in ours."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from ..errors import StorageBusy, StorageDamaged, StorageError, StorageFull

BUSY_TIMEOUT_S: Final = 4.0  # how long a commit waits for another process that holds the file


def connect(path: Path, mode: str, busy_timeout_s: float) -> sqlite3.Connection:
    """`mode`: "rw", or "rwc" to make the file. Transactions are begun and ended by hand. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def identity_of(path: Path) -> tuple[int, int] | None:
    """Which file has this name now: device and inode; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # once per commit: Path.stat costs twice as much
    except OSError:
        return None
    return found.st_dev, found.st_ino


_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def translated(error: sqlite3.Error) -> StorageError:
    """SQLite's word for what happened -> ours, with what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StorageBusy("another process holds the archive", next_step="end the process that locks dialogs.db")
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("the disk is full", next_step="free some room; the instance then goes on by itself")
    if code in _DAMAGED:
        return StorageDamaged(f"the archive is unreadable: {error}")
    if code == sqlite3.SQLITE_IOERR:
        return StorageFull(f"the disk refused to write: {error}", next_step="check room and health of the disk")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StorageError(
            f"the archive cannot be opened for writing: {error}",
            next_step="check owner and permissions of the instance's home directory",
        )
    return StorageError(f"the archive refused: {error}")
