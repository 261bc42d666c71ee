"""What readers of the archive ask for, and what they get."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from ..values import dataclass


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
