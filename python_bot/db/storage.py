"""The writer's thread with its queue, and snapshots for readers.

The thread takes whatever units are waiting, runs each in a savepoint and commits them as one transaction, so
sixteen events cost one fsync and one bad unit fails alone. `write` returns only after the commit is on disk
(WAL, `synchronous=FULL`).
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from ..errors import StorageBusy, StorageError
from ..pool import waiting
from .connection import BUSY_TIMEOUT_S, connect, identity_of, translated
from .schema import Schema
from .tx import Tx
from .writer import Writer

T = TypeVar("T")
log = logging.getLogger(__name__)

WRITE_TIMEOUT_S: Final = 12.0  # how long a caller waits for its commit
GROUP_LIMIT: Final = 256
SLOW_COMMIT_S: Final = 0.003
LONGEST_GATHER_S: Final = 0.002
SILENCE_S: Final = 10.0  # without a write, before the WAL gives its room back


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
        with waiting():
            in_time = self._done.acquire(timeout=timeout_s)
        if not in_time:
            # The unit may still be committed later; for the caller it is unknown, so it counts as refused.
            raise StorageBusy("the archive is busy and did not take the record in time")
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # set by the writer before finish()


class Storage:
    """One database file. `open()` first; `close()` ends the writer after it has finished what waits.

    `schema`: its steps, those of the archive by default. `durable`: a power cut takes nothing that was written; else
    it may take the last moments, for what can be made anew.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: Schema | None = None,
        durable: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._silence_s = silence_s
        self._units: queue.SimpleQueue[_Unit[Any] | None] = queue.SimpleQueue()
        self._writer = Writer(path, busy_timeout_s, schema, durable)
        self._idle_readers: deque[tuple[tuple[int, int], sqlite3.Connection]] = deque()
        self._thread = threading.Thread(target=self._write_forever, name="b24bot-writer", daemon=True)
        self._closed = False
        self._last_group, self._last_commit_s = 0, 0.0
        self._committed = threading.Condition()
        self._let_go = False
        self.commits = 0
        self.units = 0

    def open(self) -> None:
        """Create or migrate the file; set an unreadable one aside. Raises StorageError (SchemaTooNew, …)."""
        self._writer.open()
        self._thread.start()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._units.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        with suppress(IndexError):
            while True:
                self._idle_readers.pop()[1].close()

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

    def wait_for_commit(self, seen: int, timeout_s: float) -> int:
        """Wait until this process has committed more than `seen` times, at most so long; how often it has."""
        with self._committed:
            self._committed.wait_for(lambda: self.commits > seen or self._let_go, timeout_s)
            return self.commits

    def let_waiters_go(self) -> None:
        """Nobody waits for a commit from now on: the process ends."""
        with self._committed:
            self._let_go = True
            self._committed.notify_all()

    def start_afresh(self, keep_tables: tuple[str, ...]) -> str:
        """Put the file aside under a dated name and start an empty one with the rows of `keep_tables`.

        Returns the name of the kept copy. Writers wait meanwhile; readers find the new file by themselves.
        """
        unit = _Unit(lambda tx: self._writer.start_afresh(keep_tables), alone=True)
        self._units.put(unit)
        return unit.wait(120.0)

    def beside(self, other: Path, work: Callable[[Tx], T], timeout_s: float = WRITE_TIMEOUT_S) -> T:
        """Run `work` in a transaction that also reads another database of the same schema, as `former`.

        Others may go on writing to that one: it is seen as it is at the first look.
        """
        unit = _Unit(lambda tx: self._writer.beside(other, work), alone=True)
        self._units.put(unit)
        return unit.wait(timeout_s)

    def cut_wal(self) -> None:
        """Write what waits in the WAL into the file and cut it to nothing, unless somebody reads it now."""
        unit = _Unit(lambda tx: self._writer.fold_wal(), alone=True)
        self._units.put(unit)
        unit.wait(WRITE_TIMEOUT_S)

    def empty_wal(self) -> None:
        """Bring everything into the database file and leave no byte in the WAL. Raises StorageBusy while it is read."""
        unit = _Unit(lambda tx: self._writer.empty_wal(), alone=True)
        self._units.put(unit)
        unit.wait(WRITE_TIMEOUT_S)

    def compact(self) -> None:
        """Write the file anew without what was deleted. Every other writer waits meanwhile: about 1 s for 100 MB."""
        unit = _Unit(lambda tx: self._writer.compact(), alone=True)
        self._units.put(unit)
        unit.wait(3600.0)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot for reading. Raises StorageError."""
        with self.glance() as tx:
            tx.sql.execute("BEGIN")
            try:
                yield tx
            finally:
                if tx.sql.in_transaction:
                    tx.sql.rollback()

    @contextmanager
    def glance(self) -> Iterator[Tx]:
        """For reading what one statement finds: each is a snapshot by itself. Raises StorageError."""
        identity, connection = self._take_reader()
        try:
            yield Tx(connection)
        except sqlite3.Error as error:
            raise translated(error) from None
        finally:
            self._idle_readers.append((identity, connection))

    def _take_reader(self) -> tuple[tuple[int, int], sqlite3.Connection]:
        current = identity_of(self.path)
        if current is None:
            self.write(lambda tx: None)  # the writer notices the missing file and makes a new one
            current = identity_of(self.path)
        with suppress(IndexError):
            while True:
                identity, connection = self._idle_readers.pop()
                if identity == current:
                    return identity, connection
                connection.close()  # the file was replaced since
        if current is None:
            raise StorageError("the archive file is missing and could not be made anew")
        try:
            connection = connect(self.path, "rw", self._busy_timeout_s)
            connection.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            raise translated(error) from None
        return current, connection

    def _write_forever(self) -> None:
        while (first := self._next_unit()) is not None:
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
        self._writer.close()

    def _next_unit(self) -> _Unit[Any] | None:
        with suppress(queue.Empty):
            return self._units.get(timeout=self._silence_s)
        self._writer.fold_wal()
        return self._units.get()  # nothing to do again before the next write

    def _gather(self) -> None:
        """On a slow disk, under load, wait a little: those just answered come again, and share the next fsync."""
        if self._last_group > 1 and self._last_commit_s > SLOW_COMMIT_S:
            time.sleep(min(LONGEST_GATHER_S, self._last_commit_s / 5))

    def _run_alone(self, unit: _Unit[Any]) -> None:
        try:
            unit.result = unit.work(Tx(self._writer.connection()))
        except Exception as error:
            unit.finish(translated(error) if isinstance(error, sqlite3.Error) else error)
            return
        unit.finish()

    def _commit(self, group: list[_Unit[Any]]) -> None:
        """Run the units of one group and commit them together; afterwards every unit has its outcome."""
        failed: dict[int, BaseException] = {}
        started = time.perf_counter()
        try:
            connection = self._writer.connection()
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
                    failed[index] = translated(error) if isinstance(error, sqlite3.Error) else error
            connection.execute("COMMIT")
        except BaseException as error:
            problem = translated(error) if isinstance(error, sqlite3.Error) else error
            self._writer.give_up_transaction(problem)
            log.error("nothing of a group could be stored: %s", problem)
            for unit in group:
                unit.finish(problem)
            return
        self._last_group, self._last_commit_s = len(group), time.perf_counter() - started
        with self._committed:
            self.commits += 1
            self._committed.notify_all()
        self.units += len(group)
        for index, unit in enumerate(group):
            unit.finish(failed.get(index))
