"""The fetch mode: events pulled through imbot.v2 instead of pushed, for servers without a public address.

The portal keeps events for 24 hours and deletes those below the offset that the next call names. So the offset
is stored in the same transaction as the event, and named only afterwards: what was not stored is not deleted.
https://apidocs.bitrix24.com/api-reference/chat-bots/chat-bots-v2/imbot.v2/events/event-get.html
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

from .archive import Archive
from .bitrix.client import BitrixClient
from .bitrix.events import read_event
from .bitrix.payload import Node, iso_seconds
from .bitrix.php_form import clean_tree, without_secrets
from .errors import B24BotError, BadEvent, CallRefused, PortalUnavailable
from .intake import Intake, ensure_job
from .model import JournalEntry

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
PAGE: Final = 200
PAUSE_AFTER_ERROR_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
OFFSET: Final = "fetch_offset"


class Fetcher(threading.Thread):
    def __init__(
        self,
        client: BitrixClient,
        archive: Archive,
        intake: Intake,
        is_active: Callable[[], bool],
        *,
        poll_s: float = POLL_S,
    ) -> None:
        super().__init__(name="b24bot-fetcher", daemon=True)
        self._client = client
        self._archive = archive
        self._intake = intake
        self._is_active = is_active
        self._poll_s = poll_s
        self._ended = threading.Event()
        self.fetched_at = 0.0

    def stop(self, timeout_s: float = 10.0) -> None:
        self._ended.set()
        if self.is_alive():
            self.join(timeout_s)

    def run(self) -> None:
        errors = 0
        while not self._ended.is_set():
            pause = self._poll_s
            try:
                if self._is_active() and self._fetch():
                    pause = 0.0
                errors = 0
            except B24BotError as error:
                pause = PAUSE_AFTER_ERROR_S[min(errors, len(PAUSE_AFTER_ERROR_S) - 1)]
                if isinstance(error, PortalUnavailable) and error.retry_after_s:
                    pause = error.retry_after_s
                errors += 1
                log.warning("events could not be fetched, again in %.0f s: %s", pause, error)
                if isinstance(error, CallRefused) and error.code in ("BOT_NOT_FOUND", "BOT_OWNERSHIP_ERROR"):
                    self._intake.queue(ensure_job(""))
            except Exception:
                log.exception("the fetcher stumbled")
                pause = PAUSE_AFTER_ERROR_S[-1]
            self._ended.wait(pause)

    def _fetch(self) -> bool:
        """Take one page; True when more waits."""
        bot_id = (self._archive.fact("portal") or {}).get("bot_id")
        if not bot_id:
            return False
        params: dict[str, Any] = {"botId": bot_id, "limit": PAGE}
        offset = self._archive.fact(OFFSET)
        if offset:
            params["offset"] = offset
        page = Node(self._client.call("imbot.v2.Event.get", params, urgent=True))
        for event in page.node("events").nodes():
            self._take(event)
        next_offset = page.number("nextOffset")
        self.fetched_at = time.time()
        return page.yes("hasMore") and next_offset is not None and next_offset != offset

    def _take(self, row: Node) -> None:
        event_id, name = row.id("eventId"), row.text("type").upper()
        tree = clean_tree({"event": name, "data": row.raw.get("data"), "date": row.text("date")})
        at = iso_seconds(row.text("date")) or int(time.time())
        try:
            events = read_event(name, tree.get("data"), at)
            outcome = "unknown" if events is None else "read"
        except BadEvent as error:
            log.warning("an event could not be read: %s", error)
            events, outcome = None, "unreadable"
        body = json.dumps({"eventId": event_id, **without_secrets(tree)}, ensure_ascii=False, sort_keys=True).encode()
        entry = JournalEntry(
            received_at=int(time.time()),
            event=name,
            trace_id=secrets.token_hex(8),
            fingerprint=blake2b(body, digest_size=16).digest(),
            body=body,
            format="fetch",
            outcome=outcome,  # type: ignore[arg-type]  # one of the three names above
        )
        self._intake.take(entry, events or [], also=lambda tx: self._archive.set_fact(tx, OFFSET, event_id + 1))
