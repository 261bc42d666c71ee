"""The embedded database of an instance: one file, one writer, group commit.

All writes of a process go through one thread. It takes whatever units are waiting, runs each in a savepoint
and commits them as one transaction, so sixteen events cost one fsync and one bad unit fails alone. `write`
returns only after the commit is on disk (WAL, `synchronous=FULL`).

Callers see `Tx` and our own errors, never SQLite: only the stores open a `Tx`.
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from .errors import SchemaTooNew, StorageBusy, StorageDamaged, StorageError, StorageFull
from .migrations import STEPS

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_TIMEOUT_S: Final = 4.0  # how long a commit waits for another process that holds the file
WRITE_TIMEOUT_S: Final = 12.0  # how long a caller waits for its commit
GROUP_LIMIT: Final = 256
SLOW_COMMIT_S: Final = 0.003
LONGEST_GATHER_S: Final = 0.002
CHECKPOINT_PAGES: Final = 4000  # 16 MiB of WAL before a commit has to carry a checkpoint


class Tx:
    """An open transaction. It passes from `Storage` through the caller to the stores; only they look inside."""

    __slots__ = ("sql",)

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql


class _Unit(Generic[T]):
    """One piece of work waiting for the writer, and the place where its caller waits for the outcome."""

    __slots__ = ("_done", "alone", "error", "result", "work")

    def __init__(self, work: Callable[[Tx], T], *, alone: bool = False) -> None:
        self.work = work
        self.alone = alone  # not inside a transaction: it replaces the file
        self.result: T | None = None
        self.error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.error = error
        self._done.release()

    def wait(self, timeout_s: float) -> T:
        if not self._done.acquire(timeout=timeout_s):
            # The unit may still be committed later; for the caller it is unknown, so it counts as refused.
            raise StorageBusy("the archive is busy and did not take the record in time")
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # set by the writer before finish()


class Storage:
    """One database file. `open()` first; `close()` ends the writer after it has finished what waits."""

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._units: queue.SimpleQueue[_Unit[Any] | None] = queue.SimpleQueue()
        self._writer: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._idle_readers: queue.LifoQueue[tuple[tuple[int, int], sqlite3.Connection]] = queue.LifoQueue()
        self._thread = threading.Thread(target=self._write_forever, name="b24bot-writer", daemon=True)
        self._closed = False
        self._last_group, self._last_commit_s = 0, 0.0
        self.commits = 0
        self.units = 0

    def open(self) -> None:
        """Create or migrate the file; set an unreadable one aside. Raises StorageError (SchemaTooNew, …)."""
        self._connect_writer()
        self._thread.start()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._units.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        with suppress(queue.Empty):
            while True:
                self._idle_readers.get_nowait()[1].close()

    def write(self, work: Callable[[Tx], T], *, timeout_s: float = WRITE_TIMEOUT_S) -> T:
        """Run `work` in the writer thread and return its result once it is on disk.

        `work` must only touch the transaction: it may run again after a failed group. Raises what `work`
        raised, or a StorageError; nothing of it is stored then.
        """
        if self._closed:
            raise StorageError("the archive is closed")
        unit = _Unit(work)
        self._units.put(unit)
        return unit.wait(timeout_s)

    def start_afresh(self, keep_tables: tuple[str, ...]) -> str:
        """Put the file aside under a dated name and start an empty one with the rows of `keep_tables`.

        Returns the name of the kept copy. Writers wait meanwhile; readers find the new file by themselves.
        """
        unit = _Unit(lambda tx: self._replace_file(keep_tables), alone=True)
        self._units.put(unit)
        return unit.wait(120.0)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot for reading. Raises StorageError."""
        identity, connection = self._take_reader()
        try:
            connection.execute("BEGIN")
            yield Tx(connection)
        except sqlite3.Error as error:
            raise _translated(error) from None
        finally:
            if connection.in_transaction:
                connection.rollback()
            self._idle_readers.put((identity, connection))

    # --- readers -------------------------------------------------------------------------------------------

    def _take_reader(self) -> tuple[tuple[int, int], sqlite3.Connection]:
        current = _identity_of(self.path)
        if current is None:
            self.write(lambda tx: None)  # the writer notices the missing file and makes a new one
            current = _identity_of(self.path)
        with suppress(queue.Empty):
            while True:
                identity, connection = self._idle_readers.get_nowait()
                if identity == current:
                    return identity, connection
                connection.close()  # the file was replaced since
        if current is None:
            raise StorageError("the archive file is missing and could not be made anew")
        try:
            connection = _connect(self.path, "rw", self._busy_timeout_s)
            connection.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise _translated(error) from None
        return current, connection

    # --- the writer ----------------------------------------------------------------------------------------

    def _connect_writer(self) -> sqlite3.Connection:
        end = time.monotonic() + self._busy_timeout_s
        was_damaged = False
        while True:
            try:
                return self._open_writer()
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

    def _open_writer(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            # SQLite gives the files beside it the mode of the database, so that must be right from the start.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
            connection = _connect(self.path, "rw", self._busy_timeout_s)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            connection.execute("PRAGMA journal_size_limit=33554432")
            migrate(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise _translated(error) from None
            if isinstance(error, OSError):
                raise StorageError(
                    f"the archive cannot be opened: {error.strerror}",
                    next_step="check owner and permissions of the instance's home directory",
                ) from None
            raise
        self._writer, self._identity = connection, _identity_of(self.path)
        return connection

    def _set_aside(self) -> None:
        """Keep an unreadable file under another name, with its WAL: nothing is ever overwritten."""
        stamp = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(2).hex()}"
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

    def _replace_file(self, keep_tables: tuple[str, ...]) -> str:
        former = self._ensure_writer()
        is_blocked, *_ = former.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_blocked:
            raise StorageBusy("the archive is being read; nothing was changed", next_step="try again in a moment")
        former.close()
        self._writer = None
        copy = self.path.with_name(f"dialogs-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(2).hex()}.db")
        # The WAL is empty now; it moves along because readers may still hold it.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(copy.with_name(copy.name + suffix))
        fresh = self._connect_writer()
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

    def _ensure_writer(self) -> sqlite3.Connection:
        if self._writer is not None and _identity_of(self.path) != self._identity:
            log.warning("the archive file was removed or replaced: opening it anew")
            self._writer.close()
            self._writer = None
        return self._writer or self._connect_writer()

    def _write_forever(self) -> None:
        while (first := self._units.get()) is not None:
            group = [first]
            self._gather()
            while len(group) < GROUP_LIMIT and not group[-1].alone and not self._units.empty():
                unit = self._units.get()
                if unit is None:
                    self._units.put(None)  # close() came in between: seen again after this group
                    break
                group.append(unit)
            if group[-1].alone:
                *group, alone = group
                if group:
                    self._commit(group)
                self._run_alone(alone)
            else:
                self._commit(group)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _gather(self) -> None:
        """On a slow disk, under load, wait a little: those just answered come again, and share the next fsync."""
        if self._last_group > 1 and self._last_commit_s > SLOW_COMMIT_S:
            time.sleep(min(LONGEST_GATHER_S, self._last_commit_s / 5))

    def _run_alone(self, unit: _Unit[Any]) -> None:
        try:
            unit.result = unit.work(Tx(self._ensure_writer()))
        except Exception as error:
            unit.finish(_translated(error) if isinstance(error, sqlite3.Error) else error)
            return
        unit.finish()

    def _commit(self, group: list[_Unit[Any]]) -> None:
        """Run the units of one group and commit them together; afterwards every unit has its outcome."""
        failed: dict[int, BaseException] = {}
        started = time.perf_counter()
        try:
            connection = self._ensure_writer()
            connection.execute("BEGIN IMMEDIATE")
            tx = Tx(connection)
            for index, unit in enumerate(group):
                connection.execute("SAVEPOINT unit")
                try:
                    unit.result = unit.work(tx)
                    connection.execute("RELEASE unit")
                except Exception as error:
                    if not connection.in_transaction:
                        raise  # SQLite gave the whole transaction up (full disk, I/O error)
                    connection.execute("ROLLBACK TO unit")
                    connection.execute("RELEASE unit")
                    failed[index] = _translated(error) if isinstance(error, sqlite3.Error) else error
            connection.execute("COMMIT")
        except BaseException as error:
            problem = _translated(error) if isinstance(error, sqlite3.Error) else error
            self._give_up_transaction(problem)
            for unit in group:
                unit.finish(problem)
            return
        self._last_group, self._last_commit_s = len(group), time.perf_counter() - started
        self.commits += 1
        self.units += len(group)
        for index, unit in enumerate(group):
            unit.finish(failed.get(index))

    def _give_up_transaction(self, problem: BaseException) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.rollback()
            if isinstance(problem, StorageDamaged | StorageError) and not isinstance(problem, StorageBusy):
                # A fresh connection re-reads everything; a damaged file is found and set aside there.
                with suppress(sqlite3.Error):
                    connection.close()
            else:
                self._writer = connection
        log.error("nothing of a group could be stored: %s", problem)


class Frozen:
    """A database as it is at this moment, while others go on writing to it. Raises StorageError.

    Made and closed with the rights of the file's owner: SQLite may make files beside it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection = _connect(path, "rw", BUSY_TIMEOUT_S)
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot begins here
        except sqlite3.Error as error:
            raise _translated(error) from None

    def copy_to(self, target: Path) -> None:
        """In one step: several would begin anew with every commit of the others. One file, without a WAL."""
        try:
            copy = _connect(target, "rwc", BUSY_TIMEOUT_S)
            try:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()
        except sqlite3.Error as error:
            raise _translated(error) from None

    def schema(self) -> int:
        found: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return found

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


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to the newest step, each step in a transaction of its own. Raises SchemaTooNew."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(STEPS):
                raise SchemaTooNew(
                    f"the archive has schema {version}, this release knows {len(STEPS)}",
                    next_step="install the newer release again, or restore the backup made before the upgrade",
                )
            if version == len(STEPS):
                connection.execute("ROLLBACK")
                return
            for statement in STEPS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise


def _connect(path: Path, mode: str, busy_timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # once per commit: Path.stat costs twice as much
    except OSError:
        return None
    return found.st_dev, found.st_ino


_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _translated(error: sqlite3.Error) -> StorageError:
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
