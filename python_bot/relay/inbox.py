"""What messengers tell goes in here: known or new, kept with the work that it causes, all in one transaction.

Only after `take` has returned may a webhook be answered 200, or a messenger be told how far we are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..channels.base import ChatChanged, DescribesChats, FindsMissed, Happened, Incoming, Person, ReadUpTo
from ..channels.messages import SqliteChannelMessages
from ..channels.registry import Registry
from ..channels.store import Held, SqliteChannels
from ..db import Tx
from ..intake import Intake
from ..metrics import Metrics
from ..model import NewJob
from . import texts
from .kinds import describe_job, gap_job, in_job, status_job
from .topics import Topics, has_desk, of_client

ALBUM_QUIET_S = 1.5  # parts of an album come one by one, within a moment
KNOWN_FOR_S = 40 * 24 * 3600  # no messenger tells anything again after this
TIDY_EVERY_S = 3600.0


class Inbox:
    """`language`: of the portal's people, for what is said to operators."""

    def __init__(
        self,
        intake: Intake,
        channels: SqliteChannels,
        messages: SqliteChannelMessages,
        registry: Registry,
        metrics: Metrics,
        language: Callable[[], str],
        topics: Topics,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._intake = intake
        self._channels = channels
        self._messages = messages
        self._registry = registry
        self._metrics = metrics
        self._language = language
        self._topics = topics
        self._now = now
        self._tidy_at = 0.0

    def take(
        self, account_id: int, happened: Sequence[Happened], cursor: str | None = None, *, was_asked: bool = False
    ) -> int:
        """Store what an account heard, with the cursor of the poll that brought it; how much of it was new.

        `was_asked`: the messenger answered us; what it tells by itself may have been overtaken, or told in vain.
        Of an account that was removed meanwhile nothing is stored. Raises StorageError; nothing is stored then.
        """
        fresh: list[Happened] = []

        def work(tx: Tx) -> list[NewJob]:
            fresh.clear()
            held = self._channels.held(tx, account_id)
            if held is None:
                return []
            jobs: list[NewJob] = []
            now = int(self._now())
            for item in happened:
                if self._channels.is_new(tx, account_id, item.key, now):
                    fresh.append(item)
                    jobs += self.apply(tx, held, item, was_called=not was_asked)
            if cursor is not None:
                self._channels.set_cursor(tx, account_id, cursor)
            if now >= self._tidy_at:
                self._tidy_at = now + TIDY_EVERY_S
                self._channels.forget_seen(tx, now - KNOWN_FOR_S)
                self._topics.forget_settled(tx, now - KNOWN_FOR_S)
            return jobs

        self._intake.queue_with(work)
        if fresh:
            self._metrics.count("channel_heard_total", len(fresh))
        if len(fresh) < len(happened):
            self._metrics.count("channel_repeated_total", len(happened) - len(fresh))
        return len(fresh)

    def apply(self, tx: Tx, held: Held, item: Happened, *, was_called: bool) -> list[NewJob]:
        """What one thing leads to that was not known before. `was_called`: the messenger told it by itself."""
        match item:
            case Incoming():
                written = self._topics.written(tx, held, item, self._now())
                if written is not None:
                    return written
                return self._said(tx, held, of_client(item), was_called=was_called)
            case ChatChanged():
                return self._changed(tx, held, item)
            case ReadUpTo():
                return self._read(tx, held, item)

    def _said(self, tx: Tx, held: Held, item: Incoming, *, was_called: bool) -> list[NewJob]:
        account, now = held.account, self._now()
        ref = self._messages.add_in(tx, account.id, item, int(now))
        if ref is None:
            return self._mirrored(tx, held, item, was_called=was_called)
        person = item.sender if item.by == "client" else None
        is_new = self._channels.touch_chat(tx, account.id, item.chat_id, item.chat_name, item.chat_url, person)
        jobs = self._chat_job(held, item.chat_id, now + ALBUM_QUIET_S if item.album else 0.0)
        if item.by == "client":
            self._channels.heard(tx, account.id, int(now))
            self._channels.set_chat_state(tx, account.id, item.chat_id, "open")
        if account.line_id is None and has_desk(held):
            self._messages.settle_in(tx, [ref], "dropped")
        gap = self._gap(held, item, was_called=was_called)
        jobs += self._topics.show(tx, held, item, now, is_held=bool(gap))
        if gap:
            self._messages.hold(tx, ref)
            jobs = gap
        if is_new and isinstance(self._registry.load(account.channel), DescribesChats):
            return [describe_job(account.id, item.chat_id), *jobs]
        return jobs

    def _gap(self, held: Held, item: Incoming, *, was_called: bool) -> list[NewJob]:
        """What is to be asked before this is shown; [] when nothing can have been said before it that is not known."""
        channel = self._registry.load(held.account.channel)
        if not (was_called and isinstance(channel, FindsMissed)):
            return []
        return [gap_job(held.account.id, item.chat_id, self._now() + channel.settle_s)]

    def _mirrored(self, tx: Tx, held: Held, item: Incoming, *, was_called: bool) -> list[NewJob]:
        """The messenger tells us what we sent ourselves: the desk that did not write it shows it now."""
        account, now = held.account, self._now()
        origin = self._messages.origin_in(tx, account.id, item.message_id) if item.change == "message" else None
        gap = self._gap(held, item, was_called=was_called)
        if origin == "line":
            shown = self._topics.show(tx, held, item, now, is_held=bool(gap))
            return gap if shown and gap else shown
        if origin == "topics" and account.line_id is not None:
            # Its own number is that of what was sent.
            shown_as = replace(item, message_id=f"{item.message_id}:shown")
            ref = self._messages.add_in(tx, account.id, shown_as, int(now))
            if gap and ref is not None:
                self._messages.hold(tx, ref)
            return gap or self._chat_job(held, item.chat_id, 0.0)
        return []

    def let_go(self, tx: Tx, held: Held, chat_id: str, refs: list[int], posts: list[int]) -> list[NewJob]:
        """It is known now what was said before these: every desk shows what waits in their chat."""
        self._messages.let_go(tx, refs)
        self._topics.let_go(tx, posts)
        return [*self._chat_job(held, chat_id, 0.0), *self._topics.look(held, chat_id, self._now())]

    def _changed(self, tx: Tx, held: Held, item: ChatChanged) -> list[NewJob]:
        account = held.account
        chat = self._channels.chat(tx, account.id, item.chat_id)
        if item.state == "moved":
            self._channels.move_chat(tx, account.id, item.chat_id, item.moved_to)
        else:
            self._channels.touch_chat(tx, account.id, item.chat_id, "", "", None)
            self._channels.set_chat_state(tx, account.id, item.chat_id, item.state)
        if chat is None or chat.state == item.state or chat.person is None:
            return []  # nobody knows the chat in the portal, or nothing is new about it
        text = texts.chat_changed(item.state, self._language())
        return self.notice(tx, held, item.chat_id, f"{item.key}:notice", text)

    def _read(self, tx: Tx, held: Held, item: ReadUpTo) -> list[NewJob]:
        account = held.account
        chat = self._channels.chat(tx, account.id, item.chat_id)
        seen = self._messages.unread(tx, account.id, item.chat_id, item.at)
        if chat is None or chat.portal_chat_id is None or not seen:
            return []
        return [status_job(account.id, chat.portal_chat_id, seen, "read")]

    def notice(self, tx: Tx, held: Held, chat_id: str, key: str, text: str) -> list[NewJob]:
        """A system message to the operators in the dialog of a chat. `key`: the same notice is shown once."""
        account, now = held.account, int(self._now())
        if account.line_id is None and has_desk(held):
            return []  # there is no dialog; what becomes of the topic's messages is said in the topic
        if not self._channels.is_new(tx, account.id, key, now):
            return []
        item = Incoming(key, "message", chat_id, key, now, Person("", ""), text, by="system")
        self._messages.add_in(tx, account.id, item, now)
        return self._chat_job(held, chat_id, 0.0)

    def _chat_job(self, held: Held, chat_id: str, due_at: float) -> list[NewJob]:
        """An account without a line keeps what comes until it has one."""
        return [in_job(held.account.id, chat_id, due_at)] if held.account.line_id is not None else []


def chat_jobs(account_id: int, chat_ids: Iterable[str]) -> list[NewJob]:
    """For everything that waited until the account got its line."""
    return [in_job(account_id, chat_id) for chat_id in chat_ids]
