"""What the search index reads of the archive, and what it shows of the hits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ..db import Storage, Tx
from ..model import Changes, DialogFilter, Document, Found
from . import filters, pages

_DOCUMENTS: Final = """SELECT m.message_id, m.chat_id, m.changed, COALESCE(m.text_plain, m.text), COALESCE(u.name, ''),
    COALESCE((SELECT group_concat(f.name, char(10)) FROM files f WHERE f.message_id = m.message_id), '')
    FROM messages m LEFT JOIN users u ON u.user_id = m.author_id
    WHERE (m.changed, m.message_id) > (?, ?) ORDER BY m.changed, m.message_id LIMIT ?"""
_BESIDE: Final = """COALESCE(u.name, '') || COALESCE((SELECT char(10) || group_concat(f.name, char(10))
    FROM files f WHERE f.message_id = m.message_id), '')"""
_REMOVED: Final = "SELECT number, message_id FROM removed_messages ORDER BY number LIMIT ?"
_BACKLOG: Final = "SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE (changed, message_id) > (?, ?) LIMIT ?)"


def changes(storage: Storage, after: tuple[int, int], limit: int) -> Changes:
    with storage.read() as tx:
        (archive,) = tx.sql.execute("SELECT id FROM archive_identity").fetchone()
        documents = tuple(Document(*row) for row in tx.sql.execute(_DOCUMENTS, (*after, limit)))
        removed = list(tx.sql.execute(_REMOVED, (limit,)))
    return Changes(archive, documents, tuple(row[1] for row in removed), removed[-1][0] if removed else 0)


def forget_removed(tx: Tx, up_to: int) -> None:
    tx.sql.execute("DELETE FROM removed_messages WHERE number <= ?", (up_to,))


def backlog(storage: Storage, after: tuple[int, int], most: int) -> int:
    """How many messages changed after this position, counted up to `most`."""
    with storage.glance() as tx:
        return int(tx.sql.execute(_BACKLOG, (*after, most)).fetchone()[0])


def found(storage: Storage, message_ids: Sequence[int], wanted: DialogFilter) -> list[Found]:
    """Those of the messages that the filter lets through, in the order in which they were given."""
    conditions = filters.of_message(wanted, "sent_at")
    on_dialog = filters.of_dialogs_of_messages(wanted)
    terms = [*conditions.terms]
    if on_dialog.terms:
        terms.append(f"EXISTS (SELECT 1 FROM dialogs d WHERE d.chat_id = m.chat_id AND {on_dialog.sql})")
    values = {**conditions.values, "ids": json.dumps(message_ids)}
    with storage.read() as tx:
        sql = (
            f"SELECT m.message_id, {pages.message(tx)}, COALESCE(m.text_plain, m.text), {_BESIDE}"
            f" FROM json_each(:ids) i CROSS JOIN {pages.MESSAGE_FROM}"
            f" WHERE m.message_id = i.value AND {' AND '.join(terms) or '1'} ORDER BY i.key"
        )
        return [Found(*row) for row in tx.sql.execute(sql, values)]


def few_chats(storage: Storage, wanted: DialogFilter, most: int) -> list[int] | None:
    """The dialogs that the filter names, when it names any property of dialogs and they are few; else None."""
    conditions = filters.of_dialogs_of_messages(wanted)
    if not conditions.terms:
        return None
    with storage.glance() as tx:
        sql = f"SELECT d.chat_id FROM dialogs d WHERE {conditions.sql} LIMIT {most + 1}"
        ids = [row[0] for row in tx.sql.execute(sql, conditions.values)]
    return ids if len(ids) <= most else None
