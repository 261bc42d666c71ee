"""What every archive store promises, whatever database is behind it. `tests/contract/` holds it to that.

Writing methods take the open transaction of `Storage.write`; reading ones open a snapshot of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Any, Protocol

from ..db import Tx
from ..model import (
    ANY_DIALOG,
    Changes,
    ChatFacts,
    Choices,
    DialogFilter,
    DialogOrder,
    Excerpt,
    Found,
    Glimpse,
    JournalEntry,
    JsonPage,
    Message,
    MessageOrder,
    MessageVersion,
    Overview,
    Passage,
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
