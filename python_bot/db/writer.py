"""The one connection that writes, and the file under it: opened, set aside when unreadable, replaced when asked.

Only the writer's thread calls this, except `open` before that thread runs.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from ..errors import StorageBusy, StorageDamaged, StorageError
from .connection import connect, identity_of, translated
from .schema import Schema, migrate
from .tx import Tx

log = logging.getLogger(__name__)
T = TypeVar("T")

CHECKPOINT_PAGES: Final = 4000  # 16 MiB of WAL before a commit has to carry a checkpoint
LARGE_WAL_BYTES: Final = 1 << 20


class Writer:
    """The connection, made when it is needed. `path`: the database file."""

    def __init__(self, path: Path, busy_timeout_s: float, schema: Schema | None = None, durable: bool = True) -> None:
        self.path = path
        self._schema = schema
        self._durable = durable
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def open(self) -> sqlite3.Connection:
        """Create or migrate the file; set an unreadable one aside. Raises StorageError (SchemaTooNew, …)."""
        end = time.monotonic() + self._busy_timeout_s
        was_damaged = False
        while True:
            try:
                return self._open_once()
            except StorageDamaged:
                if was_damaged:
                    raise
                self._set_aside()
                was_damaged = True
            except StorageBusy:
                # Two processes that open a new file at once: SQLite does not wait for a change to WAL.
                if time.monotonic() >= end:
                    raise
                time.sleep(0.02)

    def connection(self) -> sqlite3.Connection:
        """To the file that has the name now. Raises StorageError."""
        former = self._identity
        was_removed = self._connection is not None and identity_of(self.path) != former
        if self._connection is not None and was_removed:
            log.warning("the archive file was removed or replaced: opening it anew")
            self._connection.close()
            self._connection = None
        if self._connection is not None:
            return self._connection
        connection = self.open()
        # A new file may have got the number that the system gave the former one.
        if was_removed or (former is not None and self._identity != former):
            _number_apart(connection)
        return connection

    def give_up_transaction(self, problem: BaseException) -> None:
        """Roll back. After trouble with the file the next `connection` is a fresh one: it re-reads everything."""
        connection = self._connection
        if connection is None:
            return
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.rollback()
        if isinstance(problem, StorageError) and not isinstance(problem, StorageBusy):
            with suppress(sqlite3.Error):
                connection.close()
            self._connection = None

    def fold_wal(self) -> None:
        """Bring a large WAL into the file and give its room back; not while somebody reads: writers would wait."""
        connection = self._connection
        if connection is None or _bytes_of(self.path.with_name(f"{self.path.name}-wal")) < LARGE_WAL_BYTES:
            return
        # What fails here fails again at the next commit, which says so to its caller.
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA busy_timeout=0")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout={int(1000 * self._busy_timeout_s)}")

    def start_afresh(self, keep_tables: tuple[str, ...]) -> str:
        """Put the file aside under a dated name and start an empty one with the rows of `keep_tables`.

        Returns the name of the kept copy. Raises StorageError; StorageBusy while somebody reads the WAL.
        """
        self.empty_wal()
        self.close()
        copy = self.path.with_name(name_aside())
        # The WAL is empty now; it moves along because readers may still hold it.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(copy.with_name(copy.name + suffix))
        fresh = self.open()
        fresh.execute("ATTACH ? AS former", (str(copy),))
        try:
            fresh.execute("BEGIN IMMEDIATE")
            for table in keep_tables:
                fresh.execute(f"INSERT INTO main.{table} SELECT * FROM former.{table}")
            # Jobs refer to sessions by number, and a message of a running one may come any moment.
            fresh.execute("DELETE FROM main.sqlite_sequence")
            fresh.execute("INSERT INTO main.sqlite_sequence SELECT * FROM former.sqlite_sequence")
            fresh.execute("COMMIT")
        except BaseException:
            fresh.rollback()
            raise
        finally:
            fresh.execute("DETACH former")
        return copy.name

    def empty_wal(self) -> None:
        is_blocked, *_ = self.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_blocked:
            raise StorageBusy("the archive is being read; nothing was changed", next_step="try again in a moment")

    def compact(self) -> None:
        self.connection().execute("VACUUM")
        self.empty_wal()

    def beside(self, other: Path, work: Callable[[Tx], T]) -> T:
        """`work` in a transaction with the database `other` attached as `former`, for reading. Raises StorageError."""
        connection = self.connection()
        connection.execute("ATTACH ? AS former", (f"{other.absolute().as_uri()}?mode=ro",))
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(Tx(connection))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        finally:
            connection.execute("DETACH former")
        return result

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open_once(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            # SQLite gives the files beside it the mode of the database, so that must be right from the start.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
            connection = self._connected()
            if migrate(connection, self._schema):
                connection.close()  # what it has read and written is half a megabyte, which goes back now
                connection = self._connected()
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise translated(error) from None
            if isinstance(error, OSError):
                raise StorageError(
                    f"the archive cannot be opened: {error.strerror}",
                    next_step="check owner and permissions of the instance's home directory",
                ) from None
            raise
        self._connection, self._identity = connection, identity_of(self.path)
        return connection

    def _connected(self) -> sqlite3.Connection:
        connection = connect(self.path, "rw", self._busy_timeout_s)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys=ON")
            # Beyond 16 pages SQLite keeps the journal of a savepoint in a temporary file: 70 µs for each event.
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten with zeros
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            connection.execute("PRAGMA journal_size_limit=33554432")
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        """Keep an unreadable file under another name, with its WAL: nothing is ever overwritten."""
        stamp = _stamp()
        for suffix in ("", "-wal", "-shm"):
            source = self.path.with_name(self.path.name + suffix)
            target = self.path.with_name(f"{self.path.name}.unreadable-{stamp}{suffix}")
            with suppress(FileNotFoundError):
                source.rename(target)
        log.error(
            "the archive %s was unreadable: it was set aside as %s.unreadable-%s and a new one was started; "
            "restore a backup or run `sqlite3 FILE .recover` on the one set aside",
            self.path.name,
            self.path.name,
            stamp,
        )


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def name_aside() -> str:
    """For an archive that gives its place to another and stays beside it."""
    return f"dialogs-{_stamp()}.db"


def _stamp() -> str:
    """Part of a file's name: when, and something that two in one second do not share."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(2).hex()}"


def _number_apart(connection: sqlite3.Connection) -> None:
    """In a new file, numbers that the former one did not have: whoever still works on a job of that one tells by its
    number how it ended, and must not meet another."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        return
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT name, ? FROM sqlite_master WHERE type = 'table'"
        " AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN (SELECT name FROM sqlite_sequence)",
        (time.time_ns() // 1_000_000,),
    )
