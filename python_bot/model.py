"""The values of the domain. Frozen, standard library only; times are Unix seconds, UTC.

Words are Bitrix24's own: a *dialog* is a chat of an open line (`chat_id`), a *session* is one conversation
inside it (`session_id`); a client who returns later opens a new session in the same dialog.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

AuthorKind = Literal["client", "operator", "bot", "system"]
FileState = Literal["metadata", "waiting", "stored", "failed"]


def iso_utc(at: int | None) -> str | None:
    """1785312000 -> '2026-07-29T08:00:00Z'; None too for a time outside the calendar, which an event may carry."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class User:
    """A person or bot of the portal; id 0 is the system itself."""

    id: int
    name: str
    kind: AuthorKind
    first_name: str = ""
    last_name: str = ""
    work_position: str = ""


@dataclass(frozen=True, slots=True)
class FileRef:
    """An attachment as Bitrix24 Disk knows it. `size` in bytes; `url` opens for a signed-in employee only."""

    id: int
    name: str
    size: int
    type: str
    url: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An attachment and what became of its content. `hash`: SHA-256 in hex, '' until it is stored.

    `problem`: why it could not be had so far ('waiting') or never will ('failed'). `chat_id`: where it was shown.
    """

    id: int
    name: str
    size: int
    type: str
    state: FileState
    hash: str
    problem: str
    chat_id: int


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What one event tells about its chat. None (or empty) means that the event did not say."""

    chat_id: int
    dialog_id: str = ""
    title: str = ""
    entity_id: str = ""
    connector_id: str = ""
    line_id: int | None = None
    client_id: int | None = None
    operator_id: int | None = None
    session_id: int | None = None
    session_opened_at: int | None = None
    session_line_id: int | None = None
    crm_links: str = ""


NoticeKind = Literal["started", "ended", "took", "handed", "to_line", "rated", "automatic", "silent"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message says about the course of its session besides its text.

    `started`, `ended`: the session; `took`: `to_id` began to work with it; `handed`: from one operator to another;
    `to_line`: to the queue of another line; `rated`: by the client (`rating` 1 to 5; `ended` may carry one too);
    `automatic`: nobody said this; `silent`: the client does not see it.
    """

    kind: NoticeKind
    from_id: int | None = None
    to_id: int | None = None
    rating: int | None = None


@dataclass(frozen=True, slots=True)
class MessageVersion:
    """A former text of a message and when another one took its place; `number` 1 is the oldest."""

    number: int
    text: str
    replaced_at: int


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said. `text` is BB code as sent; `text_plain` the same for reading.

    `external_ids`: what the messenger calls it, when it came from outside.
    """

    message_id: int
    chat_id: int
    session_id: int | None
    author: User
    text: str
    text_plain: str
    sent_at: int
    sent_at_exact: bool = False
    hidden: bool = False
    files: tuple[FileRef, ...] = ()
    notice: Notice | None = None
    external_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message as the portal's own history shows it: exact time, current text, the edit and delete marks."""

    message: Message
    edited: bool
    deleted: bool


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """The whole of one session as `imopenlines.session.history.get` returns it, oldest message first.

    `ended_at`: when the last notice of its end was written; `closed`: whether it is over, None when nobody said.
    """

    chat_id: int
    session_id: int
    messages: tuple[HistoryMessage, ...]
    users: tuple[User, ...]
    ended_at: int | None = None
    closed: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """What is known of a session before it is compared. `session_id` None: no message told its number yet."""

    session_id: int | None
    closed: bool
    settled: bool
    last_message_id: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An accepted request without its credentials. `fingerprint` is equal for two deliveries of one event."""

    received_at: int
    event: str
    trace_id: str
    fingerprint: bytes
    body: bytes
    format: Literal["form", "json", "fetch"]
    outcome: Literal["read", "unknown", "unreadable"]


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work for the worker, stored in the transaction of the event that caused it.

    `lane`: jobs of one lane run in the order of their creation (a chat, a connector line).
    `dedupe_key`: a second waiting job with the same key is not stored.
    """

    kind: str
    payload: dict[str, Any]
    lane: str
    dedupe_key: str
    trace_id: str = ""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: dict[str, Any]
    lane: str
    dedupe_key: str
    trace_id: str
    attempts: int
    created_at: float
    due_at: float
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class BuriedJob:
    """A job that was given up; `botctl <instance> outbox` shows it and can revive it."""

    job: Job
    buried_at: float


@dataclass(frozen=True, slots=True)
class JsonPage:
    """One page of a list, already JSON: UTF-8, as SQLite made it, so that nothing decodes it on its way.

    `next_key`: the position from which the next page continues, None at the end; `last_key`: the position of the
    last row that was read, from which a follower asks again later (None while there was none).
    """

    items: bytes
    next_key: tuple[int, ...] | None
    last_key: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """Some dialogs for people: `dialog` as the lists show it, its `last` words, since when the client waits."""

    rows: tuple[dict[str, Any], ...]
    next_key: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by. `operators`: number and name, "" when it is not known."""

    lines: tuple[int, ...]
    connectors: tuple[str, ...]
    operators: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Some messages of a dialog, oldest first: `shown` as the lists show it, `hidden`, how many former `versions`.

    `earlier`, `later`: whether there are more; `seen`: a place in the feed of changes, as of now. `behind`: when the
    message before the first one was sent, as the lists show times; "" when there is none.
    """

    rows: tuple[dict[str, Any], ...]
    earlier: bool
    later: bool
    seen: int
    behind: str = ""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A dialog and perhaps one of its messages, both JSON text as the lists show them. `line_id`: the dialog's."""

    line_id: int | None
    dialog: str
    message: str | None


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Some rows as JSON text in UTF-8, one object a line. `seen`: how many were looked at for them."""

    lines: bytes
    count: int
    seen: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A walk over a part of the archive. `total`: how many rows it will look at, for showing how far it is."""

    total: int
    slices: Iterator[JsonLines]


DialogOrder = Literal["newest", "oldest", "active", "quiet", "changed"]
MessageOrder = Literal["changed", "sent_at", "-sent_at"]


@dataclass(frozen=True, slots=True)
class DialogFilter:
    """Which dialogs, or the messages of which dialogs, a reader wants; None means any.

    `since`, `until`: [since, until); a dialog counts when it was going on then, a message when it was sent then.
    `message_ids`: these messages, or dialogs that hold one of them. `line_ids`: dialogs of any of these lines.
    `participant_id`: dialogs in which this person takes part.
    """

    since: int | None = None
    until: int | None = None
    chat_id: int | None = None
    line_id: int | None = None
    connector_id: str | None = None
    operator_id: int | None = None
    client_id: int | None = None
    status: Literal["open", "closed"] | None = None
    has_files: bool | None = None
    updated_after: int | None = None
    message_ids: tuple[int, ...] | None = None
    line_ids: tuple[int, ...] | None = None
    participant_id: int | None = None


ANY_DIALOG: Final = DialogFilter()


@dataclass(frozen=True, slots=True)
class Document:
    """What is searched of a message. `file_names`: one a line; `changed`: its position in the feed of changes."""

    message_id: int
    chat_id: int
    changed: int
    text: str
    author: str
    file_names: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The next documents of the feed and the messages that were removed, up to number `removed_to`."""

    archive: str
    documents: tuple[Document, ...]
    removed: tuple[int, ...]
    removed_to: int


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search led to: its JSON, and what a fragment is cut from. `beside`: author and file names."""

    message_id: int
    item: str
    text: str
    beside: str


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """Jobs by kind. `waiting`: due, or tried and held back; `planned`: for later, never tried."""

    waiting: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    buried: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)  # since when the longest of the waiting ones waits

    @property
    def oldest_waiting_at(self) -> float | None:
        return min(self.oldest.values(), default=None)


@dataclass(frozen=True, slots=True)
class Handover:
    """Whom a dialog goes to: the line's queue (`operator`), one user, or the queue of another line."""

    kind: Literal["operator", "user", "queue"]
    target_id: int = 0


@dataclass(frozen=True, slots=True)
class Lines:
    """`all` lines (those that no other bot serves), the named ones, or none."""

    all: bool = False
    ids: tuple[int, ...] = ()


BotCommand = Literal["ping", "status", "help"]


@dataclass(frozen=True, slots=True)
class BotChat:
    """The bot's private chat with one employee. Times: Unix seconds, None: never.

    `bot_id`: whose chat it is, 0 before the bot spoke. `chat_id`: None until the portal told it. `wanted`: this person
    may give commands. `greeted_at`, `tested_at`, `answered_at`: when the bot wrote; `asked_at`: when the person did.
    """

    user_id: int
    bot_id: int
    chat_id: int | None
    wanted: bool
    greeted_at: int | None
    tested_at: int | None
    asked_at: int | None
    answered_at: int | None


@dataclass(frozen=True, slots=True)
class Captured:
    """Messages by the way they came in. `captured`: brought by an event; `in_history`: told by the portal's history;
    `change_only`: known by an edit or a deletion alone; `unnoted`: in history, stored before the way in was noted."""

    archived: int = 0
    captured: int = 0
    in_history: int = 0
    change_only: int = 0
    unnoted: int = 0
    imported: int = 0


@dataclass(frozen=True, slots=True)
class DialogDay:
    """One dialog on one UTC day, which begins at `day`. `missing`: numbers of messages that are known and not here.

    `uncompared`: sessions of that day whose history was never read (None: not even its number is known); `behind`: how
    many were read, but neither after the day nor after their last message. `compared_at`: since when all are; or None.
    """

    chat_id: int
    day: int
    messages: Captured
    missing: tuple[int, ...]
    uncompared: tuple[int | None, ...]
    behind: int
    compared_at: int | None

    @property
    def known(self) -> int | None:
        """How many messages the portal's history has; None when that is not known."""
        return None if self.uncompared or self.behind else self.messages.in_history


@dataclass(frozen=True, slots=True)
class CompletenessTotals:
    """The same for a span of time; `compared_at`: the session that was read longest ago was read then."""

    messages: Captured
    sessions: int
    uncompared: int
    behind: int
    compared_at: int | None


@dataclass(frozen=True, slots=True)
class Sealable:
    """What a manifest says of a message. `changed`: its place in the feed of changes; `versions`: former texts;
    `files`: id in Disk and SHA-256 of the content, "" without one."""

    message_id: int
    chat_id: int
    author_id: int
    sent_at: int
    sent_at_exact: bool
    text: str
    text_plain: str
    source: int
    deleted: bool
    changed: int
    versions: tuple[str, ...]
    files: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class ManifestDay:
    """A manifest as the archive remembers it. `day`: days since 1970; `former`: of an archive that was put aside."""

    day: int
    digest: str
    former: bool


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """The portal's history of a session as it came: JSON, zlib."""

    session_id: int
    chat_id: int
    asked_at: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """What two archives tell differently. `examples`: (chat, number of the message, session or user)."""

    what: str
    count: int
    examples: tuple[tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """Between the present archive and one rebuilt from the raw sources."""

    present_messages: int
    rebuilt_messages: int
    found: tuple[Difference, ...]


def time_text(seconds: float) -> str:
    """Unix seconds -> `2026-07-29T11:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
