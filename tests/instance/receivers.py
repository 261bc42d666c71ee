"""Machines of integrators over real sockets: they take webhooks, or behave badly in every way that machines do."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

HEAD = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n"


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event(self) -> str:
        return self.headers["x-b24bot-event"]

    @property
    def message(self) -> Any:
        return self.json["data"]["message"]

    def is_signed(self, secret: str) -> bool:
        """As docs/api.md says."""
        signed = self.headers["x-b24bot-timestamp"].encode() + b"." + self.body
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.headers["x-b24bot-signature"], f"sha256={expected}")


class Receiver:
    """`behave(receiver, connection, call)` answers a call; without it every call is answered 200.

    `calls`: everything that came, whatever was answered. `taken`: what was answered 2xx.
    """

    def __init__(self, behave: Callable[[Receiver, socket.socket, Call], None] | None = None, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.taken: list[Call] = []
        self.over = threading.Event()
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=value"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(30)
            call = read_call(connection)
            if call is None:
                return
            self.calls.append(call)
            if self._behave is None:
                self.answer(connection, call, 200)
            else:
                self._behave(self, connection, call)

    def answer(self, connection: socket.socket, call: Call, status: int, *headers: bytes) -> None:
        if 200 <= status < 300:
            self.taken.append(call)
        connection.sendall(HEAD % status + b"".join(line + b"\r\n" for line in headers) + b"\r\n")

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_call(connection: socket.socket) -> Call | None:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    return Call(first.split()[1], headers, body)


# --- ways to behave badly


def hangs(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    receiver.over.wait(60)


def drips(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not receiver.over.wait(0.2):
        connection.sendall(b"x")


def redirects(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    receiver.answer(connection, call, 307, b"Location: " + receiver.url.replace("/hook", "/other").encode())


def says_garbage(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    connection.sendall(b"\x00\xff\x00 what do you want\r\n\r\n")


def breaks_off(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    connection.sendall(b"HTTP/1.1 2")


def fails(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    receiver.answer(connection, call, 500)


def is_slow(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    receiver.over.wait(2)
    receiver.answer(connection, call, 200)


def floods(receiver: Receiver, connection: socket.socket, call: Call) -> None:
    receiver.taken.append(call)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with contextlib.suppress(OSError):
        for _ in range(1000):
            connection.sendall(b"x" * 65536)
        receiver.over.set()
