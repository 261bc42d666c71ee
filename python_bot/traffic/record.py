"""One request, as the journal knows it, and what caused it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

from ..values import dataclass

Direction = Literal["in", "out"]
# In: `ignored` is a POST to the handler that was no event and no opened page, `page` the handler opened in a browser,
# `ui` the archive read in one.
Kind = Literal[
    "event",
    "opened",
    "ignored",
    "page",
    "ui",
    "oauth",
    "api",
    "admin",
    "monitoring",
    "other",
    "rest",
    "token",
    "download",
    "webhook",
    "messenger",
]
KINDS: Final[tuple[Kind, ...]] = (
    "event",
    "opened",
    "ignored",
    "page",
    "ui",
    "oauth",
    "api",
    "admin",
    "monitoring",
    "other",
    "rest",
    "token",
    "download",
    "webhook",
    "messenger",
)
Authorization = Literal[
    "", "none", "bearer", "api-token", "query-token", "cookie", "application_token", "auth_id", "access_token"
]
# `unverified`: to be confirmed by a call later; `insufficient`: known, and opens less than was asked for.
Outcome = Literal["", "ok", "missing", "expired", "malformed", "unknown", "mismatch", "insufficient", "unverified"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a call leaves: `job` is the kind of the job that made it, '' outside the worker."""

    trace_id: str
    chat_id: int | None = None
    job: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`at`: when it began, Unix seconds. `status`: None when no answer came; `error_code` then names the reason.

    `subject`: the event's name, or the methods inside a batch. `portal`: a host. `repeats`: like the one before it
    and asked again and again; such are counted into one row (`count`).
    """

    at: float
    direction: Direction
    kind: Kind
    method: str
    path: str
    status: int | None
    duration_ms: float
    causes: tuple[Cause, ...] = ()
    subject: str = ""
    portal: str = ""
    user_agent: str = ""
    fetch_mode: str = ""
    fetch_dest: str = ""
    authorization: Authorization = ""
    outcome: Outcome = ""
    error_code: str = ""
    error_text: str = ""
    request_shape: str = ""
    answer_shape: str = ""
    repeats: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored record. `trace_id` and `chat_id` are empty where several causes share the request; see `causes`."""

    id: int
    at: float
    direction: Direction
    kind: Kind
    method: str
    path: str
    status: int | None
    duration_ms: float
    trace_id: str
    chat_id: int | None
    job: str
    subject: str
    portal: str
    user_agent: str
    fetch_mode: str
    fetch_dest: str
    authorization: Authorization
    outcome: Outcome
    error_code: str
    error_text: str
    request_shape: str
    answer_shape: str
    count: int


def new_trace() -> str:
    return secrets.token_hex(8)


_CAUSES: ContextVar[tuple[Cause, ...]] = ContextVar("causes", default=())


@contextmanager
def caused_by(*causes: Cause) -> Iterator[None]:
    """Whatever this thread calls inside the block was caused by these."""
    token = _CAUSES.set(causes)
    try:
        yield
    finally:
        _CAUSES.reset(token)


def current_causes() -> tuple[Cause, ...]:
    return _CAUSES.get()
