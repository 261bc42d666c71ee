"""An accepted event goes in here: journal row, archive rows and jobs in one transaction, durable on return.

What an event leads to is decided here and nowhere else; the webhooks and the fetcher only deliver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from .archive import Archive, Source, Staff
from .attachments import FileQueue
from .bitrix.event_types import (
    AppInstalled,
    AppTested,
    AppUninstalled,
    BotAsked,
    BotDeleted,
    ConnectorChanges,
    ConnectorMessages,
    ConnectorStopped,
    Event,
    Joined,
    LineDeleted,
    MessageAdded,
    MessageDeleted,
    MessageEdited,
    Noted,
    SessionFinished,
    SessionStarted,
)
from .channels.store import SqliteChannels
from .db import Tx, Writes
from .model import ChatFacts, JournalEntry, NewJob
from .outbox import Puts

HANDOVER: Final = "handover"
ENSURE: Final = "ensure"
CONFIRM: Final = "confirm"
RECONCILE: Final = "reconcile"
DISCOVER: Final = "discover"
IMPORT: Final = "import"
DESCRIBE: Final = "describe"
NAMES: Final = "names"
ANSWER: Final = "answer"
GREET: Final = "greet"
CHANNEL_SEND: Final = "channel.send"
CHANNEL_EDIT: Final = "channel.edit"
CHANNEL_DELETE: Final = "channel.delete"
CONNECTOR_ACTIVATE: Final = "connector.activate"

RECONCILE_DELAY_S: Final = 3.0  # the portal writes the last messages of a session a moment after closing it
CHANNEL_BREATH_S: Final = 0.02  # messages of one moment come in any order and leave in the portal's
SOON_S: Final = 60.0  # for a job that is due later nobody is woken
IDLE_S: Final = 600.0  # after the first thing said since the last comparison

_SWITCHED_OFF: Final = "switched off on line {} in the portal: choose a line again"
_LINE_DELETED: Final = "line {} was deleted in the portal: choose another"

_SOURCE_OF_FEED: Final = {"bot": Source.BOT, "line": Source.SECOND_FEED, "connector": Source.SECOND_FEED}


class Intake:
    """`wake`: called after a commit with the kinds of the new jobs.

    `asks_back`: the events tell neither a chat's session nor its end (imbot.v2), so the portal is asked for both.
    `staff`: who may give the bot commands; None: nobody. `channels`: the accounts that lose a line; None: nobody has.
    """

    def __init__(
        self,
        storage: Writes,
        archive: Archive,
        outbox: Puts,
        files: FileQueue,
        wake: Callable[[set[str]], None],
        *,
        asks_back: bool = False,
        staff: Staff | None = None,
        channels: SqliteChannels | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._archive = archive
        self._outbox = outbox
        self._files = files
        self._staff = staff
        self._channels = channels
        self._wake = wake
        self._asks_back = asks_back
        self._now = now
        self._lock = threading.Lock()
        self.counts: dict[tuple[str, str], int] = {}

    def take(self, entry: JournalEntry, events: list[Event], also: Callable[[Tx], None] | None = None) -> bool:
        """Store one event with everything that follows from it; True unless it had been stored before.

        `also` runs in the same transaction, for a repeated event too (the fetcher's offset). Raises StorageError;
        nothing is stored then.
        """
        kinds: set[str] = set()

        def work(tx: Tx) -> bool:
            kinds.clear()
            alive = [event for event in events if not self._is_erased(tx, event)]
            # Of what was erased nothing comes back, not even into the journal.
            is_erased = len(alive) < len(events)
            is_new = bool(alive) if is_erased else self._archive.record(tx, entry, chats_of(events))
            if is_new:
                for event in alive:
                    for job in self._apply(tx, event, entry.trace_id):
                        if self._outbox.put(tx, job, self._now()) and job.due_at < self._now() + SOON_S:
                            kinds.add(job.kind)
            if also is not None:
                also(tx)
            return is_new

        is_new = self._storage.write(work)
        self.count(entry.event, entry.outcome if is_new else "duplicate")
        if kinds:
            self._wake(kinds)
        return is_new

    def queue(self, job: NewJob) -> None:
        """Store one job that no event caused."""
        if self._storage.write(lambda tx: self._outbox.put(tx, job, self._now())):
            self._wake({job.kind})

    def queue_with(self, work: Callable[[Tx], list[NewJob]]) -> None:
        """Store what `work` writes and the jobs that it returns, in one transaction."""

        def store(tx: Tx) -> set[str]:
            return {job.kind for job in work(tx) if self._outbox.put(tx, job, self._now())}

        if kinds := self._storage.write(store):
            self._wake(kinds)

    def hurry(self, job: NewJob) -> None:
        """Store one job that somebody waits for, or bring it forward."""
        self._storage.write(lambda tx: self._outbox.put(tx, job, self._now()))
        self._wake({job.kind})

    def wake(self, kinds: set[str]) -> None:
        """Jobs of these kinds were brought forward."""
        self._wake(kinds)

    def count(self, event: str, outcome: str) -> None:
        with self._lock:
            self.counts[event, outcome] = self.counts.get((event, outcome), 0) + 1

    def _is_erased(self, tx: Tx, event: Event) -> bool:
        """Told again of a conversation that was erased."""
        archive = self._archive
        match event:
            case MessageAdded(chat, message):
                return archive.is_erased(tx, chat.chat_id, message.message_id, message.sent_at)
            case MessageEdited(chat, message_id) | MessageDeleted(chat, message_id):
                return archive.is_erased(tx, chat.chat_id, message_id, event.at)
            case ConnectorChanges():
                return any(archive.is_erased(tx, *message, event.at) for message in event.messages)
            case ConnectorMessages():
                return any(self._is_erased(tx, added) for added in event.messages)
            case Joined(chat) | SessionStarted(chat):
                return archive.is_erased_session(tx, chat, event.at, begins=True)
            case SessionFinished(chat):
                return archive.is_erased_session(tx, chat, event.at, begins=False)
        return False

    def _apply(self, tx: Tx, event: Event, trace_id: str) -> list[NewJob]:
        """Write what one event says; returns the work that it causes."""
        archive = self._archive
        match event:
            case MessageAdded(chat, message, feed):
                ref = archive.add_message(tx, chat, message, _SOURCE_OF_FEED[feed])
                downloads = self._files.take_up(tx, trace_id, len(message.files))
                first = self._first_sign(ref, chat, feed == "bot", trace_id)
                return [*first, *downloads, self._later(chat.chat_id, trace_id)]
            case Joined(chat, _, at):
                ref = archive.joined(tx, chat, at)
                return [*self._first_sign(ref, chat, True, trace_id), self._later(chat.chat_id, trace_id)]
            case MessageEdited(chat, message_id, author, text, text_plain, at):
                archive.edit_message(tx, chat, message_id, author, text, text_plain, at)
                return [self._later(chat.chat_id, trace_id)]
            case MessageDeleted(chat, message_id, author, text, text_plain, at):
                archive.delete_message(tx, chat, message_id, author, text, text_plain, at)
                return [self._later(chat.chat_id, trace_id)]
            case SessionStarted(chat, at):
                archive.session_started(tx, chat, at)
                return [self._later(chat.chat_id, trace_id)]
            case SessionFinished(chat, at):
                archive.session_finished(tx, chat, at)
                return [reconcile_job(chat.chat_id, self._now() + RECONCILE_DELAY_S, trace_id, chat.session_id)]
            case BotDeleted(bot_id):
                archive.set_fact(tx, "bot_deleted", {"bot_id": bot_id, "at": int(self._now())})
                return [ensure_job(trace_id)]
            case AppTested(nonce):
                archive.set_fact(tx, "inbound", {"nonce": nonce, "at": int(self._now())})
            case ConnectorMessages(connector_id, line_id, messages, items):
                for added in messages:
                    archive.add_message(tx, added.chat, added.message, Source.SECOND_FEED)
                downloads = self._files.take_up(tx, trace_id, sum(len(added.message.files) for added in messages))
                chats = {added.chat.chat_id for added in messages}
                later = [self._later(chat_id, trace_id) for chat_id in sorted(chats)]
                sent = [channel_job(connector_id, line_id, item, trace_id, self._now()) for item in items]
                return [*sent, *downloads, *later]
            case ConnectorChanges(connector_id, line_id, is_deletion, items):
                kind = CHANNEL_DELETE if is_deletion else CHANNEL_EDIT
                return [channel_job(connector_id, line_id, item, trace_id, self._now(), kind) for item in items]
            case ConnectorStopped(connector_id, line_id):
                archive.connector_line(tx, connector_id, line_id, False, int(self._now()))
                if self._channels is not None:
                    self._channels.line_lost(tx, line_id, connector_id, _SWITCHED_OFF.format(line_id))
            case LineDeleted(line_id):
                archive.forget_line(tx, line_id, int(self._now()))
                if self._channels is not None:
                    self._channels.line_lost(tx, line_id, None, _LINE_DELETED.format(line_id))
            case BotAsked(user_id, chat_id, command, language):
                if self._staff and self._staff.asked(tx, user_id, chat_id, int(self._now())):
                    return [answer_job(user_id, command, language, trace_id)]
            case AppInstalled() | AppUninstalled() | Noted():
                pass  # the door deals with installations: their tokens never come in here
        return []

    def _first_sign(self, session_ref: int | None, chat: ChatFacts, is_bots: bool, trace_id: str) -> list[NewJob]:
        chat_id = chat.chat_id
        jobs = [handover_job(chat_id, session_ref, trace_id)] if session_ref is not None else []
        if self._asks_back and is_bots and jobs and chat.session_id is None:
            key = f"describe:{chat_id}"
            jobs.append(NewJob(DESCRIBE, {"chat_id": chat_id}, key, key, trace_id))
        return jobs

    def _later(self, chat_id: int, trace_id: str) -> NewJob:
        return reconcile_job(chat_id, self._now() + IDLE_S, trace_id)


def chats_of(events: Iterable[Event]) -> set[int]:
    """The chats that events are about."""
    found: set[int] = set()
    for event in events:
        match event:
            case ConnectorMessages():
                found |= chats_of(event.messages)
            case ConnectorChanges():
                found |= {chat_id for chat_id, _ in event.messages}
            case (
                MessageAdded(chat)
                | MessageEdited(chat)
                | MessageDeleted(chat)
                | Joined(chat)
                | SessionStarted(chat)
                | SessionFinished(chat)
            ):
                found.add(chat.chat_id)
    return found


def handover_job(chat_id: int, session_ref: int, trace_id: str) -> NewJob:
    payload = {"chat_id": chat_id, "session_ref": session_ref}
    return NewJob(HANDOVER, payload, f"chat:{chat_id}", f"handover:{session_ref}", trace_id)


def ensure_job(trace_id: str) -> NewJob:
    return NewJob(ENSURE, {}, "portal", ENSURE, trace_id)


def confirm_job(trace_id: str) -> NewJob:
    return NewJob(CONFIRM, {}, "portal", CONFIRM, trace_id)


def answer_job(user_id: int, command: str, language: str, trace_id: str) -> NewJob:
    """Of one person's equal commands only one waits: whoever hammers is answered at the portal's pace."""
    payload = {"user_id": user_id, "command": command, "language": language}
    return NewJob(ANSWER, payload, f"staff:{user_id}", f"answer:{user_id}:{command}", trace_id)


def greet_job(user_id: int, language: str, trace_id: str, *, test: bool = False) -> NewJob:
    """`test`: write to this person even if the bot did before, so that an answer proves both directions."""
    payload = {"user_id": user_id, "language": language, "test": test}
    return NewJob(GREET, payload, f"staff:{user_id}", f"greet:{user_id}:{int(test)}", trace_id)


def names_job(trace_id: str) -> NewJob:
    return NewJob(NAMES, {}, NAMES, NAMES, trace_id)


def reconcile_job(
    chat_id: int,
    due_at: float,
    trace_id: str,
    session_id: int | None = None,
    scope: Literal["due", "latest", "all"] = "due",
) -> NewJob:
    """Compare the sessions of a chat that are not settled, and this one, whatever is known of it.

    `scope`: "latest" asks for the chat's latest session too, "all" for every session of the chat.
    """
    key = f"reconcile:{chat_id}" if scope == "due" else f"reconcile:{chat_id}:{scope}"
    payload: dict[str, Any] = {"chat_id": chat_id, "session_id": session_id, "scope": scope}
    return NewJob(RECONCILE, payload, key, key, trace_id, due_at)


def found_job(chat_id: int, session_id: int, trace_id: str, since: int = 0) -> NewJob:
    """Read a session that was found by its number, and keep it unless it began before `since`."""
    key = f"reconcile:{chat_id}:{session_id}"
    payload = {"chat_id": chat_id, "session_id": session_id, "scope": "due", "since": since}
    return NewJob(RECONCILE, payload, key, key, trace_id)


def again_job(chat_id: int, session_id: int, trace_id: str) -> NewJob:
    """Read a session once more, though nothing is known that would have changed since it was compared."""
    key = f"reconcile:{chat_id}:{session_id}:again"
    return NewJob(RECONCILE, {"chat_id": chat_id, "session_id": session_id, "scope": "again"}, key, key, trace_id)


def channel_job(
    connector_id: str, line_id: int, item: dict[str, object], trace_id: str, at: float, kind: str = CHANNEL_SEND
) -> NewJob:
    """Of one message every change is carried over; the message itself once."""
    im = item.get("im")
    chat_id, message_id = (im.get("chat_id"), im.get("message_id")) if isinstance(im, dict) else ("", "")
    payload = {"connector_id": connector_id, "line_id": line_id, "item": item}
    key = f"channel:{connector_id}:{message_id}" + (f":{kind}:{trace_id}" if kind != CHANNEL_SEND else "")
    due_at = at + CHANNEL_BREATH_S if kind == CHANNEL_SEND else 0.0
    return NewJob(kind, payload, f"channel:{connector_id}:{chat_id}", key, trace_id, due_at)


def activate_job(connector_id: str, line_id: int, trace_id: str) -> NewJob:
    payload = {"connector_id": connector_id, "line_id": line_id}
    key = f"activate:{connector_id}:{line_id}"
    return NewJob(CONNECTOR_ACTIVATE, payload, key, key, trace_id)
