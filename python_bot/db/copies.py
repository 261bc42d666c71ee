"""Copies of an archive: taken while others write to it, and looked through before they are trusted."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from ..errors import StorageDamaged
from ..values import dataclass
from .connection import BUSY_TIMEOUT_S, connect, translated
from .tx import Tx

T = TypeVar("T")


class Frozen:
    """A database as it is at this moment, while others go on writing to it. Raises StorageError.

    Made and closed with the rights of the file's owner: SQLite may make files beside it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection = connect(path, "rw", BUSY_TIMEOUT_S)
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot begins here
        except sqlite3.Error as error:
            raise translated(error) from None

    def copy_to(self, target: Path) -> None:
        """In one step: several would begin anew with every commit of the others. One file, without a WAL."""
        try:
            copy = connect(target, "rwc", BUSY_TIMEOUT_S)
            try:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()
        except sqlite3.Error as error:
            raise translated(error) from None

    def schema(self) -> int:
        found: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return found

    def close(self) -> None:
        self._connection.close()


class KeptCopy:
    """A database that no instance uses, of any schema, to delete from. Raises StorageError; close it after use."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = connect(path, "rw", BUSY_TIMEOUT_S)
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise translated(error) from None

    def write(self, work: Callable[[Tx], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            result = work(Tx(self._connection))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error) from None
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()
        return result

    def compact(self) -> None:
        """Write the file anew without what was deleted, and empty its WAL."""
        try:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise translated(error) from None

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a copy of an archive holds. `schema`: how many of the migrations it has seen."""

    schema: int
    dialogs: int
    messages: int


def inspect(path: Path) -> Inspection:
    """Look through a copy that nobody has open. Raises StorageDamaged when it is no whole archive of ours."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise StorageDamaged(f"the archive is damaged: {verdict}")
            schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
            dialogs: int = connection.execute("SELECT count(*) FROM dialogs").fetchone()[0]
            messages: int = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageDamaged(f"this is no archive of ours: {error}") from None
    return Inspection(schema, dialogs, messages)


RESTORED: Final = ".restored"  # beside an older archive that took another's place, until an instance has seen it
STEPS_BETWEEN_LOOKS: Final = 20_000  # of SQLite's machine, between two looks at the clock


def verdict(path: Path, within_s: float) -> str | None:
    """What SQLite's quick check says of a database in use: 'ok', or what is wrong; None when it takes longer.

    Reads only. Raises StorageError when the file cannot be opened.
    """
    end = time.monotonic() + within_s
    try:
        connection = connect(path, "rw", BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA query_only=ON")
            connection.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
            found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return None
        told = translated(error)
        if isinstance(told, StorageDamaged):
            return str(error)
        raise told from None
    return " ".join(found.split())
