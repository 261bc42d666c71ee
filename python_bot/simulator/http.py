"""Two HTTP/1.1 listeners on loopback, with connections that stay open and can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .faults import Answer, HttpFaults

CUT = -1  # as `Answer.stop_after`: the connection ends without a byte of an answer
LONGEST_REQUEST_LINE = 8192  # bytes; the web server in front of a portal takes no more


@dataclass(frozen=True, slots=True)
class HttpRequest:
    verb: str
    path: str  # without the query
    query: str
    headers: Message
    body: bytes
    source: str


# Answers a request; the second value runs after the answer has been written.
Respond = Callable[[HttpRequest], tuple[Answer, Callable[[], None]]]


class Listener:
    """A port that can be closed and opened again while the portal lives."""

    def __init__(self, respond: Respond, faults: HttpFaults, port: int = 0) -> None:
        self._respond, self._faults = respond, faults
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port
        faults.on_down = lambda down: self.close() if down else self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.respond, self._server.faults = self._respond, self._faults
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name=f"portal-{self.port}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Refuse new connections and cut the open ones."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        server.server_close()
        server.cut_connections()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    respond: Respond
    faults: HttpFaults

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def cut_connections(self) -> None:
        with self._open_lock:
            sockets = list(self._open)
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one write
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        if len(self.requestline) > LONGEST_REQUEST_LINE:
            self._write(Answer(414, b"<html><body>414 Request-URI Too Large</body></html>", "text/html"))
            self.close_connection = True
            return
        body = self._body()
        path, _, query = self.path.partition("?")
        faults = self.server.faults
        if faults.latency_s:
            time.sleep(faults.latency_s)
        if faults.wait_while_hanging():
            self.close_connection = True
            return
        afterwards: Callable[[], None] | None = None
        answer = faults.planned(self.path)
        if answer is None:
            request = HttpRequest(self.command, path, query, self.headers, body, self.client_address[0])
            answer, afterwards = self.server.respond(request)
        try:
            self._write(answer)
        finally:
            if afterwards is not None:
                afterwards()

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or "").lower():
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length) if length else b""
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers say nothing here
        return b"".join(chunks)

    def _write(self, answer: Answer) -> None:
        if answer.stop_after == CUT:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.stop_after])
        self.wfile.flush()
        if answer.hang is not None:
            answer.hang.wait()
        if answer.stop_after is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded by the portal, not on the terminal."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.faults.now() if timestamp is None else timestamp)

    def version_string(self) -> str:
        return "nginx"
