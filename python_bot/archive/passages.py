"""Walking over many messages, for exports: in the order of their numbers, which nothing ever changes.

Every slice is a snapshot of its own and held by nobody afterwards: a reader of hours keeps neither the write-ahead log
nor a lock. What arrives behind the walker, or above the highest number at its start, is left to the next export.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterator
from typing import Final

from ..db import Storage, Tx
from ..model import DialogFilter, JsonLines, JsonPage, Passage
from . import filters, pages
from .filters import Conditions

BUSY_S: Final = 0.1  # after a commit: events come in bursts
LONGEST_REST_S: Final = 0.05
SLICE: Final = 500  # rows: a few milliseconds, and half a megabyte at the most usual length
MANY_IDS: Final = 200_000  # so many numbers are kept in memory; beyond, the archive is walked through

_WINDOW: Final = """SELECT MAX(message_id), COUNT(*) FROM (SELECT message_id FROM messages
    WHERE message_id > ? AND message_id <= ? ORDER BY message_id LIMIT ?)"""
_OF_DIALOGS: Final = f"""SELECT message_id FROM json_each(?) few CROSS JOIN messages ON chat_id = few.value
    ORDER BY message_id LIMIT {MANY_IDS + 1}"""


def messages(storage: Storage, wanted: DialogFilter) -> Passage:
    """The messages that `messages_feed` shows, by their numbers."""
    conditions = filters.of_message(wanted, "message_id")
    on_dialog = filters.of_dialogs_of_messages(wanted)
    with storage.read() as tx:
        ids = _known_ids(tx, wanted, on_dialog)
        if on_dialog.terms:
            which = f"SELECT 1 FROM dialogs d WHERE d.chat_id = m.chat_id AND {on_dialog.sql}"
            conditions = conditions.and_(f"EXISTS ({which})")
        if ids is not None:
            return Passage(len(ids), _by_ids(storage, ids, conditions))
        first, last = _bounds(tx, wanted)
        count = "SELECT COUNT(*) FROM messages WHERE message_id BETWEEN ? AND ?"
        total = tx.sql.execute(count, (first, last)).fetchone()[0]
    return Passage(total, _by_windows(storage, first - 1, last, conditions))


def conversations(storage: Storage, wanted: DialogFilter, after: int | None, limit: int) -> JsonPage:
    """Dialogs by `chat_id`, each with its sessions and participants; one that goes meanwhile is left out."""
    rows, order = pages.Rows("dialogs d", filters.of_dialog(wanted)), filters.DIALOG_ORDERS["oldest"]
    with storage.read() as tx:
        position = None if after is None else (after,)
        page = pages.page(tx, "json_array(d.chat_id)", rows, order, position, limit)
    found = [pages.dialog(storage, chat_id) for (chat_id,) in json.loads(page.items)]
    items = ",".join(each for each in found if each is not None)
    return JsonPage(f"[{items}]".encode(), page.next_key, page.last_key)


def _known_ids(tx: Tx, wanted: DialogFilter, on_dialog: Conditions) -> array[int] | None:
    """The numbers among which all wanted messages are, in ascending order, when they are not too many."""
    if wanted.message_ids is not None:
        return array("q", sorted(wanted.message_ids))
    few = pages.few_dialogs(tx, on_dialog) if on_dialog.terms else None
    if few is None:
        return None
    ids = array("q", (row[0] for row in tx.sql.execute(_OF_DIALOGS, (few,))))
    return ids if len(ids) <= MANY_IDS else None


def _bounds(tx: Tx, wanted: DialogFilter) -> tuple[int, int]:
    """The lowest and the highest number that can be wanted: times and changes have indexes that tell."""
    bounds: list[tuple[str, dict[str, int | None]]] = [("1", {})]
    if wanted.since is not None or wanted.until is not None:
        since, until = wanted.since, wanted.until
        terms = [
            term for term, value in (("sent_at >= :since", since), ("sent_at < :until", until)) if value is not None
        ]
        bounds.append((" AND ".join(terms), {"since": since, "until": until}))
    if wanted.updated_after is not None:
        bounds.append(("changed > :updated_after", {"updated_after": wanted.updated_after * filters.MICROSECONDS}))
    found = [
        tx.sql.execute(f"SELECT MIN(message_id), MAX(message_id) FROM messages WHERE {sql}", values).fetchone()
        for sql, values in bounds
    ]
    if any(low is None for low, _ in found):
        return 1, 0
    return max(low for low, _ in found), min(high for _, high in found)


def _by_windows(storage: Storage, after: int, last: int, conditions: Conditions) -> Iterator[JsonLines]:
    source = f"{pages.MESSAGE_FROM} WHERE m.message_id > :after AND m.message_id <= :end AND {conditions.sql}"
    courtesy = _Courtesy(storage)
    while after < last:
        courtesy.rest()
        with storage.read() as tx:
            end, seen = tx.sql.execute(_WINDOW, (after, last, SLICE)).fetchone()
            if not seen:
                return
            values = {**conditions.values, "after": after, "end": end}
            lines, count = tx.sql.execute(_lines(tx, source), values).fetchone()
        yield JsonLines(lines or b"", count, seen)
        after = end


def _by_ids(storage: Storage, ids: array[int], conditions: Conditions) -> Iterator[JsonLines]:
    source = f"json_each(:ids) i CROSS JOIN {pages.MESSAGE_FROM} WHERE m.message_id = i.value AND {conditions.sql}"
    courtesy = _Courtesy(storage)
    for start in range(0, len(ids), SLICE):
        courtesy.rest()
        some = ids[start : start + SLICE].tolist()
        with storage.read() as tx:
            values = {**conditions.values, "ids": json.dumps(some)}
            lines, count = tx.sql.execute(_lines(tx, source), values).fetchone()
        yield JsonLines(lines or b"", count, len(some))


class _Courtesy:
    """While this process writes, whoever walks through the archive leaves most of the time to those who wait for it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._commits, self._busy_until = storage.commits, 0.0
        self._rested_at = time.monotonic()

    def rest(self) -> None:
        """As long as the last slice and what became of it took, twice, when something was written lately."""
        now = time.monotonic()
        if self._storage.commits != self._commits:
            self._commits, self._busy_until = self._storage.commits, now + BUSY_S
        if now < self._busy_until:
            time.sleep(min(LONGEST_REST_S, 2 * (now - self._rested_at)))
        self._rested_at = time.monotonic()


def _lines(tx: Tx, source: str) -> str:
    """One text for many rows: fewer objects, and the interpreter lock is free while SQLite makes it."""
    return f"""SELECT CAST(group_concat(item || char(10), '') AS BLOB), COUNT(*) FROM
        (SELECT {pages.message(tx)} AS item FROM {source} ORDER BY m.message_id)"""
