"""One thread for each account whose messenger has to be asked, in the one process that works."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from ..channels.base import Polls
from ..channels.store import Held
from ..errors import DeliveryFailed, StorageError
from ..traffic.record import Cause, caused_by
from .parts import RelayParts

log = logging.getLogger(__name__)

LOCK_LOOK_S: Final = 0.5  # between looks whether this process is the one that works now
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
FINAL_PAUSE_S: Final = 300.0  # a token that is wrong stays wrong until somebody changes it; then we are woken


class Pollers:
    """`may_work`: whether this process holds the lock and calls may leave."""

    def __init__(self, parts: RelayParts, may_work: Callable[[], bool]) -> None:
        self._parts = parts
        self._may_work = may_work
        self._lock = threading.Lock()
        self._threads: dict[int, Poller] = {}
        self._stopped = False

    def refresh(self) -> None:
        """Accounts came, went or changed: those that are to be asked are asked, at once."""
        wanted = {held.account.id for held in self._parts.channels.all() if self._is_asked(held)}
        with self._lock:
            if self._stopped:
                return
            for account_id in self._threads.keys() - wanted:
                self._threads.pop(account_id).stop()
            for account_id in wanted:
                if account_id in self._threads and self._threads[account_id].is_alive():
                    self._threads[account_id].wake()
                else:
                    self._threads[account_id] = Poller(self._parts, account_id, self._may_work)
                    self._threads[account_id].start()

    def stop(self, timeout_s: float = 5.0) -> None:
        with self._lock:
            self._stopped = True
            threads = list(self._threads.values())
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(timeout_s)

    def _is_asked(self, held: Held) -> bool:
        return held.account.state != "off" and isinstance(self._parts.registry.load(held.account.channel), Polls)


class Poller(threading.Thread):
    def __init__(self, parts: RelayParts, account_id: int, may_work: Callable[[], bool]) -> None:
        super().__init__(name=f"b24bot-poll-{account_id}", daemon=True)
        self._parts = parts
        self._account_id = account_id
        self._may_work = may_work
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._failures = 0

    def wake(self) -> None:
        """Something about the account changed: whatever was waited for is asked now."""
        self._failures = 0
        self._woken.set()

    def stop(self) -> None:
        self._stopped.set()
        self._woken.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()
            try:
                pause_s = self._step()
            except StorageError as error:
                log.warning("what account %d hears cannot be stored: %s", self._account_id, error)
                pause_s = FIRST_PAUSE_S
            except Exception:
                log.exception("asking for account %d stumbled", self._account_id)
                pause_s = LONGEST_PAUSE_S
            if pause_s > 0 and not self._stopped.is_set():
                self._woken.wait(pause_s)

    def _step(self) -> float:
        """Ask once; the seconds until the next asking."""
        parts = self._parts
        if not self._may_work():
            return LOCK_LOOK_S
        held = parts.channels.one(self._account_id)
        if held is None or held.account.state == "off":
            self._stopped.set()
            return 0.0
        channel = parts.registry.load(held.account.channel)
        assert isinstance(channel, Polls)
        cursor = parts.channels.cursor(self._account_id)
        try:
            with caused_by(Cause(f"poll-{self._account_id}")):
                polled = channel.poll(held.account, cursor, self._stopped.is_set)
        except DeliveryFailed as error:
            return self._failed(error)
        if polled.happened or polled.cursor != cursor:
            parts.inbox.take(self._account_id, polled.happened, polled.cursor, was_asked=True)
        if self._stopped.is_set():
            return 0.0
        if polled.was_asked and (self._failures or held.account.state != "working"):
            self._failures = 0
            parts.storage.write(lambda tx: parts.channels.set_state(tx, self._account_id, "working"))
        return polled.pause_s

    def _failed(self, error: DeliveryFailed) -> float:
        parts, problem = self._parts, str(error)
        if self._stopped.is_set():
            return 0.0
        if self._failures == 0:
            log.warning("account %d cannot be asked: %s", self._account_id, problem)
        self._failures += 1
        parts.metrics.count("channel_poll_failures_total")
        parts.storage.write(lambda tx: parts.channels.set_state(tx, self._account_id, "failing", problem))
        if error.retry_after_s is not None:
            return error.retry_after_s
        longest = FINAL_PAUSE_S if error.final else LONGEST_PAUSE_S
        return float(min(longest, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10)))
