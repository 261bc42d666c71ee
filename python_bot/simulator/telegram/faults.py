"""What can go wrong with the Bot API and its webhooks, switched on and off while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from ..faults import HttpFaults

Loss = Literal["answer", "request"]


@dataclass(slots=True)
class _Planned:
    method: str  # '' for any
    times: int
    code: int = 0
    description: str = ""
    retry_after: int = 0
    loss: Loss | None = None


class TelegramFaults(HttpFaults):
    """Beside what every listener can do (`html`, `garbage`, `down`, `hang`, `latency_s`): answers of the messenger."""

    def __init__(self) -> None:
        super().__init__()
        self._faults_lock = threading.Lock()
        self._plans: list[_Planned] = []
        self.webhooks_held = False
        self._webhooks_doubled = 0
        self._downloads_cut: list[int] = []

    def refuse(self, method: str, code: int, description: str, times: int = 1) -> None:
        """The next calls of a method ('' is any) are answered with this instead of being done."""
        self._add(_Planned(method.lower(), times, code, description))

    def flood(self, retry_after: int, method: str = "sendMessage", times: int = 1) -> None:
        """429, though nobody sent too much."""
        text = f"Too Many Requests: retry after {retry_after}"
        self._add(_Planned(method.lower(), times, 429, text, retry_after))

    def break_down(self, method: str = "", times: int = 1) -> None:
        """500 as the messenger words it; `html(502)` is the one in front of it."""
        self._add(_Planned(method.lower(), times, 500, "Internal Server Error"))

    def lose(self, what: Loss, method: str = "", times: int = 1) -> None:
        """The connection ends: before the request has an effect, or when only its answer is missing."""
        self._add(_Planned(method.lower(), times, loss=what))

    def double_webhooks(self, n: int) -> None:
        """The next n updates reach the webhook twice, though it took the first."""
        with self._faults_lock:
            self._webhooks_doubled = n

    def cut_download(self, after: int, times: int = 1) -> None:
        """The next contents of files end after so many bytes."""
        with self._faults_lock:
            self._downloads_cut += [after] * times

    def clear(self) -> None:
        super().clear()
        with self._faults_lock:
            self._plans.clear()
            self._downloads_cut.clear()
            self.webhooks_held, self._webhooks_doubled = False, 0

    def _add(self, plan: _Planned) -> None:
        with self._faults_lock:
            self._plans.append(plan)

    # what the server asks

    def next_for(self, method: str) -> _Planned | None:
        with self._faults_lock:
            self._plans = [plan for plan in self._plans if plan.times > 0]
            found = next((plan for plan in self._plans if plan.method in ("", method.lower())), None)
            if found is not None:
                found.times -= 1
            return found

    def is_doubled(self) -> bool:
        with self._faults_lock:
            self._webhooks_doubled -= 1
            return self._webhooks_doubled >= 0

    def next_cut(self) -> int | None:
        with self._faults_lock:
            return self._downloads_cut.pop(0) if self._downloads_cut else None
