"""What happened on the wire: requests that came in, webhooks that went out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    at: float  # Unix seconds by Avito's clock
    verb: str
    path: str
    query: str
    status: int
    body: bytes = field(repr=False, default=b"")
    answer: Any = field(repr=False, default=None)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to a webhook; `status` 0 and `error` when nobody answered in time."""

    at: float
    user_id: int
    message_id: str
    url: str
    status: int
    error: str
    seconds: float
    body: bytes = field(repr=False, default=b"")

    @property
    def ok(self) -> bool:
        return self.status == 200
