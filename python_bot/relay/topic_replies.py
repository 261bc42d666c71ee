"""Out of the topics: what the team writes there goes to the client, part by part, each settled before the next.

The parts of a message are kept as those of the portal's messages are, under the negative number of the post that they
are made of. What cannot be sent is said in the topic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from ..channels.base import (
    Channel,
    Content,
    FindsSent,
    Incoming,
    IncomingFile,
    MarksRead,
    OpensFiles,
    Outgoing,
    OutgoingFile,
    Part,
    Person,
)
from ..channels.messages import OutRow
from ..channels.posts import Post
from ..channels.store import Held
from ..db import Tx
from ..errors import DeliveryFailed
from ..model import Job, NewJob
from . import texts
from .kinds import read_job, reply_job
from .parts import RelayParts, rest_s
from .topics import desk_of

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
NO_PORTAL_CHAT: Final = 0


class TopicReplies:
    """The handler of channel.reply."""

    def __init__(self, parts: RelayParts, now: Callable[[], float] = time.time) -> None:
        self._parts, self._posts, self._topics = parts, parts.posts, parts.topics
        self._now = now

    def send(self, job: Job) -> None:
        """Raises DeliveryFailed when it is to be tried again."""
        account_id, chat_id = job.payload["account_id"], job.payload["channel_chat"]
        held = self._parts.channels.one(account_id)
        waiting = self._posts.waiting(account_id, chat_id, "client", AT_ONCE)
        if held is None or not waiting:
            return
        group = _together(waiting)
        self._send(held, self._parts.registry.load(held.account.channel), chat_id, group)
        self._parts.intake.queue(reply_job(account_id, chat_id, self._now(), job.trace_id))

    def _send(self, held: Held, channel: Channel, chat_id: str, group: Sequence[Post]) -> None:
        language, first = self._parts.language(), group[0].item
        if first.change == "edit":
            self._refuse(held, chat_id, group, texts.not_changed(texts.cannot_edit(channel.title, language), language))
            return
        message = self._message(held, chat_id, group)
        parts = channel.parts(message)
        present = {row.part: row for row in self._parts.messages.parts(held.account.id, -group[0].id)}
        if not parts:
            self._refuse(held, chat_id, group, texts.nothing_to_show(channel.title, language))
            return
        for done, part in enumerate(parts):
            row = present.get(part.number)
            try:
                if row is None or row.status in ("waiting", "sending"):
                    self._deliver(held, channel, message, part, -group[0].id, row)
            except DeliveryFailed as error:
                if not error.final:
                    raise
                self._refuse(
                    held,
                    chat_id,
                    group,
                    texts.not_delivered(_how_far(str(error), done, len(parts), language), language),
                )
                return
        self._settle(held, channel, chat_id, group)

    def _message(self, held: Held, chat_id: str, group: Sequence[Post]) -> Outgoing:
        items = [post.item for post in group]
        files = tuple(self._file(held, file) for item in items for file in item.files)
        text = "\n".join(item.text for item in items if item.text)
        return Outgoing(f"topic:{group[0].id}", chat_id, text, files, items[0].sender.name)

    def _file(self, held: Held, file: IncomingFile) -> OutgoingFile:
        desk = desk_of(held.account.options)
        bot = self._parts.channels.one(desk[0]) if desk is not None else None

        def content() -> Content:
            if bot is None:
                raise DeliveryFailed("the bot of the topics was removed", final=True)
            channel = self._parts.registry.load(bot.account.channel)
            if not isinstance(channel, OpensFiles):
                raise DeliveryFailed(f"{channel.title} gives no files", final=True)
            return channel.open_file(bot.account, file.ref)

        return OutgoingFile(file.name, file.type, file.size, "", content)

    def _deliver(
        self, held: Held, channel: Channel, message: Outgoing, part: Part, number: int, row: OutRow | None
    ) -> None:
        parts, account, now = self._parts, held.account, int(self._now())
        chat_id = message.chat_id
        ids: tuple[str, ...] = ()
        if row is not None and row.status == "sending" and row.tried_at is not None:
            ids = self._look_for(held, channel, chat_id, part, row.tried_at)
        place = (part.number, part.kind)
        ref = parts.storage.write(
            lambda tx: parts.messages.begin_part(tx, account.id, chat_id, (NO_PORTAL_CHAT, number), place, {}, now)
        )
        try:
            ids = ids or channel.deliver(account, chat_id, part)
        except DeliveryFailed as error:
            problem = str(error)
            if error.final:
                parts.storage.write(lambda tx: parts.messages.settle_out(tx, account.id, ref, "failed", (), problem))
            elif error.status is not None:
                parts.storage.write(lambda tx: parts.messages.settle_out(tx, account.id, ref, "waiting", (), problem))
            raise
        parts.storage.write(lambda tx: parts.messages.settle_out(tx, account.id, ref, "sent", ids))
        parts.metrics.count("channel_out_total", channel=account.channel)

    def _look_for(self, held: Held, channel: Channel, chat_id: str, part: Part, since: int) -> tuple[str, ...]:
        if not isinstance(channel, FindsSent):
            self._parts.metrics.count("channel_doubts_total", outcome="sent again")
            return ()
        time.sleep(rest_s(since, self._now()))
        doubt = self._parts.messages.doubt(held.account.id, chat_id, since)
        found = channel.find_sent(held.account, chat_id, part, doubt)
        ids = self._parts.messages.unknown(held.account.id, found)
        self._parts.metrics.count("channel_doubts_total", outcome="found" if ids else "not found")
        return ids

    def _settle(self, held: Held, channel: Channel, chat_id: str, group: Sequence[Post]) -> None:
        jobs = [read_job(held.account.id, chat_id)] if isinstance(channel, MarksRead) else []

        def work(tx: Tx) -> list[NewJob]:
            self._posts.settle(tx, [post.id for post in group], "sent")
            return jobs

        self._parts.intake.queue_with(work)

    def _refuse(self, held: Held, chat_id: str, group: Sequence[Post], text: str) -> None:
        """Say in the topic that the client did not get it, and what to do."""
        log.warning("what was written in a topic of account %d is not sent", held.account.id)
        key = f"refused:{group[0].id}"
        now = int(self._now())
        notice = Incoming(key, "message", chat_id, key, now, Person("", ""), text, by="system")

        def work(tx: Tx) -> list[NewJob]:
            self._posts.settle(tx, [post.id for post in group], "failed", problem=text)
            return self._topics.show(tx, held, notice, self._now())

        self._parts.intake.queue_with(work)
        self._parts.metrics.count("channel_failed_total", channel=held.account.channel)


def _together(waiting: Sequence[Post]) -> list[Post]:
    """The first one, with the rest of its album."""
    first = waiting[0]
    if not first.item.album:
        return [first]
    return [post for post in waiting if post.item.album == first.item.album]


def _how_far(reason: str, done: int, count: int, language: str) -> str:
    return f"{reason} ({texts.how_far(done, count, language)})" if done else reason
