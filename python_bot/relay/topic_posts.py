"""Into the topics: what clients, colleagues elsewhere and the program say in a chat, in the order in which it was said.

A turn shows one thing of one chat, and all chats have their turns one after the other: a group takes 20 messages a
minute, and a chat with a hundred of them must not keep another one waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final, Protocol, cast

from ..channels.base import (
    Account,
    Channel,
    Content,
    HasTopics,
    Incoming,
    IncomingFile,
    OpensFiles,
    Outgoing,
    OutgoingFile,
    Part,
    Person,
)
from ..channels.opus import to_ogg
from ..channels.posts import Post, Topic
from ..channels.store import Chat, Held
from ..db import Tx
from ..errors import B24BotError, DeliveryFailed, TopicClosed, TopicGone
from ..model import Job
from . import texts
from .incoming import describe_chat
from .kinds import topic_job
from .parts import RelayParts, rest_s
from .topics import desk_of

log = logging.getLogger(__name__)

TURNS: Final = 20  # chats of one round
ALBUM: Final = 10  # pictures that come one after the other go together
NAME_LIMIT: Final = 128
VOICE_BYTES: Final = 20 * 1024 * 1024
ECHO_LOOK_S: Final = 0.5
ECHO_PATIENCE_S: Final = 120.0
DESCRIBE_TRIES: Final = 3
FIRST: Final = 0  # when the card of a topic was said: before everything else
DISORDER_S: Final = 120.0  # between looks whether somebody has put the group in order
PROBLEM: Final = "topics_problem"  # a fact of the account


class TopicChannel(Channel, HasTopics, Protocol):
    """What a bot's messenger has to be."""


class TopicPosts:
    """The handler of channel.topic."""

    limit = TURNS

    def __init__(self, parts: RelayParts, now: Callable[[], float] = time.time) -> None:
        self._parts, self._posts = parts, parts.posts
        self._now = now
        self._closed: dict[str, float] = {}  # group -> when it takes something again; a monotonic time

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for job in jobs:
            try:
                self._turn(job)
                outcomes.append(None)
            except DeliveryFailed as error:
                outcomes.append(_worth_waiting(error))
            except B24BotError as error:
                outcomes.append(error)
        return outcomes

    def pause_s(self) -> float:
        """While every group that we know is full, nothing is begun."""
        now = time.monotonic()
        return max(0.0, min((until - now for until in self._closed.values()), default=0.0))

    def buried(self, job: Job, reason: str) -> None:
        """What waits in the chat stays there; the next message, or whoever revives the job, tries again."""

    def _turn(self, job: Job) -> None:
        parts, account_id, chat_id = self._parts, job.payload["account_id"], job.payload["channel_chat"]
        held = parts.channels.one(account_id)
        desk = desk_of(held.account.options) if held is not None else None
        waiting = self._posts.waiting(account_id, chat_id, "topic", ALBUM)
        waiting = list(takewhile(lambda post: not post.is_held, waiting))  # nothing overtakes them
        if held is None or desk is None or not waiting:
            return
        if self._is_to_wait(held, waiting[0]):
            parts.intake.queue(topic_job(account_id, chat_id, self._now() + ECHO_LOOK_S, job.trace_id))
            return
        group = _together(waiting)
        if self._is_echo(held, group[0]):
            parts.storage.write(lambda tx: self._posts.settle(tx, [group[0].id], "dropped"))
        else:
            bot, channel = self._bot(desk[0])
            topic = self._topic(held, bot, channel, desk[1], job)
            if topic is not None:
                self._show(held, bot, channel, topic, group)
        parts.intake.queue(topic_job(account_id, chat_id, self._now(), job.trace_id))

    def _bot(self, bot_id: int) -> tuple[Account, TopicChannel]:
        bot = self._parts.channels.one(bot_id)
        channel = self._parts.registry.load(bot.account.channel) if bot is not None else None
        if bot is None or channel is None or not isinstance(channel, HasTopics):
            raise DeliveryFailed("the bot of the topics was removed: choose another one for the account")
        return bot.account, cast(TopicChannel, channel)

    # --- our own words that come back

    def _is_to_wait(self, held: Held, post: Post) -> bool:
        """Something of ours is on its way into this chat, so nobody knows yet which number it gets."""
        age_s = self._now() - post.item.sent_at
        since = int(self._now() - ECHO_PATIENCE_S)
        return (
            post.item.by == "staff"
            and age_s < ECHO_PATIENCE_S
            and self._parts.messages.is_sending(held.account.id, post.item.chat_id, since)
        )

    def _is_echo(self, held: Held, post: Post) -> bool:
        """Written in this very topic; what the open line wrote is shown here."""
        origin = self._parts.messages.origin(held.account.id, post.item.message_id)
        return post.item.by == "staff" and origin == "topics"

    # --- showing

    def _show(self, held: Held, bot: Account, channel: TopicChannel, topic: Topic, group: Sequence[Post]) -> None:
        parts, ids, now = self._parts, [post.id for post in group], int(self._now())
        known = self._posts.in_group(topic.group_id)
        there = self._look_for(bot, channel, topic, group[0], known)
        after = max((int(number.rpartition(":")[2]) for number in known), default=0)
        parts.storage.write(lambda tx: self._posts.trying(tx, ids, after, now))
        try:
            shown = self._deliver(held, bot, channel, topic, group, there)
        except TopicGone:
            log.warning("the topic of a chat of account %d was deleted: another one is made", held.account.id)

            def start_again(tx: Tx) -> None:
                self._posts.drop_topic(tx, topic)
                self._posts.not_sent(tx, ids)

            parts.storage.write(start_again)
            return
        except DeliveryFailed as error:
            if not (error.final and any(post.item.files for post in group)):
                raise
            bare = [replace(post, item=_without_files(post.item, error)) for post in group]
            shown = self._deliver(held, bot, channel, topic, bare)
        parts.storage.write(lambda tx: self._posts.settle(tx, ids, "sent", shown))
        parts.metrics.count("channel_in_total", len(ids), channel=bot.channel)

    def _look_for(
        self, bot: Account, channel: TopicChannel, topic: Topic, post: Post, known: set[str]
    ) -> tuple[str, ...]:
        """The numbers of what arrived of a post whose fate nobody knows; () when that cannot be told from others."""
        if post.status != "sending":
            return ()
        time.sleep(rest_s(post.tried_at or 0, self._now()))
        found: tuple[str, ...] = ()
        if self._posts.doubtful(topic.group_id) > 1:
            # One of them would be taken for another, which then would be lost: better twice than never.
            self._parts.storage.write(lambda tx: self._posts.mistrust(tx, topic.group_id))
        elif post.after:
            found = channel.find_posted(bot, topic.group_id, post.after, known)
        self._parts.metrics.count("channel_doubts_total", outcome="found" if found else "sent again")
        return found

    def _deliver(
        self,
        held: Held,
        bot: Account,
        channel: TopicChannel,
        topic: Topic,
        group: Sequence[Post],
        there: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """`there`: what has arrived already, from the first part on."""
        address = channel.topic_address(topic.group_id, topic.thread_id)
        message = self._message(held, address, [post.item for post in group])
        ids = [post.id for post in group]
        shown, left = there, len(there)
        for part in channel.parts(message):
            size = max(1, len(part.files))  # an album has a number for each of its files
            if left >= size:
                left -= size
                continue
            try:
                shown += self._part(bot, channel, topic, address, part)
            except DeliveryFailed as error:
                is_known = error.unsent or error.status is not None or error.retry_after_s is not None
                if is_known and not shown:
                    self._parts.storage.write(lambda tx: self._posts.not_sent(tx, ids))
                if not isinstance(error, TopicGone):
                    self._closed_by(held, topic.group_id, error)
                raise
        self._closed.pop(topic.group_id, None)
        self._note(held, "")
        return shown

    def _closed_by(self, held: Held, group_id: str, error: DeliveryFailed) -> None:
        """A full group takes something again later; whatever else keeps us out is a matter for people."""
        if error.retry_after_s is not None:
            self._closed[group_id] = time.monotonic() + error.retry_after_s
        else:
            self._note(held, str(error))

    def _note(self, held: Held, problem: str) -> None:
        """What keeps the account from its topics, for people."""
        if (held.facts.get(PROBLEM) or "") != problem:
            self._parts.storage.write(
                lambda tx: self._parts.channels.add_facts(tx, held.account.id, {PROBLEM: problem or None})
            )

    def _part(self, bot: Account, channel: TopicChannel, topic: Topic, address: str, part: Part) -> tuple[str, ...]:
        try:
            return channel.deliver(bot, address, part)
        except TopicClosed:
            channel.reopen_topic(bot, topic.group_id, topic.thread_id)
            return channel.deliver(bot, address, part)

    def _topic(self, held: Held, bot: Account, channel: TopicChannel, group_id: str, job: Job) -> Topic | None:
        """The topic of a chat. None when it was only made now: its card is to be shown first."""
        parts, account, chat_id = self._parts, held.account, job.payload["channel_chat"]
        with parts.storage.read() as tx:
            topic = self._posts.topic(tx, account.id, chat_id)
        if topic is not None and topic.group_id == group_id:
            return topic
        chat = self._chat(held, chat_id, job)
        name = (chat.name if chat is not None else "") or account.identity.name
        try:
            made = Topic(account.id, chat_id, group_id, channel.create_topic(bot, group_id, _cut(name)))
        except DeliveryFailed as error:
            self._closed_by(held, group_id, error)
            raise
        key = f"about:{made.thread_id}"
        about = chat.about if chat is not None else ""
        card = Incoming(key, "message", chat_id, key, 0, Person("", ""), about, by="system")

        def keep(tx: Tx) -> None:
            self._posts.set_topic(tx, made)
            if about:
                self._posts.add(tx, account.id, chat_id, "topic", card, FIRST)

        parts.storage.write(keep)
        return None

    def _chat(self, held: Held, chat_id: str, job: Job) -> Chat | None:
        """What is known of a chat; asked for when nobody did yet."""
        parts = self._parts
        with parts.storage.read() as tx:
            chat = parts.channels.chat(tx, held.account.id, chat_id)
        if chat is not None and (chat.about or job.attempts > DESCRIBE_TRIES):
            return chat
        describe_chat(parts, job)
        with parts.storage.read() as tx:
            return parts.channels.chat(tx, held.account.id, chat_id)

    def _message(self, held: Held, address: str, items: Sequence[Incoming]) -> Outgoing:
        """One message of the group out of one of the messenger's, or out of pictures that came one after the other."""
        lines = [line for item in items if (line := _words(item, self._parts.language()))]
        files = tuple(self._file(held, file) for item in items for file in item.files)
        return Outgoing(items[0].key, address, "\n".join(lines), files)

    def _file(self, held: Held, file: IncomingFile) -> OutgoingFile:
        account, channel = held.account, self._parts.registry.load(held.account.channel)

        def content() -> Content:
            if not isinstance(channel, OpensFiles):
                raise DeliveryFailed(f"{channel.title} gives no files", final=True)
            return channel.open_file(account, file.ref)

        if file.type != "audio/mp4":
            return OutgoingFile(file.name, file.type, file.size, "", content)
        return _spoken(file, content())


def _spoken(file: IncomingFile, content: Content) -> OutgoingFile:
    """A voice message as messengers play it; as an ordinary file when it is no speech that we know."""
    data = b""
    for block in content.blocks:
        data += block
        if len(data) > VOICE_BYTES:
            raise DeliveryFailed("the voice message is too long", final=True)
    ogg = to_ogg(data)
    name, kind, shown = (
        (file.name, "application/octet-stream", data) if ogg is None else ("voice.ogg", "audio/ogg", ogg)
    )
    return OutgoingFile(name, kind, len(shown), "", lambda: Content(kind, len(shown), iter((shown,))))


def _worth_waiting(error: DeliveryFailed) -> DeliveryFailed:
    """Nothing that was said is given up because a group is in disorder."""
    return DeliveryFailed(str(error), status=error.status, retry_after_s=DISORDER_S) if error.final else error


def _without_files(item: Incoming, error: DeliveryFailed) -> Incoming:
    """What can be said of a file that cannot be had."""
    lines = [item.text, *(f"📎 {file.name}: {error}" for file in item.files)]
    return replace(item, text="\n".join(line for line in lines if line), files=())


def _words(item: Incoming, language: str) -> str:
    if item.change == "delete":
        return texts.deleted_there(language)
    mark = {"client": "", "staff": "👤 ", "system": "ℹ️ "}[item.by]
    return mark + item.text if item.text else ""


def _together(waiting: Sequence[Post]) -> list[Post]:
    """The first one, with the pictures that follow a picture of the same side: they become one album."""

    def is_picture(post: Post) -> bool:
        item = post.item
        return item.change == "message" and not item.text and len(item.files) == 1 and _is_image(item.files[0])

    first = waiting[0]
    group = [first]
    for post in waiting[1:]:
        if not (is_picture(first) and is_picture(post) and post.item.by == first.item.by and first.item.by == "client"):
            break
        if post.status != first.status:
            break
        group.append(post)
    return group


def _is_image(file: IncomingFile) -> bool:
    return file.type.startswith("image/")


def _cut(name: str) -> str:
    return name if len(name) <= NAME_LIMIT else f"{name[: NAME_LIMIT - 1].rstrip()}…"
