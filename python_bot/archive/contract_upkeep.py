"""What every archive store promises besides: to be compared, sealed, erased and examined, and the bot's own chats.

As in `contract`: writing methods take the open transaction, reading ones open a snapshot of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from typing import Protocol

from ..db import Tx
from ..model import (
    BotChat,
    CompletenessTotals,
    DialogDay,
    ManifestDay,
    Sealable,
    SessionCheck,
)
from ..values import dataclass


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
