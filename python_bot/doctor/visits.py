"""The handler's URL, fetched hop by hop: from Gunicorn itself, through nginx, and by its public name.

Every request carries a marker of its own; the application tells which of them it got, and under which path.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import secrets
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Literal

from ..provisioning import health
from .facts import Reach, Subject, Visit
from .together import together

TIMEOUT_S: Final = 2.5
METHODS: Final = ("GET", "HEAD", "POST")
MARKER: Final = "X-B24bot-Probe"
Hop = Literal["application", "nginx", "public"]
Station = tuple[Hop, str, int, bool]  # the hop, its address and port, over TLS


def look(subject: Subject, within_s: float) -> Reach:
    names = _names(subject, within_s / 2)
    addresses = names.get("ascii")
    visits = _visits(subject, _stations(subject, addresses or ()), within_s / 2, lambda: _arrivals(subject))
    return Reach(addresses, names.get("unicode"), own_addresses(), visits, _not_ready(subject))


def look_from_inside(subject: Subject, within_s: float, arrivals: Callable[[], Mapping[str, str]]) -> Reach:
    """As the running instance sees it, whose unit shuts it off from private networks: silence proves nothing there."""
    names = _names(subject, within_s / 2)
    addresses = names.get("ascii")
    visits = _visits(subject, _public(subject, addresses or ()), within_s / 2, arrivals)
    if addresses and not any(visit.status for visit in visits):
        return Reach(None, None, (), ())
    return Reach(addresses, names.get("unicode"), _sending_addresses(), visits)


def _names(subject: Subject, within_s: float) -> dict[str, tuple[str, ...]]:
    return together({"ascii": lambda: lookup(subject.host), "unicode": lambda: lookup(subject.unicode_host)}, within_s)


def _visits(
    subject: Subject, stations: Sequence[Station], within_s: float, arrivals: Callable[[], Mapping[str, str]]
) -> tuple[Visit, ...]:
    planned: dict[str, Callable[[], Visit]] = {}
    marks: dict[str, str] = {}
    for hop, address, port, secure in stations:
        for method in METHODS:
            key = f"{hop} {address} {method}"
            marks[key] = secrets.token_hex(16)
            planned[key] = _visit(subject, hop, method, address, port, secure, marks[key])
    made = together(planned, within_s)
    arrived = arrivals()
    return tuple(replace(visit, arrived_as=arrived.get(marks[key], "")) for key, visit in made.items())


def lookup(name: str) -> tuple[str, ...]:
    """Where a name leads; empty when nowhere."""
    try:
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


def own_addresses() -> tuple[str, ...]:
    """Of the network cards of this machine; another one may be outside, when a router stands before it."""
    found: list[str] = []
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        found = done.stdout.split()
    return tuple(found)


def _sending_addresses() -> tuple[str, ...]:
    """With which this machine would speak to the world; nothing is sent. The instance may start no program to ask."""
    found: list[str] = []
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(str(probe.getsockname()[0]))
    return tuple(found)


def is_own(address: str, own: tuple[str, ...]) -> bool:
    return address in own or ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _stations(subject: Subject, addresses: tuple[str, ...]) -> list[Station]:
    found: list[Station] = [("application", "127.0.0.1", subject.local_port, False)]
    if subject.behind_nginx:
        found.append(("nginx", "127.0.0.1", subject.port, subject.scheme == "https"))
    return [*found, *_public(subject, addresses)]


def _public(subject: Subject, addresses: tuple[str, ...]) -> list[Station]:
    """One of each family is enough: the portal takes one, too."""
    families = {":" in address: address for address in reversed(addresses)}
    return [("public", address, subject.port, subject.scheme == "https") for address in families.values()]


def _visit(
    subject: Subject, hop: Hop, method: str, address: str, port: int, secure: bool, marker: str
) -> Callable[[], Visit]:
    path = "/python_bot/" if hop == "application" else subject.path
    host = subject.host if subject.port in (80, 443) else f"{subject.host}:{subject.port}"

    def visit() -> Visit:
        try:
            return Visit(hop, method, address, _status(address, port, secure, subject.host, method, path, host, marker))
        except ssl.SSLCertVerificationError as error:
            with suppress(OSError, http.client.HTTPException):
                status = _status(address, port, secure, "", method, path, host, marker)
                return Visit(hop, method, address, status, error.verify_message, untrusted=hop == "public")
            return Visit(hop, method, address, 0, error.verify_message)
        except (OSError, http.client.HTTPException) as error:
            return Visit(hop, method, address, 0, _why(error))

    return visit


def _status(address: str, port: int, secure: bool, checked: str, method: str, path: str, host: str, marker: str) -> int:
    """`checked`: the name that the certificate has to be of; '' for whatever certificate."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
    try:
        connection.connect()
        if secure:
            context = ssl.create_default_context()
            if not checked:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host.partition(":")[0])
        connection.request(method, path, b"" if method == "POST" else None, {"Host": host, MARKER: marker})
        with connection.getresponse() as answer:
            answer.read()
        return answer.status
    finally:
        connection.close()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return getattr(error, "strerror", None) or type(error).__name__


def _arrivals(subject: Subject) -> dict[str, str]:
    status, body = health.get(subject.local_port, "/api/admin/arrivals", token=subject.api_token, timeout_s=TIMEOUT_S)
    found: dict[str, str] = json.loads(body)["arrivals"] if status == 200 else {}
    return found


def _not_ready(subject: Subject) -> str:
    status, body = health.get(subject.local_port, "/readyz", timeout_s=TIMEOUT_S)
    if status in (0, 200):
        return ""
    return re.sub(r"\s+", " ", body[:300].decode(errors="replace"))
