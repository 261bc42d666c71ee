"""The threads that deal happenings out and send deliveries, beside everything else that an instance does.

Nothing is remembered in memory that matters: a happening is committed with what happened, it becomes deliveries in
one transaction, and a delivery ends when its receiver has answered. Killed in between, it is sent once more, under
the same id.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..archive import Archive
from ..db import Storage, Tx
from ..errors import DeliveryFailed, StorageError
from ..metrics import Metrics
from ..outbox.policy import GiveUp, after_failure
from ..values import dataclass
from . import signing
from .contract import PING, Delivery, Lane, Subscription, Subscriptions
from .guard import BadUrl, parse
from .sender import Sender
from .turns import Busy, Standing, places

log = logging.getLogger(__name__)

DEAL: Final = 100  # deliveries of one transaction
REST: Final = 4.0  # times as long as it deals it rests: the writer belongs to the portal's events
LOOK_S: Final = 1.0  # another process may have written, and only a look tells
IDLE_LOOK_S: Final = 5.0  # the same while there is no subscription
BREATH_S: Final = 0.02  # so that what happens together is dealt together
SWITCH_LOOK_S: Final = 0.5
AGAIN_S: Final = 10.0  # after the disk refused
KEEP_S: Final = 7 * 24 * 3600.0  # what was delivered can be looked up and replayed so long
GRACE_S: Final = 2.0  # for calls under way when the instance ends
CLEAN_S: Final = 600.0
LINE_LOOK_S: Final = 15.0  # between looks whether a dialog has got its line
LINE_PATIENCE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Called:
    """One call to a receiver. `status`: None when no answer came; `failure`: in words, '' when it got through."""

    host: str
    event: str
    chat_id: int | None
    status: int | None
    failure: str
    seconds: float


class Courier(threading.Thread):
    """`may_work`: whether this process is the one that works and calls may leave. `observe`: told of every call."""

    def __init__(
        self,
        storage: Storage,
        archive: Archive,
        subscriptions: Subscriptions,
        sender: Sender,
        metrics: Metrics,
        instance: str,
        may_work: Callable[[], bool],
        *,
        observe: Callable[[Called], None] = lambda called: None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name="b24bot-courier", daemon=True)
        self._storage = storage
        self._archive = archive
        self._subscriptions = subscriptions
        self._sender = sender
        self._metrics = metrics
        self._instance = instance
        self._may_work = may_work
        self._observe = observe
        self._jitter = jitter
        self._clock = clock
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._standings: dict[int, Standing] = {}
        self._busy: dict[Lane, Busy] = {}
        self._cleaned_at = 0.0

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._woken.clear()
                if not self._subscriptions.all() or not self._may_work():
                    self._woken.wait(IDLE_LOOK_S if self._may_work() else SWITCH_LOOK_S)
                    continue
                seen = self._archive.wait_for_change(0, 0.0)
                self._deal_out()
                self._clean()
                self._send_out(self._take())
                self._archive.wait_for_change(seen, self._pause())
                self._stopped.wait(BREATH_S)
            except StorageError as error:
                log.warning("webhooks fall behind: %s; %s", error, error.next_step)
                self._stopped.wait(AGAIN_S)
            except Exception:
                log.exception("the courier stumbled")
                self._stopped.wait(AGAIN_S)

    def stop(self) -> None:
        """What does not end in a moment is cut off, and sent again after the next start."""
        self._stopped.set()
        self._woken.set()
        if self.is_alive():
            self.join(10.0)
        self._wait_for_senders(GRACE_S)
        self._sender.stop()
        self._wait_for_senders(GRACE_S)

    def _wait_for_senders(self, timeout_s: float) -> None:
        """Another process may go on from here: it must not send what is still on its way."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, timeout_s)

    def begin_anew(self, subscription_id: int) -> None:
        """Somebody changed the subscription or asked for a delivery: it is called again, however it went lately."""
        with self._lock:
            self._standings.pop(subscription_id, None)
        self._woken.set()

    def _deal_out(self) -> None:
        started = time.monotonic()
        while self.deal() and not self._stopped.wait(REST * (time.monotonic() - started)):
            started = time.monotonic()

    def deal(self) -> int:
        """Make deliveries of the next happenings; how many these were."""
        if not self._subscriptions.happenings():
            return 0
        return self._storage.write(lambda tx: self._subscriptions.deal(tx, DEAL, self._clock()))

    # --- whose turn it is

    def _take(self) -> list[Lane]:
        """Lanes whose first delivery may be sent now; from here on they are busy."""
        if self._stopped.is_set() or not self._may_work():
            return []
        with self._lock:
            now, taken = self._clock(), list[Lane]()
            everyone = self._subscriptions.all()
            random.shuffle(everyone)  # nobody is always the last when senders are few
            for subscription in everyone:
                origin = _origin(subscription)
                standing = self._standings.get(subscription.id, Standing())
                room = places(subscription.id, origin, standing, self._busy.values(), now)
                if not room:
                    continue
                for lane in self._subscriptions.due(subscription.id, now, room + len(self._busy)):
                    if lane not in self._busy and room:
                        room -= 1
                        self._busy[lane] = Busy(subscription.id, origin, standing.trusted)
                        taken.append(lane)
            return taken

    def _pause(self) -> float:
        """Seconds until something becomes due that waits for time alone; other waits end with a commit."""
        now, pause = self._clock(), LOOK_S
        for subscription in self._subscriptions.all():
            due_at = self._subscriptions.next_due(subscription.id)
            if due_at is None:
                continue
            rests_until = self._standings.get(subscription.id, Standing()).rests_until
            if max(due_at, rests_until) > now:
                pause = min(pause, max(due_at, rests_until) - now)
        return pause

    # --- sending

    def _send_out(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            threading.Thread(target=self._work, args=(lane,), name="b24bot-webhook", daemon=True).start()

    def _work(self, lane: Lane) -> None:
        """Send what is first in a lane, then whatever else may be sent, until nothing may."""
        waiting = deque([lane])
        while waiting:
            lane = waiting.popleft()
            try:
                self.serve(lane)
            except StorageError as error:
                log.warning("the outcome of a webhook could not be stored, it is sent again: %s", error)
                self._stopped.wait(1.0)
            except Exception:
                log.exception("a webhook failed in an unforeseen way")
                self._stopped.wait(1.0)
            finally:
                with self._lock:
                    self._busy.pop(lane, None)
                    self._idle.notify_all()
            try:
                taken = self._take()
            except StorageError:
                taken = []  # the courier itself looks again
            waiting.extend(taken[:1])
            self._send_out(taken[1:])

    def serve(self, lane: Lane) -> None:
        """Send what is first in a lane and record how it went. One thread at a time for each lane."""
        subscription = self._subscriptions.one(lane[0])
        delivery = self._subscriptions.head(lane)
        if subscription is None or delivery is None or not (subscription.active or delivery.event == PING):
            return
        excerpt = None
        if delivery.event != PING:
            excerpt = self._archive.excerpt(delivery.chat_id, delivery.message_id)
            if excerpt is None:
                self._drop(delivery, "it is no longer in the archive")
                return
            if subscription.line_id not in (None, excerpt.line_id):
                self._wait_for_line(delivery, excerpt.line_id)
                return
        now = self._clock()
        content = signing.body(delivery, self._instance, excerpt)
        headers = signing.headers(subscription.secret, delivery, int(now), content)
        began = time.monotonic()
        try:
            outcome = self._sender.post(subscription.url, content, headers)
        except DeliveryFailed as error:
            self._note(subscription, delivery, error.status, str(error), time.monotonic() - began)
            if not self._stopped.is_set():
                self._failed(subscription, delivery, error)
            return
        self._note(subscription, delivery, outcome.status, "", outcome.seconds)
        self._metrics.observe("webhook_seconds", outcome.seconds)
        self._delivered(subscription, delivery, outcome.status)

    def _note(
        self, subscription: Subscription, delivery: Delivery, status: int | None, failure: str, seconds: float
    ) -> None:
        host = _origin(subscription).partition("://")[2]
        self._observe(Called(host, delivery.event, delivery.chat_id or None, status, failure, seconds))

    def _drop(self, delivery: Delivery, reason: str) -> None:
        self._storage.write(lambda tx: self._subscriptions.dropped(tx, delivery, reason, self._clock()))
        self._count(delivery, "dropped")

    def _wait_for_line(self, delivery: Delivery, line_id: int | None) -> None:
        """It is of another line; or of none that we know, but the portal was asked and may tell."""
        now = self._clock()
        if line_id is not None or now - delivery.created_at > LINE_PATIENCE_S:
            self._drop(delivery, "its dialog is not of this line")
            return
        lane = (delivery.subscription_id, delivery.chat_id)
        self._storage.write(lambda tx: self._subscriptions.put_off(tx, lane, now + LINE_LOOK_S))

    def _delivered(self, subscription: Subscription, delivery: Delivery, status: int) -> None:
        with self._lock:
            before = self._standings.get(subscription.id, Standing())
            self._standings[subscription.id] = before.after_success()

        def work(tx: Tx) -> None:
            now = self._clock()
            self._subscriptions.delivered(tx, delivery, status, now)
            if before.is_unwell:
                self._subscriptions.hasten(tx, subscription.id, now)

        self._storage.write(work)
        self._count(delivery, "delivered")

    def _failed(self, subscription: Subscription, delivery: Delivery, error: DeliveryFailed) -> None:
        now = self._clock()
        age_s = now - delivery.tried_at if delivery.tried_at is not None else 0.0
        decision = after_failure("webhook", delivery.tries + 1, age_s, error, self._jitter())
        with self._lock:
            standing = self._standings.get(subscription.id, Standing())
            self._standings[subscription.id] = standing.after_failure(
                now, unreachable=error.unreachable, retry_after_s=error.retry_after_s
            )
        gives_up = isinstance(decision, GiveUp)
        due_at = now if isinstance(decision, GiveUp) else now + decision.pause_s

        def work(tx: Tx) -> None:
            self._subscriptions.failed(tx, delivery, str(error), error.status, due_at, now)
            if isinstance(decision, GiveUp):
                self._subscriptions.disable(tx, subscription.id, now, decision.reason)

        self._storage.write(work)
        self._count(delivery, "failed")
        extra = {"event": delivery.event, "chat_id": delivery.chat_id}
        if gives_up:
            self.begin_anew(subscription.id)  # for the day when it is revived
            log.error(
                "webhook %d was disabled: %s; what waits is kept until botctl INSTANCE outbox --revive-webhook %d",
                subscription.id,
                error,
                subscription.id,
                extra=extra,
            )
        else:
            log.warning("webhook %d failed (try %d): %s", subscription.id, delivery.tries + 1, error, extra=extra)

    def _count(self, delivery: Delivery, outcome: str) -> None:
        self._metrics.count("webhook_deliveries_total", subscription=str(delivery.subscription_id), outcome=outcome)

    def _clean(self) -> None:
        if time.monotonic() - self._cleaned_at < CLEAN_S and self._cleaned_at:
            return
        while self._storage.write(lambda tx: self._subscriptions.drop_ended(tx, self._clock() - KEEP_S, DEAL)) == DEAL:
            pass
        self._cleaned_at = time.monotonic()


def _origin(subscription: Subscription) -> str:
    try:
        return parse(subscription.url).origin
    except BadUrl:
        return ""
