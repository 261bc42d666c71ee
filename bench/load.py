"""A load generator for loopback: keep-alive connections in one thread, exact latencies, bounded by time."""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Result:
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int:
        """The status of the answer once it is whole, else 0."""
        data = self.socket.recv(262144)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return 0
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            if not body.endswith(b"0\r\n\r\n"):
                return 0
            self.buffer = b""
            return int(head.split(b" ", 2)[1])
        start = lower.find(b"content-length:")
        length = int(lower[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(body) < length:
            return 0
        self.buffer = b""
        return int(head.split(b" ", 2)[1])


def run(port: int, next_request: Callable[[], bytes], *, connections: int, seconds: float, rate: float = 0) -> Result:
    """Closed loop over `connections`; with `rate` (requests a second) an open loop that waits for its turn."""
    selector = selectors.DefaultSelector()
    # In turn, so that each is used soon: Gunicorn keeps a thread for one that has yet to send its first byte.
    idle = deque(_Connection(port) for _ in range(connections))
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    result = Result()
    started = time.perf_counter()
    end = started + seconds
    due: list[float] = [started + i / rate for i in range(int(rate * seconds))] if rate else []
    heapq.heapify(due)
    busy = 0
    while True:
        now = time.perf_counter()
        if now >= end and not busy:
            break
        while idle and now < end and (not rate or (due and due[0] <= now)):
            if rate:
                heapq.heappop(due)
            idle.popleft().send(next_request())
            busy += 1
        wait = max(0.0, min(0.05, due[0] - now)) if rate and due and idle else 0.05
        for key, _ in selector.select(wait):
            ready: _Connection = key.data
            status = ready.receive()
            if status:
                result.latencies_s.append(time.perf_counter() - ready.sent_at)
                result.statuses[status] = result.statuses.get(status, 0) + 1
                idle.append(ready)
                busy -= 1
    result.seconds = time.perf_counter() - started
    for connection in idle:
        connection.socket.close()
    return result
