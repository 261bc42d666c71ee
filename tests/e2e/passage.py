"""A way out of a machine that has a network of its own: a forwarding proxy that listens inside and dials outside.

So a bare Debian fetches its packages while its nginx has a port 80 that is nobody else's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

PORT = 3128
URL = f"http://127.0.0.1:{PORT}"
CLONE_NEWNET = 0x40000000


class Passage:
    """`with Passage(leader):` and everything with http_proxy=URL inside that machine reaches the world."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._listener: socket.socket | None = None

    def __enter__(self) -> Passage:
        # The network of a thread is its own; the socket stays in it when the thread is gone.
        opener = threading.Thread(target=self._listen_inside)
        opener.start()
        opener.join()
        assert self._listener is not None, "no listening socket inside the machine"
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _listen_inside(self) -> None:
        namespace = os.open(f"/proc/{self._leader}/ns/net", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) == 0:
                self._listener = socket.create_server(("127.0.0.1", PORT))
        finally:
            os.close(namespace)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_serve, args=(client,), daemon=True).start()


def _serve(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError, ValueError, IndexError):
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(65536)
            if not part:
                return
            head += part
        method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as server:
            if tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
