"""Everything that can go wrong on a portal, switched on and off while it runs."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAINTENANCE_PAGE = (
    "<!DOCTYPE html><html><head><title>Работы на сервере</title></head><body>Скоро вернёмся</body></html>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whole unless a fault stops it."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    stop_after: int | None = None  # the connection ends after so many bytes of the body
    hang: threading.Event | None = None  # and not before this is set


@dataclass(slots=True)
class _Planned:
    times: int
    answer: Callable[[], Answer]
    is_done: bool = False  # the method runs, and this is what is told of it


class HttpFaults:
    """Faults of one listener (the portal, or the OAuth server)."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._by_method: dict[str, list[_Planned]] = {}
        self._moved_to = ""
        self._down = False
        self._hanging = threading.Event()
        self._hanging.set()  # set: nothing hangs
        self.on_down: Callable[[bool], None] = lambda down: None
        self.now: Callable[[], float] = time.time  # what the Date of every answer tells

    # whole answers

    def html(self, status: int = 503, times: int = 1, retry_after_s: int | None = None) -> None:
        """The next requests get a maintenance page instead of JSON (any status, 200 too)."""
        headers = _retry_after(retry_after_s)
        self._plan(times, lambda: Answer(status, MAINTENANCE_PAGE.encode(), "text/html; charset=utf-8", headers))

    def garbage(self, times: int = 1) -> None:
        """The next requests get 200, a JSON content type and a body that stops in the middle."""
        self._plan(times, lambda: Answer(200, b'{"result": {"broken": tr'))

    def fail(
        self,
        method: str,
        error: str,
        status: int = 500,
        times: int = 1,
        description: str = "",
        retry_after_s: int | None = None,
    ) -> None:
        """Answer the next calls of one method (inside a batch too) with this error."""
        body = json.dumps({"error": error, "error_description": description or error}).encode()
        headers = _retry_after(retry_after_s)
        with self._lock:
            planned = self._by_method.setdefault(method.lower(), [])
            planned.append(_Planned(times, lambda: Answer(status, body, headers=headers)))

    def stumble(self, method: str, error: str = "", status: int = 500, times: int = 1) -> None:
        """The next calls of one method are done, and answered with this error all the same; "": with no JSON."""
        body = json.dumps({"error": error, "error_description": error}).encode() if error else b'{"result": {"SUCC'
        with self._lock:
            planned = self._by_method.setdefault(method.lower(), [])
            planned.append(_Planned(times, lambda: Answer(status, body), is_done=True))

    def move_to(self, url: str) -> None:
        """Every request is redirected with 302 to this scheme and host; an empty string ends it."""
        self._moved_to = url.rstrip("/")

    # the connection itself

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        """True: the port refuses connections and open ones are cut."""
        if value != self._down:
            self._down = value
            self.on_down(value)

    @property
    def hang(self) -> bool:
        return not self._hanging.is_set()

    @hang.setter
    def hang(self, value: bool) -> None:
        """True: requests are read and never answered until this is False again; then they are cut."""
        if value:
            self._hanging.clear()
        else:
            self._hanging.set()

    def clear(self) -> None:
        """Back to a healthy server."""
        with self._lock:
            self._planned.clear()
            self._by_method.clear()
        self.latency_s, self._moved_to = 0.0, ""
        self.hang, self.down = False, False

    # what the server asks

    def wait_while_hanging(self) -> bool:
        """True when this request hung."""
        hung = self.hang
        self._hanging.wait()
        return hung

    def planned(self, path: str) -> Answer | None:
        if self._moved_to:
            return Answer(302, b"", "text/html", {"Location": self._moved_to + path})
        with self._lock:
            return _next(self._planned)

    def planned_for(self, method: str) -> tuple[Answer, bool] | None:
        """What the next call of a method is answered, and whether it is done all the same."""
        with self._lock:
            planned = self._by_method.get(method.lower(), [])
            answer = _next(planned)
            return (answer, planned[0].is_done) if answer is not None else None

    def _plan(self, times: int, answer: Callable[[], Answer]) -> None:
        with self._lock:
            self._planned.append(_Planned(times, answer))


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}


def _next(planned: list[_Planned]) -> Answer | None:
    while planned and planned[0].times <= 0:
        planned.pop(0)
    if not planned:
        return None
    planned[0].times -= 1
    return planned[0].answer()


class Faults(HttpFaults):
    """The portal's faults: those of its listener and those of the event queue.

    What becomes of an event by chance hangs on the seed and on the event alone, not on what the threads of the portal
    did before: the same conversation with the same seed loses the same events.
    """

    def __init__(self, latency_s: float, seed: int) -> None:
        super().__init__(latency_s)
        self._seed = seed
        self._met: Counter[tuple[str, int, int]] = Counter()
        self._drop = 0
        self._duplicate = 0
        self._only_event = ""
        self.drop_probability = 0.0
        self.duplicate_probability = 0.0
        self.late_probability = 0.0
        self.late_s = 1.0  # so much later than the others come those that are late
        self.delay_s = 0.0
        self.shuffle = False
        self.shuffle_window_s = 0.05

    def drop_events(self, n: int, event: str = "") -> None:
        """The queue loses the next n events (of one name, when given)."""
        with self._lock:
            self._drop, self._only_event = n, event.upper()

    def duplicate_events(self, n: int) -> None:
        """The queue delivers each of the next n events twice."""
        with self._lock:
            self._duplicate = n

    def clear(self) -> None:
        super().clear()
        self._drop = self._duplicate = 0
        self.drop_probability = self.duplicate_probability = self.late_probability = self.delay_s = 0.0
        self.shuffle = False

    def fate_of(self, event: str, chat_id: int, message_id: int) -> list[float]:
        """After how many seconds each copy of this event is delivered; there are 0, 1 or 2 of them."""
        with self._lock:
            key = (event, chat_id, message_id)
            self._met[key] += 1
            rng = random.Random(f"{self._seed} {key} {self._met[key]}")
            is_lost, is_doubled = rng.random() < self.drop_probability, rng.random() < self.duplicate_probability
            if self._drop > 0 and self._only_event in ("", event):
                self._drop -= 1
                return []
            if is_lost:
                return []
            if self._duplicate > 0:
                self._duplicate -= 1
                is_doubled = True
            return [self._delay(rng) for _ in range(2 if is_doubled else 1)]

    def _delay(self, rng: random.Random) -> float:
        late = self.late_s if rng.random() < self.late_probability else 0.0
        return self.delay_s + late + (rng.uniform(0, self.shuffle_window_s) if self.shuffle else 0.0)
