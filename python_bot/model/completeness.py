"""What of the archive is whole, sealed, and the same when it is made anew."""

from __future__ import annotations

from ..values import dataclass


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
