"""What an archive is made from: events as they came, and the portal's history of a session."""

from __future__ import annotations

from typing import Literal

from ..values import dataclass
from .conversation import Message, User


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
class RawAnswer:
    """The portal's history of a session as it came: JSON, zlib."""

    session_id: int
    chat_id: int
    asked_at: int
    body: bytes
