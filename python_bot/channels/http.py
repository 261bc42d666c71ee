"""HTTP to a messenger: calls, uploads and downloads, each within a time, none with a secret in what it says.

URLs, headers and bodies of messengers carry tokens, so no error names more of an address than its host. Redirects are
followed by downloads only, and no proxy is read from the environment. Connections are kept for the next call; a call is
never repeated here, for nobody knows whether a request without an answer was obeyed.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from ..errors import DeliveryFailed
from ..values import dataclass
from . import multipart
from .base import Call, Content
from .multipart import Upload
from .wire import Abandoned, Connection, Patience

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
BLOCK_BYTES: Final = 64 * 1024
MAX_KEPT: Final = 4  # idle connections to one host
MAX_REDIRECTS: Final = 3  # of a download
_REDIRECTS: Final = (301, 302, 303, 307, 308)
MAX_IDLE_S: Final = 50.0  # messengers close an idle connection after about a minute


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Answer:
    """`json`: None when the body was no JSON."""

    status: int
    retry_after_s: float | None
    json: Any


class Http:
    """Safe for several threads. `title` ('Telegram') is what people call the messenger.

    `observe`: told of every finished request; it must not raise.
    """

    def __init__(
        self,
        title: str,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        observe: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self._title = title
        self._timeout_s = timeout_s
        self._tls = tls
        self._observe = observe
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[tuple[float, Connection]]] = {}

    def close(self) -> None:
        with self._lock:
            kept = [connection for idle in self._idle.values() for _, connection in idle]
            self._idle.clear()
        for connection in kept:
            connection.close()

    def __del__(self) -> None:
        """Kept connections end with whoever kept them, and make no noise."""
        self.close()

    def request(
        self,
        verb: str,
        url: str,
        *,
        method: str,
        payload: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        is_stopping: Callable[[], bool] = never,
    ) -> Answer:
        """One call with a JSON body (`payload`), a form or none; the answer whatever its status.

        `method`: what is asked for, for people ('getUpdates'). `timeout_s`: for the whole call. Raises DeliveryFailed,
        `unreachable`, when no whole answer came.
        """
        sent: dict[str, str] = {"Accept": "application/json", **(headers or {})}
        body = b""
        if payload is not None:
            body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            sent["Content-Type"] = "application/json; charset=utf-8"
        elif form is not None:
            body = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        patience = Patience(limit_s, is_stopping, limit_s)
        return self._whole(verb, url, method, sent, iter((body,) if body else ()), len(body), patience)

    def upload(
        self,
        url: str,
        *,
        method: str,
        fields: Mapping[str, str],
        files: Sequence[Upload],
        headers: Mapping[str, str] | None = None,
        is_stopping: Callable[[], bool] = never,
    ) -> Answer:
        """POST fields and files as multipart; contents stream through and are closed. Waits are for silence only."""
        body = multipart.Body(fields, files)
        sent = {"Accept": "application/json", "Content-Type": body.type, **(headers or {})}
        try:
            patience = Patience(2 * self._timeout_s, is_stopping)
            return self._whole("POST", url, method, sent, body.blocks(), body.length, patience)
        finally:
            body.close()

    def download(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str] | None = None,
        is_stopping: Callable[[], bool] = never,
    ) -> Content:
        """GET a file as a stream. Raises DeliveryFailed, `final` for what the messenger will never give."""
        began = time.monotonic()
        for _ in range(MAX_REDIRECTS + 1):
            patience = Patience(self._timeout_s, is_stopping)
            connection, response = self._exchange("GET", url, method, dict(headers or {}), iter(()), 0, patience)
            onward = urljoin(url, response.headers.get("Location", ""))
            if response.status not in _REDIRECTS or not onward.startswith(("https://", url.partition("//")[0] + "//")):
                break
            connection.close()
            url, headers = onward, None  # what is for one host is not for the next
        if response.status != 200:
            self._tell(method, connection, began, response.status)
            connection.close()
            raise DeliveryFailed(
                f"{self._title}: {method} answered HTTP {response.status}",
                status=response.status,
                final=400 <= response.status < 500 and response.status not in (401, 408, 425, 429),
                unreachable=response.status >= 500,
                retry_after_s=_seconds(response.headers.get("Retry-After")),
            )
        length = response.headers.get("Content-Length", "")
        return Content(
            type=response.headers.get("Content-Type", "").partition(";")[0].strip() or "application/octet-stream",
            size=int(length) if length.isascii() and length.isdigit() else None,
            blocks=self._blocks(url, method, connection, response, began),
        )

    def _whole(
        self,
        verb: str,
        url: str,
        method: str,
        headers: dict[str, str],
        body: Iterator[bytes],
        length: int,
        patience: Patience,
    ) -> Answer:
        began = time.monotonic()
        connection, response = self._exchange(verb, url, method, headers, body, length, patience)
        try:
            content = response.read(MAX_ANSWER_BYTES + 1)
            if response.length and len(content) <= MAX_ANSWER_BYTES:  # `read` with a bound does not mind the end
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException, ValueError, Abandoned) as error:
            connection.close()
            raise self._no_answer(error, method, connection, began) from None
        if len(content) > MAX_ANSWER_BYTES:
            connection.close()
            raise DeliveryFailed(f"{self._title}: the answer to {method} is too long", unreachable=True)
        self._tell(method, connection, began, response.status)
        self._keep(url, connection, response)
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        return Answer(response.status, retry_after_s, _json(content))

    def _exchange(
        self,
        verb: str,
        url: str,
        method: str,
        headers: dict[str, str],
        body: Iterator[bytes],
        length: int,
        patience: Patience,
    ) -> tuple[Connection, http.client.HTTPResponse]:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(url, patience)
        began = time.monotonic()
        try:
            connection.putrequest(verb, path, skip_accept_encoding=True)
            for name, value in {"User-Agent": "b24bot", **headers}.items():
                connection.putheader(name, value)
            if length or verb != "GET":
                connection.putheader("Content-Length", str(length))
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # refused before it had it all: the answer says why
                _send_body(connection, body, length)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError, Abandoned) as error:
            connection.close()
            raise self._no_answer(error, method, connection, began) from None
        except BaseException:  # the source of a body failed: half a request is on the wire
            connection.close()
            raise

    def _blocks(
        self, url: str, method: str, connection: Connection, response: http.client.HTTPResponse, began: float
    ) -> Iterator[bytes]:
        is_whole = False
        try:
            while block := response.read1(BLOCK_BYTES):
                yield block
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException, ValueError, Abandoned) as error:
            raise self._no_answer(error, method, connection, began) from None
        else:
            self._tell(method, connection, began, response.status)
            is_whole = True
        finally:
            if is_whole:
                self._keep(url, connection, response)
            else:
                connection.close()

    def _connection(self, url: str, patience: Patience) -> Connection:
        parts = urlsplit(url)
        key = _address(url)
        while True:
            with self._lock:
                idle = self._idle.get(key)
                since, kept = idle.pop() if idle else (0.0, None)
            if kept is None:
                tls = self._context() if parts.scheme == "https" else None
                return Connection(key[1], key[2], tls, patience)
            if time.monotonic() - since < MAX_IDLE_S and not kept.is_dropped():
                kept.patience = patience
                return kept
            kept.close()

    def _keep(self, url: str, connection: Connection, response: http.client.HTTPResponse) -> None:
        with self._lock:
            idle = self._idle.setdefault(_address(url), [])
            if connection.sock is not None and response.isclosed() and len(idle) < MAX_KEPT:
                idle.append((time.monotonic(), connection))
                return
        connection.close()

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls

    def _tell(self, method: str, connection: Connection, began: float, status: int | None, failure: str = "") -> None:
        self._observe(Call(method, connection.host, status, failure, time.monotonic() - began))

    def _no_answer(self, error: Exception, method: str, connection: Connection, began: float) -> DeliveryFailed:
        self._tell(method, connection, began, None, type(error).__name__)
        return DeliveryFailed(
            f"{self._title}: {method}: {_what(error, connection.host)}",
            unreachable=True,
            unsent=isinstance(error, ConnectionRefusedError | socket.gaierror),
        )


def _address(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _send_body(connection: Connection, body: Iterator[bytes], length: int) -> None:
    """Raises HTTPException when the body is not as long as its head said."""
    for block in body:
        length -= len(block)
        if length < 0:
            raise http.client.HTTPException("too long a body")
        if block:
            connection.send(block)
    if length:
        raise http.client.HTTPException("too short a body")


def _what(error: Exception, host: str) -> str:
    """In words; never more of the address than its host."""
    if isinstance(error, Abandoned):
        return "not waited for, the program ends"
    if isinstance(error, TimeoutError):
        return f"no whole answer from {host} in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {host} is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {host} failed ({error.reason or type(error).__name__})"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refused the connection"
    if isinstance(error, http.client.HTTPException | ValueError) and not isinstance(
        error, http.client.RemoteDisconnected
    ):
        return f"{host} answered something that is no HTTP, or only a part ({type(error).__name__})"
    return f"the connection to {host} failed ({type(error).__name__})"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its date form is rare enough to be ignored."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 6 else None
