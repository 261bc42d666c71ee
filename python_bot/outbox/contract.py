"""What every outbox store promises, whatever database is behind it. `tests/contract/` holds it to that."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ..db import Tx
from ..model import BuriedJob, Job, NewJob, OutboxDepth


class Puts(Protocol):
    """All that those need who only cause work."""

    def put(self, tx: Tx, job: NewJob, now: float) -> bool:
        """Store a job; False when one with the same `dedupe_key` waits already. One that is being done right now
        does not count: what asks for it again may have come too late for it.

        One that waits and was never tried is brought forward (and takes over the trace) when this one is due sooner.
        """


class Outbox(Puts, Protocol):
    # --- writing, inside the transaction of `Storage.write`

    def claim(self, tx: Tx, kinds: Collection[str], limit: int, now: float, lease_s: float) -> list[Job]:
        """Lease due jobs, oldest first, never two of one lane and never one that overtakes its lane.

        A claimed job is nobody else's until the lease ends; `attempts` counts this claim. A job counts as
        created when it was due first, so that what was planned for later is not old at its first try.
        """

    def done(self, tx: Tx, job_ids: Collection[int]) -> None: ...

    def postpone(self, tx: Tx, job_id: int, due_at: float, reason: str) -> None: ...

    def release(self, tx: Tx, job_ids: Collection[int]) -> None:
        """Give claimed jobs back as if they had not been claimed."""

    def void_leases(self, tx: Tx) -> None:
        """End every lease: the worker that held them is known to be dead."""

    def bury(self, tx: Tx, job_id: int, now: float, reason: str) -> None: ...

    def drop_former_graves(self, tx: Tx, job_id: int) -> None:
        """Forget the buried jobs with the key of this one that are older than it: it stands for them."""

    def hasten(self, tx: Tx, kinds: Collection[str], now: float) -> int:
        """Make postponed jobs due now: what held them back is over. Returns how many."""

    def revive(self, tx: Tx, job_ids: Collection[int] | None, now: float) -> int:
        """Dig out buried jobs (None: all) with fresh tries; one that was queued anew meanwhile stays buried."""

    # --- reading

    def next_due(self, kinds: Collection[str]) -> float | None:
        """When the next job of these kinds is due; None when none waits. Leased jobs count at their lease end."""

    def waiting(self, limit: int) -> list[Job]: ...

    def of_lane(self, lane: str) -> list[Job]:
        """What waits or is being done in a lane, in its order."""

    def buried(self, limit: int) -> list[BuriedJob]: ...

    def depth(self, now: float) -> OutboxDepth: ...

    def of_trace(self, trace_id: str) -> tuple[list[Job], list[BuriedJob]]:
        """The jobs of a trace that wait (or are planned), and those that were given up."""

    def traced(self, trace_id: str) -> tuple[int, int]:
        """How many jobs of this trace wait (or are planned), and how many were buried."""
