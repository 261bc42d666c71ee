"""All SQL of the bot's private chats with the employees who look after it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ..db import Storage, Tx
from ..model import BotChat

_COLUMNS: Final = "user_id, bot_id, chat_id, wanted, greeted_at, tested_at, asked_at, answered_at"
_WANT: Final = (
    "INSERT INTO bot_chats (user_id) VALUES (?1) ON CONFLICT (user_id) DO UPDATE SET wanted = 1 WHERE wanted = 0"
)
# A chat belongs to one bot: a new bot has to introduce itself.
_SPOKE: Final = (
    "UPDATE bot_chats SET bot_id = ?2, chat_id = COALESCE(?3, CASE WHEN bot_id = ?2 THEN chat_id END),"
    " greeted_at = CASE WHEN bot_id = ?2 AND greeted_at IS NOT NULL THEN greeted_at ELSE ?4 END WHERE user_id = ?1"
)


class SqliteStaff:
    """Implements `contract.Staff` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def want(self, tx: Tx, user_ids: Collection[int]) -> None:
        for user_id in user_ids:
            tx.sql.execute(_WANT, (user_id,))
        marks = ",".join("?" * len(user_ids))
        tx.sql.execute(f"UPDATE bot_chats SET wanted = 0 WHERE user_id NOT IN ({marks})", tuple(user_ids))

    def add(self, tx: Tx, user_id: int) -> None:
        tx.sql.execute(_WANT, (user_id,))

    def asked(self, tx: Tx, user_id: int, chat_id: int, at: int) -> bool:
        return bool(
            tx.sql.execute(
                "UPDATE bot_chats SET asked_at = ?3, chat_id = ?2 WHERE user_id = ?1 AND wanted = 1",
                (user_id, chat_id, at),
            ).rowcount
        )

    def spoke(self, tx: Tx, user_id: int, bot_id: int, chat_id: int | None, at: int) -> None:
        tx.sql.execute(_SPOKE, (user_id, bot_id, chat_id, at))

    def tested(self, tx: Tx, user_id: int, at: int) -> None:
        tx.sql.execute("UPDATE bot_chats SET tested_at = ?2 WHERE user_id = ?1", (user_id, at))

    def answered(self, tx: Tx, user_id: int, at: int) -> None:
        tx.sql.execute("UPDATE bot_chats SET answered_at = ?2 WHERE user_id = ?1", (user_id, at))

    def chat(self, user_id: int) -> BotChat | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(f"SELECT {_COLUMNS} FROM bot_chats WHERE user_id = ?", (user_id,)).fetchone()
        return _chat(row) if row else None

    def wanted(self) -> list[BotChat]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(f"SELECT {_COLUMNS} FROM bot_chats WHERE wanted = 1 ORDER BY user_id").fetchall()
        return [_chat(row) for row in rows]

    def last_message_at(self) -> int | None:
        with self._storage.read() as tx:
            row = tx.sql.execute("SELECT sent_at FROM messages ORDER BY message_id DESC LIMIT 1").fetchone()
        return row[0] if row else None


def _chat(row: tuple[Any, ...]) -> BotChat:
    user_id, bot_id, chat_id, wanted, *times = row
    return BotChat(user_id, bot_id, chat_id, bool(wanted), *times)
