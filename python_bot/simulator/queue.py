"""The queue server: POSTs events to handlers, each at most once, in no promised order."""

from __future__ import annotations

import heapq
import http.client
import itertools
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .clock import Clock
from .faults import Faults
from .journal import Call, Delivery, Journal
from .php import http_build_query

USER_AGENT = "Bitrix24 Webhook Engine"


@dataclass(frozen=True, slots=True)
class Event:
    """One POST to one handler."""

    name: str
    url: str
    body: dict[str, Any]
    chat_id: int = 0
    message_id: int = 0


class EventQueue:
    def __init__(self, journal: Journal[Call, Delivery], faults: Faults, clock: Clock, workers: int = 16) -> None:
        self.timeout_s = 10.0
        self.keep_bodies = True
        self._journal, self._faults, self._clock = journal, faults, clock
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()
        self._unfinished = 0
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"portal-queue-{n}", daemon=True) for n in range(workers)
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """Stop at once; what is still waiting is lost."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify_all()
        for worker in self._workers:
            if worker.ident is not None:
                worker.join(timeout=self.timeout_s + 1)

    def hold(self, events: list[Event]) -> None:
        """Events that will be released once the REST answer is on its way: the queue is not quiet."""
        with self._changed:
            self._unfinished += len(events)

    def release(self, events: list[Event]) -> None:
        with self._changed:
            for event in events:
                self._schedule(event)
            self._changed.notify(len(events))

    def put(self, events: list[Event]) -> None:
        self.hold(events)
        self.release(events)

    def wait_quiet(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._unfinished == 0, timeout_s)

    @property
    def unfinished(self) -> int:
        return self._unfinished

    def _schedule(self, event: Event) -> None:
        delays = self._faults.fate_of(event.name, event.chat_id, event.message_id)
        if not delays:
            self._record(event, self._clock.now(), "", 0, "dropped by the queue", 0.0)
        self._unfinished += len(delays) - 1
        for delay_s in delays:
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), event))
        if self._unfinished == 0:
            self._changed.notify_all()

    def _work(self) -> None:
        while (event := self._next()) is not None:
            self._deliver(event)
            with self._changed:
                self._unfinished -= 1
                if self._unfinished == 0:
                    self._changed.notify_all()

    def _next(self) -> Event | None:
        with self._changed:
            while not self._closed:
                wait_s = self._due[0][0] - time.monotonic() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_s)
            return None

    def _deliver(self, event: Event) -> None:
        body = http_build_query(event.body)
        at, started = self._clock.now(), time.monotonic()
        status, error = 0, ""
        try:
            status = post_form(event.url, body, self.timeout_s)
        except (OSError, http.client.HTTPException) as failure:
            error = f"{type(failure).__name__}: {failure}"
        self._record(event, at, body, status, error, time.monotonic() - started)

    def _record(self, event: Event, at: float, body: str, status: int, error: str, seconds: float) -> None:
        told = Delivery(
            at=at,
            event=event.name,
            url=event.url,
            chat_id=event.chat_id,
            message_id=event.message_id,
            status=status,
            error=error,
            seconds=seconds,
            ts=int(event.body.get("ts") or 0),
            body=body if self.keep_bodies else "",
        )
        self._journal.delivered(told)


def post_form(url: str, body: str, timeout_s: float) -> int:
    """One POST on a connection of its own; returns the status and ignores what is said."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": USER_AGENT,
            "Connection": "close",
        }
        connection.request("POST", target, body.encode(), headers)
        # An answer that breaks off keeps the socket, which the connection has given to it.
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()
