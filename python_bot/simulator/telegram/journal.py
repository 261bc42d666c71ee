"""What happened on the wire: requests that came in, webhooks that went out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the Bot API. `method` as it was spelled; `params` without files, whose part names are `files`."""

    at: float  # Unix seconds by the messenger's clock
    bot_id: int
    method: str
    params: dict[str, str]
    files: tuple[str, ...]
    status: int
    description: str = ""
    result: Any = field(repr=False, default=None)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to a webhook; `status` 0 and `error` when nobody answered."""

    at: float
    bot_id: int
    update_id: int
    url: str
    status: int
    error: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300
