"""All SQL of the HTTP journal, in SQLite's dialect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from ..db import Storage, Tx
from .contract import Answered, Question
from .record import Cause, Entry, Record

DAY_S: Final = 86_400

_PUT_TEXT: Final = (
    "INSERT INTO http_texts (text, seen_at) VALUES (?1, ?2)"
    f" ON CONFLICT (text) DO UPDATE SET seen_at = ?2 WHERE seen_at < ?2 - {DAY_S}"
)
_INTERNED: Final = ("user_agent", "request_shape", "answer_shape")
_PLAIN: Final = (
    "at",
    "direction",
    "kind",
    "method",
    "path",
    "status",
    "duration_ms",
    "subject",
    "portal",
    "fetch_mode",
    "fetch_dest",
    "authorization",
    "outcome",
    "error_code",
    "error_text",
    "count",
)
_COLUMNS: Final = (*_PLAIN, "trace_id", "chat_id", "job", *_INTERNED)
_PUT: Final = f"INSERT INTO http_journal ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_PUT_CAUSE: Final = "INSERT INTO http_journal_causes (entry_id, trace_id, chat_id, job) VALUES (?, ?, ?, ?)"
_SELECT: Final = "SELECT {columns} FROM http_journal j {joins}".format(
    columns=", ".join(
        f"COALESCE({field.name}_.text, '')" if field.name in _INTERNED else f"j.{field.name}" for field in fields(Entry)
    ),
    joins=" ".join(f"LEFT JOIN http_texts {name}_ ON {name}_.id = j.{name}" for name in _INTERNED),
)
_COUNTS: Final = (
    "SELECT direction, kind, status, authorization, outcome, SUM(count), MAX(at) FROM http_journal WHERE at >= ?"
    " GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 7 DESC"
)
_OF_TRACE: Final = (
    "j.id IN (SELECT id FROM http_journal WHERE trace_id = :trace_id"
    " UNION SELECT entry_id FROM http_journal_causes WHERE trace_id = :trace_id)"
)
_OF_CHAT: Final = (
    "j.id IN (SELECT id FROM http_journal WHERE chat_id = :chat_id"
    " UNION SELECT entry_id FROM http_journal_causes WHERE chat_id = :chat_id)"
)


class SqliteTraffic:
    """Implements `contract.Traffic` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, tx: Tx, records: Sequence[Record]) -> None:
        texts: dict[str, int | None] = {"": None}
        newest = int(max((record.at for record in records), default=0))
        for record in records:
            for name in _INTERNED:
                text = getattr(record, name)
                if text not in texts:
                    tx.sql.execute(_PUT_TEXT, (text, newest))
                    (texts[text],) = tx.sql.execute("SELECT id FROM http_texts WHERE text = ?", (text,)).fetchone()
            common = _common(record.causes)
            plain = [getattr(record, name) for name in _PLAIN]
            interned = [texts[getattr(record, name)] for name in _INTERNED]
            row = tx.sql.execute(_PUT, (*plain, common.trace_id, common.chat_id, common.job, *interned))
            if len(record.causes) > 1:
                rows = [(row.lastrowid, cause.trace_id, cause.chat_id, cause.job) for cause in record.causes]
                tx.sql.executemany(_PUT_CAUSE, rows)

    def prune(self, tx: Tx, before: float, limit: int) -> int:
        query = "SELECT id FROM http_journal WHERE at < ? ORDER BY at LIMIT ?"
        ids = [(row[0],) for row in tx.sql.execute(query, (before, limit))]
        tx.sql.executemany("DELETE FROM http_journal_causes WHERE entry_id = ?", ids)
        tx.sql.executemany("DELETE FROM http_journal WHERE id = ?", ids)
        if len(ids) < limit:
            tx.sql.execute("DELETE FROM http_texts WHERE seen_at < ?", (before - 2 * DAY_S,))
        return len(ids)

    def page(self, question: Question, limit: int) -> list[Entry]:
        where, values = _where(question)
        order = "j.at DESC, j.id DESC" if question.after_id is None else "j.id"
        with self._storage.read() as tx:
            query = f"{_SELECT} WHERE {where} ORDER BY {order} LIMIT :limit"
            rows = tx.sql.execute(query, {**values, "limit": limit}).fetchall()
        return [Entry(*row) for row in (rows if question.after_id is not None else reversed(rows))]

    def newest_id(self) -> int:
        with self._storage.read() as tx:
            (found,) = tx.sql.execute("SELECT COALESCE(MAX(id), 0) FROM http_journal").fetchone()
        return int(found)

    def last(self, question: Question) -> Entry | None:
        return next(iter(self.page(question, 1)), None)

    def last_genuine_event(self) -> Entry | None:
        return self.last(Question(direction="in", kinds=("event",), outcome="ok"))

    def counts(self, since: float) -> list[Answered]:
        with self._storage.read() as tx:
            return [Answered(*row) for row in tx.sql.execute(_COUNTS, (since,))]

    def causes(self, entry_id: int) -> list[tuple[str, int | None]]:
        with self._storage.read() as tx:
            return tx.sql.execute(
                "SELECT trace_id, chat_id FROM http_journal_causes WHERE entry_id = ?1 UNION ALL"
                " SELECT trace_id, chat_id FROM http_journal WHERE id = ?1"
                "  AND NOT EXISTS (SELECT 1 FROM http_journal_causes WHERE entry_id = ?1)",
                (entry_id,),
            ).fetchall()


def _common(causes: Sequence[Cause]) -> Cause:
    """What all causes have in common."""
    if len(causes) == 1:
        return causes[0]
    traces, chats, jobs = ({getattr(cause, name) for cause in causes} for name in ("trace_id", "chat_id", "job"))
    return Cause(
        traces.pop() if len(traces) == 1 else "",
        chats.pop() if len(chats) == 1 else None,
        jobs.pop() if len(jobs) == 1 else "",
    )


def _where(question: Question) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {name: getattr(question, name) for name in _CONDITIONS}
    found = [condition for name, condition in _CONDITIONS.items() if values[name] not in (None, "")]
    if question.kinds:
        marks = [f":kind{i}" for i in range(len(question.kinds))]
        found.append(f"j.kind IN ({', '.join(marks)})")
        values |= {f"kind{i}": kind for i, kind in enumerate(question.kinds)}
    return " AND ".join(found) or "TRUE", values


_CONDITIONS: Final = {
    "since": "j.at >= :since",
    "until": "j.at < :until",
    "direction": "j.direction = :direction",
    "lowest_status": "COALESCE(j.status, 0) >= :lowest_status",
    "highest_status": "COALESCE(j.status, 0) <= :highest_status",
    "outcome": "j.outcome = :outcome",
    "trace_id": _OF_TRACE,
    "chat_id": _OF_CHAT,
    "after_id": "j.id > :after_id",
}
