"""Requests and answers of the portal go through the same intake again, in the order in which they came."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from ..archive import SqliteArchive, SqliteComparison, SqliteErasure, SqliteRaw, carrying, rebuilding
from ..attachments import FileQueue
from ..bitrix.event_types import Event
from ..bitrix.events import event_time, read_event
from ..bitrix.history import read_history
from ..bitrix.payload import iso_seconds
from ..bitrix.php_form import read_request
from ..db import Storage, Tx
from ..errors import B24BotError, BadEvent
from ..intake import Intake
from ..model import Differences, JournalEntry, NewJob
from ..outbox import renumber_sessions
from ..values import dataclass

T = TypeVar("T")

CHUNK: Final = 500  # of one transaction
LONG_S: Final = 24 * 3600.0
TRIES: Final = 20


class Rebuild:
    """A fresh archive at `target`, made from `present`, which may be written to meanwhile. Close it after use.

    `progress` is told how many requests and answers were replayed since it was told last. Raises StorageError.
    """

    def __init__(self, present: Storage, target: Path, progress: Callable[[int], None] = lambda count: None) -> None:
        self._present = present
        self._raw = SqliteRaw(present)
        self._progress = progress
        self._storage = Storage(target)
        self._storage.open()
        self._archive = SqliteArchive(self._storage)
        self._compared = SqliteComparison(self._storage)
        self._entry, self._asked_at = 0, 0
        self._applied: set[tuple[int, int]] = set()
        self._storage.beside(present.path, rebuilding.prepare, LONG_S)

    def close(self) -> None:
        self._storage.close()

    def replay(self) -> None:
        """Whatever has come since the last time."""
        # From the last second on: it may not have been over. Those of it that were applied are not applied again.
        times = [(asked_at, session_id) for session_id, asked_at in self._raw.answer_times(self._asked_at)]
        answers = [each for each in times if each not in self._applied]
        while entries := self._raw.entries(self._entry, CHUNK):
            upto = entries[-1][1].received_at
            early = [item for item in answers if item[0] < upto]
            answers = answers[len(early) :]
            self._write(entries, early)
            self._entry = entries[-1][0]
            self._progress(len(entries) + len(early))
        for start in range(0, len(answers), CHUNK):
            part = answers[start : start + CHUNK]
            self._write([], part)
            self._progress(len(part))
        if times:
            self._asked_at = times[-1][0]
            self._applied = {each for each in times if each[0] == self._asked_at}

    def compare(self) -> Differences:
        """How the two differ, once everything is replayed that the present one has taken in."""
        for _ in range(TRIES):
            self.replay()
            found = self._storage.beside(self._present.path, self._compare, LONG_S)
            if found is not None:
                return found
        raise B24BotError(
            "events come faster than they can be replayed", next_step="try again when fewer dialogs are going on"
        )

    def _compare(self, tx: Tx) -> Differences | None:
        return rebuilding.compare(tx) if rebuilding.last_entry(tx) <= self._entry else None

    def finish(self) -> None:
        """Replay the rest and take over what has no raw source. Nobody writes to the present archive meanwhile."""
        self.replay()
        # What was said in such a chat after the erasure moves over from the present archive.
        erasure = SqliteErasure(self._storage)
        for chat_id, before in self._storage.beside(self._present.path, rebuilding.erased_meanwhile, LONG_S):
            erasure.erase(chat_id, before)

        def work(tx: Tx) -> None:
            carrying.carry_over(tx)
            renumber_sessions(tx, rebuilding.session_pairs(tx))

        self._storage.beside(self._present.path, work, LONG_S)

    # --- one portion

    def _write(self, entries: list[tuple[int, JournalEntry]], answers: list[tuple[int, int]]) -> None:
        self._storage.write(lambda tx: self._take(tx, entries, answers), timeout_s=LONG_S)

    def _take(self, tx: Tx, entries: list[tuple[int, JournalEntry]], answers: list[tuple[int, int]]) -> None:
        waiting = iter(answers)
        answer = next(waiting, None)
        clock = _Clock()
        intake = Intake(
            _Within(tx),
            self._archive,
            _NoJobs(),
            FileQueue(self._archive, is_on=False),
            lambda kinds: None,
            now=lambda: clock.now,
        )
        for _, entry in entries:
            while answer is not None and answer[0] < entry.received_at:
                self._answer(tx, answer[1])
                answer = next(waiting, None)
            clock.now = float(entry.received_at)
            intake.take(entry, read_entry(entry))
        for _, session_id in _rest(answer, waiting):
            self._answer(tx, session_id)

    def _answer(self, tx: Tx, session_id: int) -> None:
        found = self._raw.answer(session_id)
        if found is None:
            return  # erased meanwhile
        try:
            history = read_history(json.loads(zlib.decompress(found.body)))
        except (BadEvent, ValueError, zlib.error):
            return  # it then stays as it is: `finish` takes the messages over
        last_at = history.messages[-1].message.sent_at if history.messages else None
        # What the chat's card said of the end is not kept; the last notice of the history is.
        told = replace(history, closed=True if history.ended_at else None, ended_at=history.ended_at or last_at or None)
        applied = self._archive.apply_history(
            tx, told, found.asked_at, self._raw.last_message_of(tx, history.session_id)
        )
        if applied == told:
            self._compared.keep_answer(tx, session_id, found.chat_id, found.asked_at, found.body)


def read_entry(entry: JournalEntry) -> list[Event]:
    """The events of a stored request, as the door or the fetcher read them; [] for what cannot be read."""
    try:
        if entry.format == "fetch":
            tree: dict[str, Any] = json.loads(entry.body)
            at = iso_seconds(str(tree.get("date") or "")) or entry.received_at
        else:
            tree = read_request(entry.body).tree
            at = event_time(tree, entry.received_at)
        return read_event(entry.event, tree.get("data"), at) or []
    except (BadEvent, ValueError, RecursionError):
        return []


def _rest(first: tuple[int, int] | None, others: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if first is not None:
        yield first
        yield from others


@dataclass(slots=True)
class _Clock:
    now: float = 0.0


class _Within:
    """The transaction that is open already, in place of one for each event."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def write(self, work: Callable[[Tx], T]) -> T:
        return work(self._tx)


class _NoJobs:
    """What had to be done then was done, or waits in the outbox that is taken over."""

    def put(self, tx: Tx, job: NewJob, now: float) -> bool:
        return False
