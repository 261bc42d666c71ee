"""All SQL of topics as a desk: which topic shows which chat, and what goes in and out of it. In SQLite's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from ..db import Storage, Tx
from .base import Incoming, IncomingFile, Person

Direction = Literal["topic", "client"]
_WAITING: Final = (
    "SELECT id, status, body, tried_at FROM channel_posts WHERE (account_id, chat_id, direction) = (?, ?, ?)"
    " AND status IN ('waiting', 'sending') ORDER BY sent_at, id LIMIT ?"
)
_DESKS: Final = (
    "SELECT id FROM channel_accounts WHERE json_extract(options, '$.telegram_bot_id') = ?"
    " AND json_extract(options, '$.telegram_chat_id') = ?"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a chat of an account is shown."""

    account_id: int
    chat_id: str
    group_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class Post:
    """Something on its way into a topic, or out of it. 'sending': nobody knows whether it arrived."""

    id: int
    status: str
    item: Incoming
    tried_at: int | None


class SqlitePosts:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- topics

    def is_desk(self, tx: Tx, bot_id: int, group_id: str) -> bool:
        """Whether the topics of a group show chats of any account."""
        return tx.sql.execute(_DESKS, (bot_id, group_id)).fetchone() is not None

    def topic(self, tx: Tx, account_id: int, chat_id: str) -> Topic | None:
        row = tx.sql.execute(
            "SELECT account_id, chat_id, group_id, thread_id FROM channel_topics WHERE (account_id, chat_id) = (?, ?)",
            (account_id, chat_id),
        ).fetchone()
        return Topic(*row) if row else None

    def topic_of(self, tx: Tx, group_id: str, thread_id: str) -> Topic | None:
        row = tx.sql.execute(
            "SELECT account_id, chat_id, group_id, thread_id FROM channel_topics WHERE (group_id, thread_id) = (?, ?)",
            (group_id, thread_id),
        ).fetchone()
        return Topic(*row) if row else None

    def set_topic(self, tx: Tx, topic: Topic) -> None:
        """In place of a former one."""
        tx.sql.execute(
            "INSERT OR REPLACE INTO channel_topics (account_id, chat_id, group_id, thread_id) VALUES (?, ?, ?, ?)",
            (topic.account_id, topic.chat_id, topic.group_id, topic.thread_id),
        )

    def drop_topic(self, tx: Tx, topic: Topic) -> None:
        tx.sql.execute(
            "DELETE FROM channel_topics WHERE (account_id, chat_id, thread_id) = (?, ?, ?)",
            (topic.account_id, topic.chat_id, topic.thread_id),
        )

    # --- posts

    def add(self, tx: Tx, account_id: int, chat_id: str, direction: Direction, item: Incoming, sent_at: int) -> int:
        """`sent_at`: posts of a chat go in this order."""
        (post_id,) = tx.sql.execute(
            "INSERT INTO channel_posts (account_id, chat_id, direction, sent_at, status, body)"
            " VALUES (?, ?, ?, ?, 'waiting', ?) RETURNING id",
            (account_id, chat_id, direction, sent_at, json.dumps(asdict(item), ensure_ascii=False)),
        ).fetchone()
        return int(post_id)

    def waiting(self, account_id: int, chat_id: str, direction: Direction, limit: int) -> list[Post]:
        with self._storage.read() as tx:
            return [
                Post(post_id, status, _item(body), tried_at)
                for post_id, status, body, tried_at in tx.sql.execute(_WAITING, (account_id, chat_id, direction, limit))
            ]

    def trying(self, tx: Tx, post_ids: Iterable[int], now: int) -> None:
        """Before the request: whoever finds these later does not know whether it got through."""
        tx.sql.executemany(
            "UPDATE channel_posts SET status = 'sending', tried_at = COALESCE(tried_at, ?) WHERE id = ?",
            [(now, post_id) for post_id in post_ids],
        )

    def not_sent(self, tx: Tx, post_ids: Iterable[int]) -> None:
        """It is known that nothing arrived."""
        tx.sql.executemany(
            "UPDATE channel_posts SET status = 'waiting', tried_at = NULL WHERE id = ? AND status = 'sending'",
            [(post_id,) for post_id in post_ids],
        )

    def settle(
        self, tx: Tx, post_ids: Sequence[int], status: str, in_group: Sequence[str] = (), problem: str = ""
    ) -> None:
        """It arrived, or never will; what was said is not kept any longer, unless it failed."""
        tx.sql.executemany(
            "UPDATE channel_posts SET status = ?1, problem = ?2, post_ids = ?3,"
            " body = CASE ?1 WHEN 'failed' THEN body ELSE '' END WHERE id = ?4",
            [(status, problem, " ".join(in_group), post_id) for post_id in post_ids],
        )


def _item(body: str) -> Incoming:
    values = json.loads(body)
    values["sender"] = Person(**values["sender"])
    values["files"] = tuple(IncomingFile(**file) for file in values["files"])
    return Incoming(**values)
