"""How fast a messenger may be spoken to: limits that are kept in advance, and pauses that it asked for.

A limit is an exact one: at most `count` requests in any `per_s` seconds. What leaves is bound by several at once (the
account, the chat, the group) and takes its place in all of them or in none, so one busy chat holds no other one up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ..errors import DeliveryFailed
from ..values import dataclass

FORGET_EVERY: Final = 1000  # requests, after which keys that bind nobody any more are let go


@dataclass(frozen=True, slots=True)
class Limit:
    count: int
    per_s: float


def wait_s(limit: Limit, sent: Sequence[float], now: float) -> float:
    """Seconds until one more request keeps the limit; `sent`: when the last ones left, oldest first."""
    return max(0.0, sent[-limit.count] + limit.per_s - now) if len(sent) >= limit.count else 0.0


class Pace:
    """Safe for several threads. Keys are whatever a channel counts by: ('chat', '7000000001', '5200000123').

    `patience_s`: waits up to this are waited for, longer ones are told to whoever can do something else meanwhile.
    """

    def __init__(
        self,
        *,
        patience_s: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._patience_s, self._clock, self._sleep = patience_s, clock, sleep
        self._sent: dict[tuple[str, ...], tuple[Limit, deque[float]]] = {}
        self._closed: dict[tuple[str, ...], float] = {}
        self._taken = 0
        self._lock = threading.Lock()

    def take_or_wait(self, limits: Mapping[tuple[str, ...], Limit]) -> float:
        """Take one request's place when it may leave now (0.0), else the seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            pause = max((self._pause(key, limit, now) for key, limit in limits.items()), default=0.0)
            if pause > 0.0:
                return pause
            for key, limit in limits.items():
                self._sent_of(key, limit).append(now)
            self._taken += 1
            if self._taken % FORGET_EVERY == 0:
                self._forget(now)
            return 0.0

    def _sent_of(self, key: tuple[str, ...], limit: Limit) -> deque[float]:
        """A limit may be changed; what was sent under the former one counts."""
        known = self._sent.get(key)
        if known is None or known[0] != limit:
            known = self._sent[key] = (limit, deque(known[1] if known else (), maxlen=limit.count))
        return known[1]

    def acquire(self, limits: Mapping[tuple[str, ...], Limit], title: str) -> None:
        """Take one request's place. Raises DeliveryFailed with `retry_after_s` when its turn is not soon."""
        end = self._clock() + self._patience_s
        while (pause := self.take_or_wait(limits)) > 0.0:
            if self._clock() + pause > end:
                # Nothing was asked for, so nothing is in doubt: as if the messenger itself had said it.
                raise DeliveryFailed(f"{title}: waiting for a turn within the limits", status=429, retry_after_s=pause)
            self._sleep(pause)

    def wait(self, limits: Mapping[tuple[str, ...], Limit]) -> None:
        """Take one request's place, whenever its turn comes: for what belongs together and is asked in a row."""
        while (pause := self.take_or_wait(limits)) > 0.0:
            self._sleep(pause)

    def close_for(self, key: tuple[str, ...], seconds: float) -> None:
        """The messenger asked for a pause: nothing of this key leaves before it is over."""
        with self._lock:
            self._closed[key] = max(self._closed.get(key, 0.0), self._clock() + seconds)

    def _pause(self, key: tuple[str, ...], limit: Limit, now: float) -> float:
        closed = max(0.0, self._closed.get(key, now) - now)
        known = self._sent.get(key)
        return max(closed, wait_s(limit, known[1], now)) if known else closed

    def _forget(self, now: float) -> None:
        self._sent = {key: (limit, sent) for key, (limit, sent) in self._sent.items() if sent[-1] + limit.per_s > now}
        self._closed = {key: until for key, until in self._closed.items() if until > now}
