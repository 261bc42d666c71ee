"""The worker: takes due jobs from the outbox, calls Bitrix24, records the outcome.

A thread for each lane, so that nothing ever stands before a hand-over: one does only hand-overs (many at once become
one batch), others everything else with the pace that is left. One process of an instance works at a time; the
lock file decides which.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

from .bitrix.pace import Pace
from .db import Storage, Tx
from .errors import B24BotError, PortalUnavailable, StorageError
from .model import Job
from .outbox import Outbox
from .outbox.policy import GiveUp, after_failure
from .traffic.record import Cause, caused_by

log = logging.getLogger(__name__)

LEASE_S: Final = 120.0
IDLE_LOOK_S: Final = 5.0  # between looks at the outbox when nothing wakes us
SWITCH_LOOK_S: Final = 0.5  # between looks at the DISABLED flag
LOCK_LOOK_S: Final = 0.2
SHORTEST_LOOK_S: Final = 0.01  # somebody else took what was due


class Handler(Protocol):
    """Does jobs of one kind, up to `limit` at once. Returns for each job None (done) or why it failed.

    Raising means that every job of the call failed for that reason.
    """

    limit: int

    def __call__(self, jobs: list[Job]) -> list[Exception | None]: ...

    def buried(self, job: Job, reason: str) -> None:
        """Told after a job was given up."""


@runtime_checkable
class TakesLong(Protocol):
    """A handler whose jobs may take longer than LEASE_S."""

    lease_s: float


@runtime_checkable
class Paced(Protocol):
    """A handler that may wish to wait, whatever is due: its part of the portal's patience is used up."""

    def pause_s(self) -> float:
        """Seconds until it wants jobs again; 0.0 when it wants them now."""


Dormant = tuple[Collection[str], Callable[[], Mapping[str, Handler]]]  # kinds, and what makes their handlers


class Lane(threading.Thread):
    """One thread over some kinds of jobs. `idle`: called whenever nothing is due."""

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler],
        storage: Storage,
        outbox: Outbox,
        is_enabled: Callable[[], bool],
        may_work: Callable[[], bool],
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name=f"b24bot-{name}", daemon=True)
        self._handlers = handlers
        self._storage = storage
        self._outbox = outbox
        self._is_enabled = is_enabled
        self._may_work = may_work
        self._idle = idle
        self._woken = threading.Event()
        self._stopping = False
        self._failing = False
        self.kinds = frozenset(handlers)
        self.lease_s = max(map(_lease_of, handlers.values()), default=LEASE_S)
        self.seen_at = time.monotonic()
        self.done = 0

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self._woken.set()

    def run(self) -> None:
        while not self._stopping:
            self.seen_at = time.monotonic()
            self._woken.clear()
            try:
                pause = self._step()
            except StorageError as error:
                log.warning("the outbox cannot be reached: %s", error)
                pause = 1.0
            except Exception:
                log.exception("the worker stumbled")
                pause = 1.0
            if pause > 0.0 and not self._stopping:  # stop() may have come before clear()
                self._woken.wait(pause)

    def _step(self) -> float:
        """Do what is due; the seconds to wait before the next look."""
        if not self._may_work():
            return LOCK_LOOK_S
        if not self._is_enabled():
            return SWITCH_LOOK_S
        now = time.time()
        pause = IDLE_LOOK_S
        for kind, handler in self._handlers.items():
            due_at = self._outbox.next_due((kind,))
            if due_at is None:
                continue
            wait = max(due_at - now, handler.pause_s() if isinstance(handler, Paced) else 0.0)
            jobs = self._claim(kind, handler, now) if wait <= 0.0 else []
            if jobs:
                self._do(handler, jobs)
                return 0.0
            pause = min(pause, max(SHORTEST_LOOK_S, wait))
        self._idle()
        return pause

    def _claim(self, kind: str, handler: Handler, now: float) -> list[Job]:
        lease_s = _lease_of(handler)
        return self._storage.write(lambda tx: self._outbox.claim(tx, (kind,), handler.limit, now, lease_s))

    def _do(self, handler: Handler, jobs: list[Job]) -> None:
        try:
            with caused_by(*map(cause_of, jobs)):
                outcomes = handler(jobs)
        except B24BotError as error:
            outcomes = [error] * len(jobs)
        except Exception as error:
            log.exception("a job of kind %s failed in an unforeseen way", jobs[0].kind)
            outcomes = [error] * len(jobs)
        self._record(handler, jobs, outcomes)

    def _record(self, handler: Handler, jobs: list[Job], outcomes: list[Exception | None]) -> None:
        now = time.time()
        done = [job.id for job, outcome in zip(jobs, outcomes, strict=True) if outcome is None]
        later: list[tuple[Job, float, str]] = []
        buried: list[tuple[Job, str]] = []
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome is None:
                continue
            decision = after_failure(job.kind, job.attempts, now - job.created_at, outcome, random.random())
            if isinstance(decision, GiveUp):
                buried.append((job, decision.reason))
                log.error("gave up %s (try %d): %s", job.kind, job.attempts, decision.reason, extra=_extra(job))
            else:
                later.append((job, now + decision.pause_s, str(outcome)))
                log.warning(
                    "%s failed (try %d), again in %.1f s: %s",
                    job.kind,
                    job.attempts,
                    decision.pause_s,
                    outcome,
                    extra=_extra(job),
                )
        recovered = bool(done) and self._failing
        self._failing = any(isinstance(outcome, PortalUnavailable) for outcome in outcomes)

        def work(tx: Tx) -> None:
            if done:
                self._outbox.done(tx, done)
            for job, due_at, reason in later:
                self._outbox.postpone(tx, job.id, due_at, reason)
            for job, reason in buried:
                self._outbox.bury(tx, job.id, now, reason)
            if recovered:
                self._outbox.hasten(tx, tuple(self._handlers), now)

        self._storage.write(work)
        self.done += len(done)
        for job, reason in buried:
            handler.buried(job, reason)


def _lease_of(handler: Handler) -> float:
    return handler.lease_s if isinstance(handler, TakesLong) else LEASE_S


def _extra(job: Job) -> dict[str, object]:
    return {"trace_id": job.trace_id, "job": job.id}


def cause_of(job: Job) -> Cause:
    """What a job's calls are put down to; one that no request caused begins a trace of its own."""
    chat_id = job.payload.get("chat_id")
    return Cause(job.trace_id or f"job-{job.id}", chat_id if isinstance(chat_id, int) else None, job.kind)


class WorkerLock:
    """Held by the one process of an instance that works; the kernel frees it when that process dies."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._guard = threading.Lock()
        self.held = False

    def try_take(self) -> bool:
        """True when this very call took the lock."""
        with self._guard:
            if self.held:
                return False
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.held = True
            return True

    def close(self) -> None:
        self.held = False
        os.close(self._handle)


class Worker:
    """The lanes of one process, started together.

    `dormant`: lanes that most instances never need. Each begins with the first job of its kinds; what does them is
    made then.
    """

    def __init__(
        self,
        lock_path: Path,
        storage: Storage,
        outbox: Outbox,
        pace: Pace,
        lanes: Mapping[str, Mapping[str, Handler]],
        is_enabled: Callable[[], bool],
        dormant: Mapping[str, Dormant] = MappingProxyType({}),
    ) -> None:
        self._lock = WorkerLock(lock_path)
        self._storage = storage
        self._outbox = outbox
        self._pace = pace
        self._is_enabled = is_enabled
        self._started = False
        self._guard = threading.Lock()
        self._dormant = dict(dormant)
        self.lanes = [self._lane(name, handlers) for name, handlers in lanes.items()]

    def _lane(self, name: str, handlers: Mapping[str, Handler]) -> Lane:
        idle = self._wake_dormant
        return Lane(name, handlers, self._storage, self._outbox, self._is_enabled, self.may_work, idle)

    def start(self) -> None:
        with self._guard:
            self._started = True
            for lane in self.lanes:
                lane.start()

    def wake(self, kinds: Collection[str]) -> None:
        for lane in self.lanes:
            if not lane.kinds.isdisjoint(kinds):
                lane.wake()
        for name, (own, _) in list(self._dormant.items()):
            if not set(own).isdisjoint(kinds):
                self._begin(name)

    def _begin(self, name: str) -> None:
        with self._guard:
            if self._started and name in self._dormant:
                lane = self._lane(name, self._dormant[name][1]())
                del self._dormant[name]
                self.lanes.append(lane)
                lane.start()

    def _wake_dormant(self) -> None:
        """Jobs may have been left by a former process, or brought by another one."""
        for name, (kinds, _) in list(self._dormant.items()):
            if self._outbox.next_due(kinds) is not None:
                self._begin(name)

    def wake_all(self) -> None:
        for lane in self.lanes:
            lane.wake()

    def stop(self, timeout_s: float = 10.0) -> None:
        self._pace.stop()
        with self._guard:
            self._started = False  # none begins any more
        for lane in self.lanes:
            lane.stop()
        for lane in self.lanes:
            if lane.is_alive():
                lane.join(timeout_s)
        self._lock.close()

    @property
    def is_alive(self) -> bool:
        """Every lane runs and looked at its outbox lately (a call may take a while)."""
        return all(lane.is_alive() and time.monotonic() - lane.seen_at < lane.lease_s for lane in self.lanes)

    def may_work(self) -> bool:
        """Whether this process is the one that works. Whoever takes the lock voids the leases of a dead one."""
        if self._lock.try_take():
            self._storage.write(lambda tx: self._outbox.void_leases(tx))
        return self._lock.held
