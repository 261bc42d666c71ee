"""All SQL of topics as a desk: which topic shows which chat, and what goes in and out of it. In SQLite's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final, Literal

from ..db import Storage, Tx
from ..values import dataclass
from .base import Incoming, IncomingFile, Person

Direction = Literal["topic", "client"]
NUMBERS_KEPT: Final = 500  # posts, among whose numbers one in doubt is looked for
_WAITING: Final = (
    "SELECT id, status, body, tried_at, post_ids FROM channel_posts WHERE (account_id, chat_id, direction) = (?, ?, ?)"
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
    """Something on its way into a topic, or out of it. 'sending': nobody knows whether it arrived; then it has a
    number in the group that is greater than `after`."""

    id: int
    status: str
    item: Incoming
    tried_at: int | None
    after: int = 0

    @property
    def is_held(self) -> bool:
        """It is not known yet what was said before it."""
        return self.tried_at is not None and self.tried_at < 0


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

    def hold(self, tx: Tx, post_id: int) -> None:
        """It waits until it is known what was said before it."""
        tx.sql.execute("UPDATE channel_posts SET tried_at = -1 WHERE id = ?", (post_id,))

    def held(self, account_id: int, chat_id: str) -> list[int]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT id FROM channel_posts WHERE (account_id, chat_id) = (?, ?) AND direction = 'topic'"
                " AND status IN ('waiting', 'sending') AND tried_at < 0",
                (account_id, chat_id),
            )
            return [row[0] for row in rows]

    def let_go(self, tx: Tx, post_ids: Iterable[int]) -> None:
        tx.sql.executemany("UPDATE channel_posts SET tried_at = NULL WHERE id = ?", [(number,) for number in post_ids])

    def waiting(self, account_id: int, chat_id: str, direction: Direction, limit: int) -> list[Post]:
        with self._storage.read() as tx:
            return [
                Post(post_id, status, _item(body), tried_at, int(post_ids) if post_ids.isdigit() else 0)
                for post_id, status, body, tried_at, post_ids in tx.sql.execute(
                    _WAITING, (account_id, chat_id, direction, limit)
                )
            ]

    def trying(self, tx: Tx, post_ids: Iterable[int], after: int, now: int) -> None:
        """Before the request: whoever finds these later does not know whether it got through. `after`: the greatest
        number of ours in the group by now."""
        tx.sql.executemany(
            "UPDATE channel_posts SET status = 'sending', tried_at = COALESCE(tried_at, ?1),"
            " post_ids = CASE status WHEN 'sending' THEN post_ids ELSE ?2 END WHERE id = ?3",
            [(now, str(after), post_id) for post_id in post_ids],
        )

    def in_group(self, group_id: str) -> set[str]:
        """The numbers of what we posted in a group lately, the beginnings of its topics among them."""
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT post_ids FROM channel_posts WHERE status = 'sent' AND post_ids LIKE ?1 || ':%'"
                "  AND id > (SELECT MAX(id) - ?2 FROM channel_posts)"
                " UNION ALL SELECT ?1 || ':' || thread_id FROM channel_topics WHERE group_id = ?1",
                (group_id, NUMBERS_KEPT),
            ).fetchall()
        return {found for row in rows for found in row[0].split()}

    def mistrust(self, tx: Tx, group_id: str) -> None:
        """Of several posts of a group nobody knows which arrived: what is found there cannot be told apart."""
        tx.sql.execute(
            "UPDATE channel_posts SET post_ids = '' WHERE status = 'sending' AND direction = 'topic'"
            " AND (account_id, chat_id) IN (SELECT account_id, chat_id FROM channel_topics WHERE group_id = ?)",
            (group_id,),
        )

    def doubtful(self, group_id: str) -> int:
        """How many chats of a group have something of which nobody knows whether it arrived."""
        with self._storage.read() as tx:
            (count,) = tx.sql.execute(
                "SELECT COUNT(DISTINCT p.account_id || ' ' || p.chat_id) FROM channel_posts p JOIN channel_topics t"
                " ON (t.account_id, t.chat_id) = (p.account_id, p.chat_id) WHERE t.group_id = ?"
                " AND p.status = 'sending' AND p.direction = 'topic'",
                (group_id,),
            ).fetchone()
        return int(count)

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

    def forget_settled(self, tx: Tx, before: int) -> None:
        """What is over since then; of the newest the numbers are kept, whatever their age: see `in_group`."""
        tx.sql.execute(
            "DELETE FROM channel_posts WHERE status NOT IN ('waiting', 'sending') AND sent_at < ?"
            " AND id <= (SELECT MAX(id) - ? FROM channel_posts)",
            (before, NUMBERS_KEPT),
        )


def _item(body: str) -> Incoming:
    values = json.loads(body)
    values["sender"] = Person(**values["sender"])
    values["files"] = tuple(IncomingFile(**file) for file in values["files"])
    return Incoming(**values)
