"""https on loopback before a plain server, as nginx stands before an instance, with an authority of one test."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

_OWN: Final = ("connection", "transfer-encoding", "content-length", "server", "date")  # of each connection


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate that signs itself, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def made(cls, folder: Path, *names: str) -> Authority:
        """Good for these host names, and for 127.0.0.1."""
        found = cls(folder / "cert.pem", folder / "key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=made.for.tests", "-keyout", str(found.key), "-out"]
        good_for = ",".join((*(f"DNS:{name}" for name in names), "IP:127.0.0.1"))
        command += [str(found.certificate), "-addext", f"subjectAltName={good_for}"]
        subprocess.run(command, check=True, capture_output=True)
        return found

    def fingerprint(self) -> str:
        """SHA-256 of the public key, as Chromium's --ignore-certificate-errors-spki-list names the one it may trust."""
        public = subprocess.run(
            ["openssl", "pkey", "-in", str(self.key), "-pubout", "-outform", "DER"], check=True, capture_output=True
        )
        return base64.b64encode(hashlib.sha256(public.stdout).digest()).decode()


class TlsFront:
    """`with TlsFront("http://127.0.0.1:8000", authority) as front:`, and `front.port` speaks https.

    `hits`: (verb, path, status) of what was asked for.
    """

    def __init__(self, target: str, authority: Authority) -> None:
        self.hits: list[tuple[str, str, int]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.tls.load_cert_chain(authority.certificate, authority.key)
        self._server.target, self._server.hits = urlsplit(target).netloc, self.hits
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> TlsFront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    block_on_close = False
    tls: ssl.SSLContext
    target: str
    hits: list[tuple[str, str, int]]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: a browser opens connections that it never uses."""
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-For": self.client_address[0]}
        link = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            link.request(self.command, self.path, body or None, headers)
            answer = link.getresponse()
            content = answer.read()
        finally:
            link.close()
        self.server.hits.append((self.command, self.path, answer.status))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """The test tells what happened."""
