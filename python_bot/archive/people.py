"""The SQL of people: who takes part in a dialog, what they are called, whose name is not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..db import Tx
from ..model import AuthorKind, User

# A name of an older source never replaces that of a newer one.
_NAMED: Final = (
    "INSERT INTO users (user_id, name, kind, first_name, last_name, work_position, named_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE ?2 WHEN '' THEN 0 ELSE ?7 END) ON CONFLICT (user_id) DO UPDATE"
    " SET name = ?2, kind = ?3, first_name = ?4, last_name = ?5, work_position = ?6, named_at = ?7"
    " WHERE ?2 <> '' AND ?7 >= named_at"
    " AND (name, kind, first_name, last_name, work_position) <> (?2, ?3, ?4, ?5, ?6)"
)
_MET: Final = "INSERT OR IGNORE INTO users (user_id, name, kind) VALUES (?, '', ?)"
_PARTICIPANT: Final = "INSERT OR IGNORE INTO participants (chat_id, user_id) VALUES (?, ?)"
_TOLD: Final = (
    "UPDATE users SET name = ?2, kind = ?3, first_name = ?4, last_name = ?5, work_position = ?6, named_at = ?7"
    " WHERE user_id = ?1 AND ?7 >= named_at"
)
_NAMELESS: Final = "SELECT user_id FROM users WHERE name = '' AND asked_at IS NULL ORDER BY user_id LIMIT ?"


def named(tx: Tx, chat_id: int, user: User, at: int) -> None:
    """Somebody who takes part, as they were called at this time."""
    if user.id:
        tx.sql.execute(_NAMED, _row(user, at))
        tx.sql.execute(_PARTICIPANT, (chat_id, user.id))


def met(tx: Tx, chat_id: int, user_id: int | None, kind: AuthorKind) -> None:
    """Somebody who takes part and of whom only the number is known."""
    if user_id:
        tx.sql.execute(_MET, (user_id, kind))
        tx.sql.execute(_PARTICIPANT, (chat_id, user_id))


def nameless(tx: Tx, limit: int) -> list[int]:
    return [row[0] for row in tx.sql.execute(_NAMELESS, (limit,))]


def told(tx: Tx, users: Iterable[User], asked: Sequence[int], at: int) -> None:
    """What the portal answered; whom it did not name is not asked for again. Who was erased meanwhile stays away."""
    tx.sql.executemany(_TOLD, [_row(user, at) for user in users])
    tx.sql.executemany("UPDATE users SET asked_at = ? WHERE user_id = ?", [(at, user_id) for user_id in asked])


def _row(user: User, at: int) -> tuple[int, str, str, str, str, str, int]:
    return (user.id, user.name, user.kind, user.first_name, user.last_name, user.work_position, at)
