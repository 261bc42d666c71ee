"""One call to a receiver: to a checked address, with TLS verified, within a time, without following anything.

No environment is read (no proxy), no redirect is followed, and no more than 1 KiB of an answer is read.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from ..errors import DeliveryFailed
from ..values import dataclass
from .guard import BadUrl, Forbidden, Guard, Target

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 1024
MANNERS_S: Final = 0.5  # how long a part of an answer is waited for that nobody reads
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_OVERLOADED: Final = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    seconds: float


class _Pinned(http.client.HTTPConnection):
    """Connects to one of the addresses that were checked, and to no other."""

    def __init__(self, target: Target, addresses: list[str], timeout_s: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self._addresses = addresses
        self._tls = tls
        self._deadline = time.monotonic() + timeout_s
        self.wire: socket.socket | None = None  # `sock` is let go before the answer is read
        self.was_cut = False

    def connect(self) -> None:
        problem = OSError("no address")
        for address in self._addresses:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self.sock = self.wire = socket.create_connection((address, self.port), timeout=left)
                break
            except OSError as error:
                problem = error
        else:
            raise problem
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body are written one by one
        if self._tls is not None:
            # The handshake comes after `wire` is known: `cut` can end it, too.
            self.sock = self.wire = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def cut(self) -> None:
        """End whatever another thread waits for on this connection."""
        self.was_cut = True
        if self.wire is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.wire, socket.SHUT_RDWR)

    def hear_out(self, answer: http.client.HTTPResponse) -> None:
        """Let the receiver finish a short answer; nobody is interested in it."""
        if self.wire is not None:
            with suppress(OSError, http.client.HTTPException, ValueError):
                self.wire.settimeout(MANNERS_S)
                answer.read(MAX_ANSWER_BYTES)


class Sender:
    """Safe for several threads."""

    def __init__(self, guard: Guard, *, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._tls = tls
        self._lock = threading.Lock()
        self._open: set[_Pinned] = set()

    def stop(self) -> None:
        """Cut every call that is under way."""
        with self._lock:
            for connection in self._open:
                connection.cut()

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Outcome:
        """Raises DeliveryFailed unless it was answered 2xx in time."""
        began = time.monotonic()
        try:
            target = self._guard.check(url)
        except (BadUrl, Forbidden) as error:
            raise DeliveryFailed(f"the address {error}; {error.next_step}".rstrip("; "), unreachable=True) from None
        try:
            addresses = self._guard.addresses(target)
        except Forbidden as error:
            raise DeliveryFailed(f"{error}; {error.next_step}", unreachable=True) from None
        except (OSError, UnicodeError):
            raise DeliveryFailed(f"the name {target.host} cannot be looked up", unreachable=True) from None
        connection = _Pinned(target, addresses, self._timeout_s, self._context() if target.is_tls else None)
        # The socket's own timeout is for each byte; whoever sends one now and then would hold us for ever.
        watch = threading.Timer(self._timeout_s, connection.cut)
        watch.daemon = True
        with self._lock:
            self._open.add(connection)
        watch.start()
        try:
            connection.request("POST", target.path, content, {"Host": target.netloc, "Connection": "close", **headers})
            answer = connection.getresponse()
            status, retry_after = answer.status, answer.headers.get("Retry-After")
            if connection.was_cut:
                raise TimeoutError  # half a head looks like a whole one then
            connection.hear_out(answer)
            answer.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryFailed(_what(error, target, connection.was_cut), unreachable=True) from None
        finally:
            watch.cancel()
            with self._lock:
                self._open.discard(connection)
            connection.close()
        if 200 <= status < 300:
            return Outcome(status, time.monotonic() - began)
        raise DeliveryFailed(
            _refusal(status),
            status=status,
            final=status == 410,
            unreachable=status in _OVERLOADED,
            retry_after_s=_seconds(retry_after),
        )

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls


def _refusal(status: int) -> str:
    if status in _REDIRECTS:
        return f"answered HTTP {status}: redirects are not followed; register the address that it leads to"
    if status == 410:
        return "answered HTTP 410: the receiver wants nothing any more"
    return f"answered HTTP {status}"


def _what(error: Exception, target: Target, is_late: bool) -> str:
    """In words; never more of the address than its host."""
    if is_late or isinstance(error, TimeoutError):
        return "no whole answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {target.host} is not to be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, ConnectionRefusedError):
        return f"{target.netloc} refused the connection"
    if isinstance(error, http.client.HTTPException | ValueError):
        return f"answered something that is no HTTP ({type(error).__name__})"
    return f"the connection failed ({type(error).__name__})"


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its date form is rare enough to be ignored."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 6 else None
