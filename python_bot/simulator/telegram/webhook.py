"""Updates that are brought to a webhook: in order within a chat, again and again until it takes them."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..life import Courier
from .journal import Delivery
from .model import Bot
from .updates import Update

if TYPE_CHECKING:
    from .core import Core

LONGEST_RETRY_AFTER_S = 3600


@dataclass(slots=True)
class Webhook:
    """Where the updates of a bot go, and how it went lately."""

    url: str
    secret_token: str = ""
    max_connections: int = 40
    ip_address: str = ""
    last_error_at: int = 0
    last_error: str = ""
    in_flight: set[int] = field(default_factory=set)  # updates
    busy_chats: set[int] = field(default_factory=set)
    gone: bool = False


@dataclass(slots=True)
class _Trouble:
    retries: int = 0
    not_before: float = 0.0


class Webhooks(Courier):
    """`retry_scale` shortens the pauses between tries (2, 4, 8 … seconds) for tests that cannot wait."""

    def __init__(self, core: Core) -> None:
        super().__init__("telegram-webhooks")
        self._core = core
        self._set: dict[int, Webhook] = {}
        self._troubles: dict[tuple[int, int], _Trouble] = {}  # by bot and update
        self._rng = random.Random(1)
        self.retry_scale = 1.0
        self.timeout_s = 60.0

    def set(self, bot: Bot, webhook: Webhook | None) -> None:
        """Another webhook, or none. What is on its way to the old one is not waited for, and counts as not taken."""
        with self._changed:
            old = self._set.pop(bot.id, None)
            if old is not None:
                old.gone = True
            if webhook is not None:
                self._set[bot.id] = webhook
            self._changed.notify_all()

    def of(self, bot: Bot) -> Webhook | None:
        return self._set.get(bot.id)

    def wake(self, bot: Bot) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_quiet(self, bot: Bot, timeout_s: float) -> bool:
        """Until the webhook has taken everything."""
        return self._core.queues[bot.id].wait_empty(timeout_s)

    # delivery

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                wait = 0.5
                for bot_id, webhook in list(self._set.items()):
                    wait = min(wait, self._start_deliveries(bot_id, webhook))
                self._changed.wait(wait)

    def _start_deliveries(self, bot_id: int, webhook: Webhook) -> float:
        """Begin what can begin; how long until something else may."""
        wait, now = 0.5, time.monotonic()
        if self._core.faults.webhooks_held:
            return 0.02
        waiting_chats = set(webhook.busy_chats)
        for update in self._core.queues[bot_id].pending:
            if len(webhook.in_flight) >= webhook.max_connections:
                break
            if update.chat_id in waiting_chats or update.update_id in webhook.in_flight:
                continue
            waiting_chats.add(update.chat_id)
            trouble = self._troubles.get((bot_id, update.update_id))
            if trouble is not None and trouble.not_before > now:
                wait = min(wait, trouble.not_before - now)
                continue
            webhook.in_flight.add(update.update_id)
            webhook.busy_chats.add(update.chat_id)
            threading.Thread(target=self._deliver, args=(bot_id, webhook, update), daemon=True).start()
        return wait

    def _deliver(self, bot_id: int, webhook: Webhook, update: Update) -> None:
        status, error, retry_after = self._post(bot_id, webhook, update)
        taken = 200 <= status < 300
        if taken and self._core.faults.is_doubled():
            self._post(bot_id, webhook, update)
        with self._changed:
            webhook.in_flight.discard(update.update_id)
            webhook.busy_chats.discard(update.chat_id)
            if not webhook.gone:
                if taken:
                    self._core.queues[bot_id].confirm(update.update_id)
                    self._troubles.pop((bot_id, update.update_id), None)
                else:
                    webhook.last_error_at = self._core.now()
                    webhook.last_error = error or f"Wrong response from the webhook: {status} {_reason(status)}"
                    self._put_off(bot_id, update, retry_after)
            self._changed.notify_all()

    def _put_off(self, bot_id: int, update: Update, retry_after: float | None) -> None:
        trouble = self._troubles.setdefault((bot_id, update.update_id), _Trouble())
        longest = self._rng.uniform(60, 120)
        pause = 0.0 if trouble.retries == 0 else min(2.0**trouble.retries, longest)
        if retry_after is not None:
            pause = retry_after
        trouble.retries += 1
        trouble.not_before = time.monotonic() + pause * self.retry_scale

    def _post(self, bot_id: int, webhook: Webhook, update: Update) -> tuple[int, str, float | None]:
        """Status, what went wrong, and how long the other side wants to be left alone."""
        began = self._core.clock.now()
        url = urlsplit(self._routed(webhook.url))
        headers = {"Content-Type": "application/json"}
        if webhook.secret_token:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret_token
        status, error, retry_after = 0, "", None
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=self.timeout_s)
        try:
            if url.hostname != "127.0.0.1":
                raise OSError("Failed to resolve host: No address associated with hostname")
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("POST", path, json.dumps(update.wire()).encode(), headers)
            with connection.getresponse() as answer:
                answer.read()
            status = answer.status
            asked = answer.headers.get("Retry-After", "")
            retry_after = min(float(asked), LONGEST_RETRY_AFTER_S) if asked.isdigit() else None
        except TimeoutError:
            error = "Read timeout expired"
        except (OSError, http.client.HTTPException) as failure:
            error = f"Connection failed: {failure}"
        finally:
            connection.close()
        took = self._core.clock.now() - began
        self._core.journal.delivered(Delivery(began, bot_id, update.update_id, webhook.url, status, error, took))
        return status, error, retry_after

    def _routed(self, url: str) -> str:
        for outside, inside in self._core.routes.items():
            if url.startswith(outside):
                return inside + url.removeprefix(outside)
        return url


def _reason(status: int) -> str:
    return http.client.responses.get(status, "")
