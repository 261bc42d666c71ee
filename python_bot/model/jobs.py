"""Work for the worker."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work for the worker, stored in the transaction of the event that caused it.

    `lane`: jobs of one lane run in the order of their creation (a chat, a connector line).
    `dedupe_key`: a second waiting job with the same key is not stored.
    """

    kind: str
    payload: dict[str, Any]
    lane: str
    dedupe_key: str
    trace_id: str = ""
    due_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    payload: dict[str, Any]
    lane: str
    dedupe_key: str
    trace_id: str
    attempts: int
    created_at: float
    due_at: float
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class BuriedJob:
    """A job that was given up; `botctl <instance> outbox` shows it and can revive it."""

    job: Job
    buried_at: float


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """Jobs by kind. `waiting`: due, or tried and held back; `planned`: for later, never tried."""

    waiting: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    buried: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)  # since when the longest of the waiting ones waits

    @property
    def oldest_waiting_at(self) -> float | None:
        return min(self.oldest.values(), default=None)
