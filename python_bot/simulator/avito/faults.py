"""What can go wrong with Avito and its webhooks, switched on and off while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from ..faults import HttpFaults

Loss = Literal["answer", "request"]


@dataclass(slots=True)
class Planned:
    """`path`: a part of the path, '' for any."""

    path: str
    times: int
    status: int = 0
    retry_after: int = 0
    loss: Loss | None = None
    empty: bool = False


class AvitoFaults(HttpFaults):
    """Beside what every listener can do (`html`, `garbage`, `down`, `hang`, `latency_s`): answers and webhooks."""

    def __init__(self) -> None:
        super().__init__()
        self._faults_lock = threading.Lock()
        self._plans: list[Planned] = []
        self._lost = self._doubled = 0
        self.webhooks_lost = False  # nothing reaches a webhook, and nothing is tried again
        self.shuffle_webhooks = False
        self.loose_errors = False

    def refuse(self, status: int, path: str = "", times: int = 1, retry_after: int = 0) -> None:
        """The next requests whose path contains `path` are refused with this, undone."""
        self._add(Planned(path, times, status, retry_after))

    def refuse_without_body(self, status: int, path: str = "", times: int = 1) -> None:
        self._add(Planned(path, times, status, empty=True))

    def lose(self, what: Loss, path: str = "", times: int = 1) -> None:
        """The connection ends: before the request has an effect, or when only its answer is missing."""
        self._add(Planned(path, times, loss=what))

    def lose_webhooks(self, n: int) -> None:
        with self._faults_lock:
            self._lost = n

    def double_webhooks(self, n: int) -> None:
        """The next n come twice, each time in an envelope of its own."""
        with self._faults_lock:
            self._doubled = n

    def clear(self) -> None:
        super().clear()
        with self._faults_lock:
            self._plans.clear()
            self._lost = self._doubled = 0
            self.webhooks_lost = self.shuffle_webhooks = self.loose_errors = False

    def _add(self, plan: Planned) -> None:
        with self._faults_lock:
            self._plans.append(plan)

    # what the server asks

    def next_for(self, path: str) -> Planned | None:
        with self._faults_lock:
            self._plans = [plan for plan in self._plans if plan.times > 0]
            found = next((plan for plan in self._plans if plan.path in path), None)
            if found is not None:
                found.times -= 1
            return found

    def copies(self) -> int:
        """How often the next webhook comes."""
        with self._faults_lock:
            if self.webhooks_lost:
                return 0
            if self._lost > 0:
                self._lost -= 1
                return 0
            if self._doubled > 0:
                self._doubled -= 1
                return 2
            return 1
