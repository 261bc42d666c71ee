"""All SQL of visits and looks, in SQLite's dialect."""

from __future__ import annotations

import json
from typing import Any, Final

from ..db import Storage, Tx
from .contract import Look, Visit, What

_COLUMNS: Final = "id, authority, name, user_id, rights, lines, own, begun_at, expires_at"
_BEGIN: Final = (
    "INSERT INTO visits (cookie, authority, name, user_id, rights, lines, own, begun_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The files of a conversation come together, with the page that shows them: once a minute tells it.
_LOOKED: Final = (
    "INSERT INTO looks (at, chat_id, what, user_id, token) SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?3 <> 'file' OR NOT EXISTS"
    " (SELECT 1 FROM looks WHERE chat_id = ?2 AND what = 'file' AND user_id IS ?4 AND token IS ?5 AND at > ?1 - 60)"
)
# An employee is told by number: the name is the portal's, and goes with the person.
_LOOKS: Final = (
    "SELECT l.id, l.at, l.chat_id, l.what, l.user_id, COALESCE(l.token, u.name,"
    " (SELECT v.name FROM visits v WHERE v.user_id = l.user_id ORDER BY v.id DESC LIMIT 1), '')"
    " FROM looks l LEFT JOIN users u ON u.user_id = l.user_id AND u.name <> ''"
)
_FORGET: Final = "DELETE FROM looks WHERE id IN (SELECT id FROM looks WHERE at < ? ORDER BY at LIMIT ?)"


class SqliteVisitors:
    """Implements `contract.Visitors`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def begin(self, tx: Tx, cookie: str, visit: Visit) -> None:
        tx.sql.execute("DELETE FROM visits WHERE expires_at <= ?", (visit.begun_at,))
        lines = None if visit.lines is None else json.dumps(visit.lines)
        values = (visit.authority, visit.name, visit.user_id, visit.rights, lines, visit.own)
        tx.sql.execute(_BEGIN, (cookie, *values, visit.begun_at, visit.expires_at))

    def end(self, tx: Tx, visit_id: int) -> bool:
        return tx.sql.execute("DELETE FROM visits WHERE id = ?", (visit_id,)).rowcount > 0

    def looked(self, tx: Tx, visit: Visit, chat_id: int, what: What, at: int) -> None:
        token = visit.name if visit.user_id is None else None
        tx.sql.execute(_LOOKED, (at, chat_id, what, visit.user_id, token))

    def forget_looks(self, tx: Tx, before: int, limit: int) -> int:
        return tx.sql.execute(_FORGET, (before, limit)).rowcount

    def find(self, cookie: str, now: int) -> Visit | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(
                f"SELECT {_COLUMNS} FROM visits WHERE cookie = ? AND expires_at > ?", (cookie, now)
            ).fetchone()
        return _visit(row) if row else None

    def going_on(self, now: int) -> list[Visit]:
        with self._storage.read() as tx:
            sql = f"SELECT {_COLUMNS} FROM visits WHERE expires_at > ? ORDER BY id DESC"
            return [_visit(row) for row in tx.sql.execute(sql, (now,))]

    def looks(self, before: int | None, limit: int, chat_id: int | None = None) -> list[Look]:
        terms = ["l.id < :before"] if before is not None else []
        terms += ["l.chat_id = :chat_id"] if chat_id is not None else []
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"{_LOOKS}{where} ORDER BY l.id DESC LIMIT :limit",
                {"before": before, "chat_id": chat_id, "limit": limit},
            )
            return [Look(*row) for row in rows]


def _visit(row: tuple[Any, ...]) -> Visit:
    number, authority, name, user_id, rights, lines, own, begun_at, expires_at = row
    found = None if lines is None else tuple(json.loads(lines))
    return Visit(number, authority, name, user_id, rights, found, bool(own), begun_at, expires_at)
