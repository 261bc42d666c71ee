"""Topics of a group as a desk: where what a messenger tells goes besides the open line, and what is written there.

An account has this desk when its options name one: {"telegram_bot_id": 2, "telegram_chat_id": "-1002000000001"}, an
account of a messenger with topics, and its group. Pure but for the rows that it adds in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ..channels.base import Incoming, Person
from ..channels.posts import SqlitePosts
from ..channels.store import Held
from ..db import Tx
from ..model import NewJob
from .kinds import reply_job, topic_job

ALBUM_QUIET_S: Final = 1.5  # parts of an album come one by one, within a moment
_GROUP_PREFIX: Final = "tg:"


def desk_of(options: Mapping[str, object]) -> tuple[int, str] | None:
    """(account of the bot, group), None for an account without this desk."""
    bot_id, group_id = options.get("telegram_bot_id"), options.get("telegram_chat_id")
    return (bot_id, str(group_id)) if isinstance(bot_id, int) and group_id else None


def has_desk(held: Held) -> bool:
    """Whether what is said is shown anywhere at all, though there is no line."""
    return desk_of(held.account.options) is not None


def of_client(item: Incoming) -> Incoming:
    """What was written in a topic of a group that is no desk: the group is one client, and each of its messages begins
    with who wrote it, as outside topics."""
    if not item.thread:
        return item
    who = f"{item.sender.name} {item.sender.last_name}".strip()
    return replace(item, text=f"{who}: {item.text}".rstrip(), sender=Person(item.chat_id, item.chat_name))


class Topics:
    def __init__(self, posts: SqlitePosts) -> None:
        self._posts = posts

    def show(self, tx: Tx, held: Held, item: Incoming, now: float, *, is_held: bool = False) -> list[NewJob]:
        """What was said in a chat of an account goes into its topic; [] for an account without one.

        `is_held`: not before it is known what was said before it.
        """
        account = held.account
        if desk_of(account.options) is None or item.change == "edit":
            return []
        post_id = self._posts.add(tx, account.id, item.chat_id, "topic", item, item.sent_at)
        if is_held:
            self._posts.hold(tx, post_id)
        return [topic_job(account.id, item.chat_id, now)]

    def let_go(self, tx: Tx, post_ids: list[int]) -> None:
        self._posts.let_go(tx, post_ids)

    def forget_settled(self, tx: Tx, before: int) -> None:
        self._posts.forget_settled(tx, before)

    def look(self, held: Held, chat_id: str, now: float) -> list[NewJob]:
        """For what waits already."""
        return [topic_job(held.account.id, chat_id, now)] if has_desk(held) else []

    def written(self, tx: Tx, bot: Held, item: Incoming, now: float) -> list[NewJob] | None:
        """What a group tells that is a desk; None when it is none, so that these are a client's words.

        Outside the topics that we made colleagues talk with each other: nobody is told.
        """
        group_id = item.chat_id.removeprefix(_GROUP_PREFIX)
        if not self._posts.is_desk(tx, bot.account.id, group_id):
            return None
        topic = self._posts.topic_of(tx, group_id, item.thread) if item.thread else None
        if topic is None or item.change == "delete":
            return []
        self._posts.add(tx, topic.account_id, topic.chat_id, "client", item, item.sent_at)
        due_at = now + ALBUM_QUIET_S if item.album else now
        return [reply_job(topic.account_id, topic.chat_id, due_at)]
