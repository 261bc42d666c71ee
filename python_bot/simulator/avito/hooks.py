"""Webhooks: 2 seconds for each, no promise about order, and few tries."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..life import Courier
from .journal import Delivery
from .model import Message, Shop, Subscription

if TYPE_CHECKING:
    from .core import Core

DEADLINE_S = 2.0


@dataclass(slots=True)
class _Due:
    shop: Shop
    subscription: Subscription
    value: dict[str, Any]
    tries: int = 0
    not_before: float = 0.0


class Hooks(Courier):
    """One after the other, or `parallel` at a time: then a doubled one comes while the first is still being answered.

    `tries`: how often one is brought until it is taken; Avito promises none. `pause_s`: between tries.
    `layout`: 'wrapped' is what version 3 gets today, 'bare' leaves the envelope out.
    """

    def __init__(self, core: Core) -> None:
        super().__init__("avito-webhooks")
        self._core = core
        self._due: deque[_Due] = deque()
        self._busy = 0
        self.deadline_s = DEADLINE_S
        self.tries = 3
        self.parallel = 1
        self.pause_s = 1.0
        self.layout = "wrapped"
        self.says_published = True

    def tell(self, message: Message) -> None:
        """Every subscription of the shop hears of a message, as it is now."""
        published = datetime.fromtimestamp(message.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = message.hook(published if self.says_published else "")
        with self._changed:
            for subscription in message.chat.shop.subscriptions.values():
                for _ in range(self._core.faults.copies()):
                    self._due.append(_Due(message.chat.shop, subscription, json.loads(json.dumps(value))))
            self._changed.notify_all()

    def wait_quiet(self, timeout_s: float) -> bool:
        """Until every webhook was taken, or given up."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._busy, timeout_s)

    # delivery

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                due = self._next() if self._busy < self.parallel else None
                if due is None:
                    self._changed.wait(0.01 if self._due else 0.5)
                    continue
                self._busy += 1
            threading.Thread(target=self._bring, args=(due,), daemon=True).start()

    def _bring(self, due: _Due) -> None:
        taken = self._post(due)
        with self._changed:
            self._busy -= 1
            due.tries += 1
            if not taken and due.tries < self.tries and not self._core.faults.webhooks_lost:
                due.not_before = time.monotonic() + self.pause_s
                self._due.append(due)
            self._changed.notify_all()

    def _next(self) -> _Due | None:
        now = time.monotonic()
        ready = [due for due in self._due if due.not_before <= now]
        if not ready:
            return None
        due = self._core.rng.choice(ready) if self._core.faults.shuffle_webhooks else ready[0]
        self._due.remove(due)
        return due

    def _post(self, due: _Due) -> bool:
        began, at = time.monotonic(), self._core.clock.now()
        url = urlsplit(self._core.routed(due.subscription.url))
        body = json.dumps(self._envelope(due), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "x-avito-messenger-signature": f"{self._core.rng.getrandbits(256):064x}",
        }
        status, error = 0, ""
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=self.deadline_s)
        try:
            if url.hostname != "127.0.0.1":
                raise OSError("no such host")
            connection.request("POST", url.path + (f"?{url.query}" if url.query else ""), body, headers)
            with connection.getresponse() as answer:
                answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException) as failure:
            error = str(failure) or type(failure).__name__
        finally:
            connection.close()
        seconds = time.monotonic() - began
        if seconds > self.deadline_s:
            status, error = 0, "too late"
        self._core.journal.delivered(
            Delivery(at, due.shop.user_id, due.value["id"], due.subscription.url, status, error, seconds, body)
        )
        return status == 200

    def _envelope(self, due: _Due) -> dict[str, Any]:
        if due.subscription.version == "1":
            return {"context": {"type": "item"}, "message": due.value}
        inner = {"type": "message", "value": due.value}
        if due.subscription.version == "2" or self.layout == "bare":
            return inner
        return {
            "id": str(uuid.UUID(int=self._core.rng.getrandbits(128), version=4)),
            "version": "v3.0.0",
            "timestamp": int(self._core.clock.now()),
            "payload": inner,
        }
