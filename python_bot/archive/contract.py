"""What every archive store promises, whatever database is behind it. `tests/contract/` holds it to that.

Writing methods take the open transaction of `Storage.write`; reading ones open a snapshot of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Protocol

from ..db import Tx
from ..model import (
    ANY_DIALOG,
    BotChat,
    Changes,
    ChatFacts,
    Choices,
    CompletenessTotals,
    DialogDay,
    DialogFilter,
    DialogOrder,
    Excerpt,
    Found,
    Glimpse,
    JournalEntry,
    JsonPage,
    ManifestDay,
    Message,
    MessageOrder,
    MessageVersion,
    Overview,
    Passage,
    Sealable,
    SessionCheck,
    SessionHistory,
    StoredFile,
    User,
)


class Source(IntEnum):
    """How far the text of a message can be trusted; a better source replaces a lesser one."""

    CHANGE_ONLY = 0  # only its edit or deletion was seen so far
    SECOND_FEED = 1  # the line's or the connector's event
    BOT = 2  # the bot's own event
    HISTORY = 3  # the portal's history


class Archive(Protocol):
    # --- writing

    def record(self, tx: Tx, entry: JournalEntry, chat_ids: Collection[int] = ()) -> bool:
        """Keep the request in the journal; False when the same event was recorded before.

        `chat_ids`: the chats it is about; it is erased with any of them.
        """

    def is_erased(self, tx: Tx, chat_id: int, message_id: int, at: int) -> bool:
        """Whether this message, said at this time, was erased: it must not come back."""

    def is_erased_session(self, tx: Tx, chat: ChatFacts, at: int, *, begins: bool) -> bool:
        """Whether the session was erased; its beginning or end is told again."""

    def joined(self, tx: Tx, chat: ChatFacts, at: int) -> int | None:
        """The bot entered the chat. Returns the session (our reference) that now needs a hand-over, or None."""

    def add_message(self, tx: Tx, chat: ChatFacts, message: Message, source: Source) -> int | None:
        """Store a message, whatever was seen of it before. Returns the session that now needs a hand-over."""

    def edit_message(
        self, tx: Tx, chat: ChatFacts, message_id: int, author: User, text: str, text_plain: str, at: int
    ) -> None:
        """Set the text and keep the former one as a version; an older edit than the stored one is a version too."""

    def delete_message(
        self, tx: Tx, chat: ChatFacts, message_id: int, author: User, text: str, text_plain: str, at: int
    ) -> None:
        """Mark as deleted; the archived text stays."""

    def session_started(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        """A session of the chat began at this time."""

    def describe(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        """What the portal says of a chat and of its running session, if one runs, asked at this time."""

    def session_finished(self, tx: Tx, chat: ChatFacts, at: int) -> None: ...

    def apply_history(self, tx: Tx, history: SessionHistory, at: int, known_to: int = 0) -> SessionHistory | None:
        """Repair a session from the portal's history: texts, exact times, authors, edits, deletions, files, its end.

        `at`: when the portal was asked; an edit that we know from later stays. What was erased stays erased.
        `known_to`: the session's last message that we knew then; the answer has the last word on it, too.
        Returns what was applied: the history without what was erased; None when all of it was.
        """

    def handed_over(self, tx: Tx, session_ref: int, at: int, *, exact: bool = True) -> None:
        """The portal took the hand-over at this time; not `exact`: somebody else had done it before."""

    def handover_failed(self, tx: Tx, session_ref: int, reason: str, at: int) -> None:
        """The portal refused the hand-over for good."""

    def nameless(self, tx: Tx, limit: int) -> list[int]:
        """People of whom only the number is known and for whom the portal was not asked yet."""

    def people_told(self, tx: Tx, users: Sequence[User], asked: Sequence[int], at: int) -> None:
        """The portal's answer about these people; whom it did not name is not asked for again."""

    def take_new_files(self, tx: Tx, limit: int) -> list[int]:
        """Ids of files whose content nobody has asked for yet, newest first; from now on they wait for it."""

    def let_file_go(self, tx: Tx, file_id: int) -> None:
        """The content of a waiting file is not wanted after all."""

    def file_stored(self, tx: Tx, file_id: int, digest: str, size: int, name: str) -> bool:
        """The content is on disk. `digest`: its SHA-256 in hex. `name` counts where none was known.

        False when no message shows the file (any more): its content is nobody's then.
        """

    def file_missing(self, tx: Tx, file_id: int, problem: str, *, given_up: bool) -> None:
        """Why the content could not be had so far, or, `given_up`, never will."""

    def forget_contents(self, tx: Tx, removed: Collection[str]) -> None:
        """These of `left_contents` are gone from the disk; those that a file refers to again are none of them."""

    def connector_line(self, tx: Tx, connector_id: str, line_id: int, active: bool, at: int) -> None: ...

    def forget_line(self, tx: Tx, line_id: int, at: int) -> None:
        """The line is gone: none of our connectors serves it any more."""

    def set_fact(self, tx: Tx, name: str, value: Any) -> None: ...

    def fact_in(self, tx: Tx, name: str) -> Any:
        """As `fact`, within a transaction that will change it."""

    # --- reading

    def fact(self, name: str) -> Any:
        """A small fact about the instance; None when it was never set."""

    def dialogs_page(
        self,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: DialogOrder = "newest",
    ) -> JsonPage:
        """The wanted dialogs after a position of the same order."""

    def dialog(self, chat_id: int) -> str | None:
        """One dialog, its sessions and participants: a JSON object without its messages; None when unknown."""

    def versions(self, chat_id: int, message_id: int) -> list[MessageVersion] | None:
        """Former texts of a message, oldest first; None when the dialog has no such message."""

    def excerpt(self, chat_id: int, message_id: int | None) -> Excerpt | None:
        """A dialog and, when its number is given, one message of it, as the lists show them; None when one is gone."""

    def messages_page(self, chat_id: int, after: int, limit: int) -> JsonPage:
        """Messages of a dialog with message_id > `after`, oldest first."""

    def messages_feed(
        self,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: MessageOrder = "changed",
    ) -> JsonPage:
        """Messages of any dialog after a position of the same order.

        In the order "changed" whoever goes on from `last_key` meets every message that is new or changed since,
        and none that is not: edits, deletions, repaired times and authors, files, names.
        """

    def identity(self) -> str:
        """Of this archive: another one, even with the same rows, has another."""

    def passage(self, wanted: DialogFilter = ANY_DIALOG) -> Passage:
        """The messages that `messages_feed` shows, by `message_id`, for an export: each slice is a snapshot of its own.

        Ends with the highest number there was at the start; what changes meanwhile is told as it is when it is met.
        """

    def conversations(self, after: int | None, limit: int, wanted: DialogFilter = ANY_DIALOG) -> JsonPage:
        """Dialogs above `after` by `chat_id`, each as `dialog` tells it."""

    def wait_for_change(self, seen: int, timeout_s: float) -> int:
        """Wait until something was written after `seen` (0 at first), at most so long; the new value of `seen`."""

    def changes(self, after: tuple[int, int], limit: int) -> Changes:
        """What a search index has to learn next: documents after a position of the feed, and removed messages."""

    def forget_removed(self, up_to: int) -> None:
        """The index has forgotten what was removed, up to this number."""

    def backlog(self, after: tuple[int, int], most: int) -> int:
        """How many messages changed after this position, counted up to `most`."""

    def found(self, message_ids: Sequence[int], wanted: DialogFilter) -> list[Found]:
        """Those of the messages that the filter lets through, in the order in which they were given."""

    def few_chats(self, wanted: DialogFilter, most: int) -> list[int] | None:
        """The dialogs that the filter names, when it names any property of dialogs and they are few; else None."""

    def line_of(self, chat_id: int) -> int | None:
        """The open line of a dialog; None when it is unknown."""

    def stats(self, wanted: DialogFilter, offset_s: int) -> dict[str, Any]:
        """Figures of [since, until), which must be given; `offset_s`: the caller's clock, east of UTC."""

    def last_event_at(self) -> int | None:
        """When the last genuine event came."""

    def users_page(self, after: int, limit: int) -> JsonPage: ...

    def session_ids(self, chat_id: int) -> list[int]:
        """Bitrix24's numbers of the sessions of a chat, newest first."""

    def connector_lines(self) -> list[tuple[str, int, bool]]: ...

    def file(self, file_id: int) -> StoredFile | None:
        """An attachment by its id in Bitrix24 Disk; None when no message shows it."""

    def files_of(self, message_id: int) -> list[StoredFile]:
        """What a message shows, by their ids; nothing when it was deleted."""

    def hashes_in_use(self, hashes: Collection[str]) -> set[str]:
        """Those contents that a file still refers to."""

    def left_contents(self) -> list[str]:
        """Contents that a deleted file referred to, whoever deleted it; another file may still refer to them."""

    def stored_bytes(self) -> int:
        """How much all stored contents take, each counted once."""

    def file_counts(self) -> dict[str, int]:
        """Attachments by the state of their content."""

    def counts(self) -> dict[str, int]:
        """Rows by table, for status and metrics; cheap, so approximate where counting would cost."""


class Views(Protocol):
    """What pages for people show of an archive."""

    def overview(self, after: tuple[int, ...] | None, limit: int, wanted: DialogFilter, order: DialogOrder) -> Overview:
        """As `dialogs_page`, with the last words of each dialog and since when its client waits."""

    def choices(self) -> Choices:
        """Which lines, connectors and operators there are; cheap at any size."""

    def glimpse(
        self,
        chat_id: int,
        limit: int,
        *,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> Glimpse:
        """Some messages of a dialog, oldest first: before or after one of them, around one, or the newest."""

    def changed(self, chat_id: int, since: int, limit: int) -> Glimpse:
        """Messages of a dialog that changed after this place in the feed, in the order of the changes; `seen`: the new
        place."""

    def is_wanted(self, chat_id: int, wanted: DialogFilter) -> bool:
        """Whether the filter lets this dialog through."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows went."""

    dialogs: int = 0
    messages: int = 0
    files: int = 0
    journal: int = 0
    jobs: int = 0
    users: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Completeness(Protocol):
    """What is here of what is known. Times are Unix seconds, [since, until)."""

    def totals(self, since: int, until: int) -> CompletenessTotals: ...

    def days(self, after: tuple[int, int], limit: int, since: int, until: int) -> list[DialogDay]:
        """Dialogs by day, behind a position (beginning of the day, chat_id), in this order."""


class Manifests(Protocol):
    """What the daily manifests are made of and compared with. Days are counted from 1970-01-01, UTC."""

    def days(self) -> list[ManifestDay]:
        """Those that were written, the oldest first."""

    def changed(self, after: tuple[int, int], before: int, limit: int) -> list[Sealable]:
        """Messages behind a position (`changed`, message_id) of the feed and before a time (microseconds)."""

    def untold_erasures(self) -> list[tuple[int, int]]:
        """Chats of which something was erased since a manifest told so: chat_id, up to which message."""

    def of_chat(self, chat_id: int, after: int, limit: int) -> list[Sealable]:
        """Messages of a chat with message_id > `after`."""

    def keys_for(self, chat_ids: Collection[int], day: int) -> dict[int, bytes]:
        """The keys of these dialogs; who has none gets one."""

    def keep(self, day: int, digest: str, told: Iterable[tuple[int, int]]) -> None:
        """The manifest of the day is on disk; it told of these erasures."""

    def begin_anew(self) -> None:
        """The archive was put aside for an empty one: the manifests so far are about the former."""

    def keys(self, chat_ids: Collection[int]) -> dict[int, tuple[bytes, int]]:
        """The key of a dialog, and the first day that it was used."""

    def here(self, message_ids: Collection[int]) -> dict[int, Sealable]: ...

    def erased(self, chat_ids: Collection[int]) -> dict[int, int]:
        """Up to which message these chats were erased."""

    def replaced(self, message_ids: Collection[int]) -> set[int]:
        """Those taken over from the former bot whose place the portal's own took."""


class Erasure(Protocol):
    """Takes conversations out of an archive for good, in small transactions of its own."""

    def outlived(self, before: int, limit: int) -> list[int]:
        """Chats whose dialog is closed and whose last message was sent before this time."""

    def of_client(self, user_id: int) -> list[int]:
        """Chats in which this user is the client."""

    def erase_outlived(self, chat_id: int, before: int) -> Erased:
        """The whole dialog with all that hangs on it, unless somebody spoke in it meanwhile."""

    def erase(self, chat_id: int, at: int | None = None) -> Erased:
        """Whatever was said in the chat until `at` (None: now). What is said later is archived as usual."""

    def link_journal(self, chats_of: Callable[[str, str, bytes], Collection[int]]) -> int:
        """Note for entries of earlier releases which chats they are about, by their event, format and body.

        Returns how many were looked at; 0 when none is left.
        """

    def erase_events_without_chat(self, before: int) -> int:
        """Entries of the journal that name no chat and came before this time; how many, 0 when none is left."""


class Comparison(Protocol):
    """What has to be compared with the portal, and what was. A session is *settled* when its history was read after
    the last message that we know of it."""

    def sessions_of(self, chat_id: int) -> list[SessionCheck]:
        """The sessions of a chat, oldest first."""

    def last_message(self, chat_id: int) -> tuple[int, int | None] | None:
        """Number and time of the last message of a chat; None when the chat is unknown."""

    def backlog(self) -> int:
        """How many sessions were not compared with history yet, or not since their last message."""

    def reconciled_at(self, chat_id: int) -> int | None: ...

    def due_chats(self, checked_before: int, after: int, limit: int) -> list[int]:
        """Chats above `after`, in ascending order, with a session that is not settled, or that is open and was read
        before this time."""

    def chats_since(self, at: int, after: int, limit: int) -> list[int]:
        """Chats above `after`, in ascending order, in which something was said at this time or later."""

    def closed_between(
        self, after: int, until: int, limit: int, read_within_s: int
    ) -> tuple[list[tuple[int, int]], int]:
        """Chat and number of the sessions that ended in (after, until] and were not read later than `read_within_s`
        after it; and up to which time they are all of them: `until`, unless there are many more than `limit`."""

    def numbers(self, first: int, last: int) -> set[int]:
        """Bitrix24's numbers of sessions in the archive, or erased from it, between these two, both included."""

    def number_bounds(self, since: int = 0) -> tuple[int, int] | None:
        """The lowest number (of the sessions that began since then) and the highest of all; None when there is none."""

    def began_at(self) -> int | None:
        """When the oldest session of the archive began."""

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """The ranges of numbers that were looked at and reach into this one."""

    def settle(self, tx: Tx, first: int, last: int) -> None:
        """Remember that every number from `first` to `last` was looked at."""

    def keep_answer(self, tx: Tx, session_id: int, chat_id: int, asked_at: int, body: bytes) -> None:
        """Keep the portal's history of a session as it came, in place of an older answer."""

    def answers(self, after: int, limit: int) -> Sequence[tuple[int, int, int, bytes]]:
        """Kept answers of sessions above `after`: session_id, chat_id, asked_at, body."""


class Checkup(Protocol):
    """What the doctor asks, of an archive of any release."""

    def last_event(self, other_than: str) -> tuple[str, int] | None:
        """The newest recorded event but those of this name, and when it came (Unix seconds)."""

    def people_with_several_chats(self, limit: int) -> list[int]:
        """Clients for whom more than one chat exists in the same channel of the same line."""


class Staff(Protocol):
    """The bot's private chats with the employees who look after it."""

    # --- writing

    def want(self, tx: Tx, user_ids: Collection[int]) -> None:
        """These people may give commands, and nobody else. Chats that are known stay as they are."""

    def add(self, tx: Tx, user_id: int) -> None:
        """This person may give commands too."""

    def asked(self, tx: Tx, user_id: int, chat_id: int, at: int) -> bool:
        """A command came; False when this person may give none (nothing is stored then)."""

    def spoke(self, tx: Tx, user_id: int, bot_id: int, chat_id: int | None, at: int) -> None:
        """The bot wrote to this person; the first time counts as the greeting, for each bot anew."""

    def tested(self, tx: Tx, user_id: int, at: int) -> None: ...

    def answered(self, tx: Tx, user_id: int, at: int) -> None: ...

    # --- reading

    def chat(self, user_id: int) -> BotChat | None: ...

    def wanted(self) -> list[BotChat]:
        """The chats of those who may give commands, by their numbers."""

    def last_message_at(self) -> int | None:
        """When the newest archived message was sent."""
