"""What happened on the wire: REST requests that came in, events that went out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

_Call = TypeVar("_Call")
_Delivery = TypeVar("_Delivery")


@dataclass(frozen=True, slots=True)
class Call:
    """One REST request, or one command inside a batch."""

    at: float  # when it came: Unix seconds by the portal's clock
    method: str
    params: dict[str, Any]
    source: str
    status: int
    error: str = ""
    user_id: int = 0
    client_id: str = ""
    in_batch: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.error and self.status == 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST of the event queue; `status` 0 and `error` set when nobody answered."""

    at: float  # when the POST began: Unix seconds by the portal's clock
    event: str
    url: str
    chat_id: int
    message_id: int
    status: int
    error: str
    seconds: float
    ts: int = 0  # the event's own time
    body: str = field(repr=False, default="")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Journal(Generic[_Call, _Delivery]):
    """Calls and deliveries as each simulated service describes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[_Call] = []
        self._deliveries: list[_Delivery] = []

    def called(self, call: _Call) -> None:
        with self._lock:
            self._calls.append(call)

    def delivered(self, delivery: _Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)

    @property
    def calls(self) -> list[_Call]:
        with self._lock:
            return list(self._calls)

    @property
    def deliveries(self) -> list[_Delivery]:
        with self._lock:
            return list(self._deliveries)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
            self._deliveries.clear()
