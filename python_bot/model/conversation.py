"""What is said in a dialog, by whom, and what was attached."""

from __future__ import annotations

from typing import Literal

from ..values import dataclass

AuthorKind = Literal["client", "operator", "bot", "system"]

FileState = Literal["metadata", "waiting", "stored", "failed"]


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
