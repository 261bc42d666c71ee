"""The queue of one bot's updates, and those who ask for them with getUpdates."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from .errors import Refused

RETENTION_S = 24 * 3600
MAX_LONG_POLL_S = 50
CONFLICT_DELAY_S = 3.0
WEBHOOK_IS_SET = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
TWO_POLLERS = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
SET_WEBHOOK = "Conflict: terminated by setWebhook request"


@dataclass(frozen=True, slots=True)
class Update:
    update_id: int
    kind: str
    payload: dict[str, Any]
    at: float
    chat_id: int

    def wire(self) -> dict[str, Any]:
        return {"update_id": self.update_id, self.kind: self.payload}


class _Poll:
    """A request that waits; `refusal` ends it."""

    def __init__(self) -> None:
        self.refusal = ""


class UpdateQueue:
    """`pending` is what the bot has not confirmed. `webhook_set` is kept by whoever sets webhooks."""

    def __init__(self, clock: Clock, first_id: int) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._next_id = first_id
        self._pending: list[Update] = []
        self._waiting: _Poll | None = None
        self._last_asked: tuple[int, float] = (0, 0.0)  # offset, when
        self._last_conflict = 0.0
        self._closed = False
        self.webhook_set = False
        self.conflict_delay_s = CONFLICT_DELAY_S

    def put(self, kind: str, payload: dict[str, Any], chat_id: int) -> Update:
        with self._changed:
            update = Update(self._next_id, kind, payload, self._clock.now(), chat_id)
            self._next_id += 1
            self._pending.append(update)
            self._changed.notify_all()
            return update

    def skip_to(self, update_id: int) -> None:
        """The next update gets this number: after a silent week the messenger takes any, lower ones too."""
        with self._changed:
            self._next_id = update_id

    @property
    def pending(self) -> list[Update]:
        with self._changed:
            self._expire()
            return list(self._pending)

    def confirm(self, update_id: int) -> None:
        """One update reached the webhook."""
        with self._changed:
            self._pending = [update for update in self._pending if update.update_id != update_id]
            self._changed.notify_all()

    def drop(self) -> None:
        with self._changed:
            self._pending.clear()
            self._changed.notify_all()

    def end_polls(self) -> None:
        """setWebhook: whoever waits is told."""
        with self._changed:
            if self._waiting is not None:
                self._waiting.refusal = SET_WEBHOOK
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_empty(self, timeout_s: float) -> bool:
        """Until everything has been confirmed."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout_s)

    def ask(self, offset: int, limit: int, timeout_s: int) -> list[dict[str, Any]]:
        """getUpdates. Raises Refused (409)."""
        with self._changed:
            if self.webhook_set:
                raise self._conflict(WEBHOOK_IS_SET)
            self._confirm_below(offset)
            timeout, limit = min(max(timeout_s, 0), MAX_LONG_POLL_S), limit if 0 < limit <= 100 else 100
            now = self._clock.now()
            last_offset, last_at = self._last_asked
            if offset == last_offset and now - last_at < 3:
                timeout = max(timeout, 3)
                limit = 1 if now - last_at < 0.5 else limit
            self._last_asked = (offset, now)
            found = self._next(offset, limit)
            if found or timeout == 0:
                return found
            return self._wait(offset, limit, timeout)

    def _wait(self, offset: int, limit: int, timeout: int) -> list[dict[str, Any]]:
        if self._waiting is not None:
            self._waiting.refusal = TWO_POLLERS
            self._changed.notify_all()
        poll = self._waiting = _Poll()
        self._changed.wait_for(lambda: poll.refusal or self._closed or self._next(offset, limit), timeout)
        if self._waiting is poll:
            self._waiting = None
        if poll.refusal:
            raise self._conflict(poll.refusal)
        return self._next(offset, limit)

    def _confirm_below(self, offset: int) -> None:
        self._expire()
        if offset < 0:
            self._pending = self._pending[offset:]
        elif offset > 0 and any(update.update_id == offset - 1 for update in self._pending):
            last = next(at for at, update in enumerate(self._pending) if update.update_id == offset - 1)
            self._pending = self._pending[last + 1 :]
        elif offset > 0 and self._pending and offset <= self._pending[-1].update_id:
            self._pending = [update for update in self._pending if update.update_id >= offset]
        self._changed.notify_all()

    def _next(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """What lies beyond the queue is asked for as its head."""
        return [update.wire() for update in self._pending[:limit]]

    def _expire(self) -> None:
        oldest = self._clock.now() - RETENTION_S
        self._pending = [update for update in self._pending if update.at > oldest]

    def _conflict(self, text: str) -> Refused:
        """Repeated conflicts are answered late."""
        now = self._clock.now()
        if now - self._last_conflict < self.conflict_delay_s:
            self._changed.wait_for(lambda: self._closed, self.conflict_delay_s)
        self._last_conflict = self._clock.now()
        return Refused(409, text)
