"""Reading for people: dialogs with their last words and waiting clients, a conversation around any of its messages."""

from __future__ import annotations

import json
from typing import Any, Final

from ..db import Storage, Tx
from ..model import Choices, DialogFilter, DialogOrder, Glimpse, Overview
from . import filters, pages

LAST_WORDS: Final = 600  # characters: a quote may stand before the answer
_SAID: Final = "NOT w.hidden AND w.source > 0"
_LAST: Final = f"""(SELECT json_object('kind', w.author_kind, 'deleted', w.deleted_at IS NOT NULL,
        'text', substr(COALESCE(w.text_plain, w.text), 1, {LAST_WORDS}),
        'files', EXISTS (SELECT 1 FROM files f WHERE f.message_id = w.message_id))
    FROM messages w WHERE w.chat_id = d.chat_id AND {_SAID} ORDER BY w.message_id DESC LIMIT 1)"""
# The client's first word after the operator's last one; of an open dialog only.
_ANSWERED: Final = f"""COALESCE((SELECT w.message_id FROM messages w WHERE w.chat_id = d.chat_id
    AND w.author_kind = 'operator' AND {_SAID} ORDER BY w.message_id DESC LIMIT 1), -9223372036854775808)"""
_WAITING: Final = f"""CASE d.status WHEN 'open' THEN (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', w.sent_at, 'unixepoch')
    FROM messages w WHERE w.chat_id = d.chat_id AND w.message_id > {_ANSWERED} AND w.author_kind = 'client' AND {_SAID}
        AND (w.session_ref = d.session_ref OR w.session_ref IS NULL) ORDER BY w.message_id LIMIT 1) END"""
_ROW: Final = f"json_object('dialog', {pages.DIALOG}, 'last', {_LAST}, 'waiting_since', {_WAITING})"

_MESSAGE: Final = f"""json_object('shown', {pages.MESSAGE}, 'hidden', m.hidden,
    'versions', (SELECT COUNT(*) FROM message_versions v WHERE v.message_id = m.message_id))"""
_SLICE: Final = f"""SELECT json_group_array(json(item)) FROM (SELECT {_MESSAGE} AS item FROM {pages.MESSAGE_FROM}
    WHERE m.chat_id = :chat AND m.message_id BETWEEN :first AND :last ORDER BY m.message_id)"""
_UP: Final = "SELECT message_id FROM messages WHERE chat_id = ? AND message_id >= ? ORDER BY message_id LIMIT ?"
_DOWN: Final = "SELECT message_id FROM messages WHERE chat_id = ? AND message_id < ? ORDER BY message_id DESC LIMIT ?"
_BEHIND: Final = """SELECT strftime('%Y-%m-%dT%H:%M:%SZ', sent_at, 'unixepoch') FROM messages
    WHERE chat_id = ? AND message_id < ? ORDER BY message_id DESC LIMIT 1"""
_CHANGED: Final = f"""SELECT m.changed, {_MESSAGE} FROM {pages.MESSAGE_FROM}
    WHERE m.chat_id = ? AND +m.changed > ? ORDER BY m.changed LIMIT ?"""
_NAMES: Final = "SELECT user_id, name FROM users WHERE user_id IN (SELECT value FROM json_each(?))"
HIGHEST: Final = 2**63 - 1


class SqliteViews:
    """Implements `contract.Views`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def overview(self, after: tuple[int, ...] | None, limit: int, wanted: DialogFilter, order: DialogOrder) -> Overview:
        with self._storage.read() as tx:
            rows = pages.dialog_rows(tx, wanted, order)
            found = pages.page(tx, _ROW, rows, filters.DIALOG_ORDERS[order], after, limit)
        return Overview(tuple(json.loads(found.items)), found.next_key)

    def choices(self) -> Choices:
        with self._storage.read() as tx:
            operators = _distinct(tx, "operator_id")
            names = dict(tx.sql.execute(_NAMES, (json.dumps(operators),)))
            return Choices(
                lines=tuple(_distinct(tx, "line_id")),
                connectors=tuple(name for name in _distinct(tx, "connector_id") if name),
                operators=tuple((number, names.get(number, "")) for number in operators),
            )

    def glimpse(
        self,
        chat_id: int,
        limit: int,
        *,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> Glimpse:
        with self._storage.read() as tx:
            (seen,) = tx.sql.execute("SELECT value FROM change_clock").fetchone()

            def up(first: int, count: int) -> list[int]:
                return [row[0] for row in tx.sql.execute(_UP, (chat_id, first, count))]

            def down(below: int, count: int) -> list[int]:
                return [row[0] for row in tx.sql.execute(_DOWN, (chat_id, below, count))][::-1]

            if after is not None:
                ids = up(after + 1, limit)
            elif at is not None:
                ids = down(at, limit // 2)
                ids += up(at, limit - len(ids))
            else:
                ids = down(HIGHEST if before is None else before, limit)
            if not ids:
                return Glimpse((), False, False, seen)
            values = {"chat": chat_id, "first": ids[0], "last": ids[-1]}
            (items,) = tx.sql.execute(_SLICE, values).fetchone()
            behind = tx.sql.execute(_BEHIND, (chat_id, ids[0])).fetchone()
            is_more = bool(up(ids[-1] + 1, 1))
            return Glimpse(tuple(json.loads(items)), bool(behind), is_more, seen, behind[0] if behind else "")

    def changed(self, chat_id: int, since: int, limit: int) -> Glimpse:
        with self._storage.read() as tx:
            rows = tx.sql.execute(_CHANGED, (chat_id, since, limit)).fetchall()
        return Glimpse(tuple(json.loads(row[1]) for row in rows), False, False, rows[-1][0] if rows else since)

    def is_wanted(self, chat_id: int, wanted: DialogFilter) -> bool:
        conditions = filters.of_dialog(wanted).and_("d.chat_id = :this", this=chat_id)
        with self._storage.read() as tx:
            row = tx.sql.execute(f"SELECT 1 FROM dialogs d WHERE {conditions.sql}", conditions.values).fetchone()
        return row is not None


def _distinct(tx: Tx, column: str) -> list[Any]:
    """Each value once, by steps through the column's index: a few, however many dialogs there are."""
    found: list[Any] = []
    row = tx.sql.execute(f"SELECT MIN({column}) FROM dialogs").fetchone()
    while row is not None and row[0] is not None:
        found.append(row[0])
        row = tx.sql.execute(
            f"SELECT {column} FROM dialogs WHERE {column} > ? ORDER BY {column} LIMIT 1", (row[0],)
        ).fetchone()
    return found
