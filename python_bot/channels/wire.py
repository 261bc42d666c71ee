"""One HTTP connection that can be left in the middle: by a deadline, and because the program ends.

A socket's own timeout is for each byte: whoever sends one now and then would hold us for ever, and a long poll would
hold the end of the program. So every wait is short, and asks in between whether to go on.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

SLICE_S: Final = 0.25
CONNECT_TIMEOUT_S: Final = 5.0


class Abandoned(Exception):
    """The program ends, and nobody waits for the answer any more."""


class Patience:
    """How long whatever happens on a connection is waited for. `idle_s` counts from the last byte that moved."""

    def __init__(self, idle_s: float, is_stopping: Callable[[], bool], total_s: float | None = None) -> None:
        self._idle_s, self._is_stopping = idle_s, is_stopping
        self._end = None if total_s is None else time.monotonic() + total_s
        self._until = 0.0
        self.moved()

    def moved(self) -> None:
        self._until = time.monotonic() + self._idle_s

    def check(self) -> None:
        """Raises TimeoutError when it was too long, Abandoned when nobody waits."""
        if self._is_stopping():
            raise Abandoned
        now = time.monotonic()
        if now >= self._until or (self._end is not None and now >= self._end):
            raise TimeoutError


class Connection(http.client.HTTPConnection):
    """`patience` is replaced before each request. Not safe for several threads."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, patience: Patience) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S, blocksize=64 * 1024)
        self._tls = tls
        self.patience = patience
        # What reads the answer asks for a file; ours goes on after a short wait, the library's would not.
        self.response_class = cast(Any, self._response)

    def _response(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(cast(socket.socket, _Readable(self, sock)), **options)

    def connect(self) -> None:
        self.patience.check()
        sock = socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT_S)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are written one by one
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
            sock.settimeout(SLICE_S)
        except BaseException:
            sock.close()
            raise
        self.sock = sock

    def send(self, data: Any) -> None:
        """Only bytes: bodies are cut into blocks by whoever has them."""
        if self.sock is None:
            self.connect()
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
                self.patience.moved()
            except TimeoutError:
                self.patience.check()

    def is_dropped(self) -> bool:
        """Whether the other side has ended (or said something unasked on) a connection that was kept."""
        with suppress(OSError, ValueError):
            return self.sock is None or bool(select.select([self.sock], [], [], 0)[0])
        return True


class _Readable:
    """What http.client believes to be a socket: it only asks for a file to read from."""

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        self._connection, self._sock = connection, sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Patient(self._connection, self._sock), 64 * 1024)


class _Patient(io.RawIOBase):
    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        self._connection, self._sock = connection, sock

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while True:
            self._connection.patience.check()
            try:
                count = self._sock.recv_into(room)
            except TimeoutError:
                continue
            self._connection.patience.moved()
            return count
