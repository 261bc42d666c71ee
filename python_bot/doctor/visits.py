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
from collections.abc import Callable
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


def look(subject: Subject, within_s: float) -> Reach:
    names = together(
        {"ascii": lambda: lookup(subject.host), "unicode": lambda: lookup(subject.unicode_host)}, within_s / 2
    )
    addresses = names.get("ascii")
    planned: dict[str, Callable[[], Visit]] = {}
    marks: dict[str, str] = {}
    for hop, address, port, secure in _stations(subject, addresses or ()):
        for method in METHODS:
            key = f"{hop} {address} {method}"
            marks[key] = secrets.token_hex(16)
            planned[key] = _visit(subject, hop, method, address, port, secure, marks[key])
    made = together(planned, within_s / 2)
    arrived = _arrivals(subject)
    visits = tuple(replace(visit, arrived_as=arrived.get(marks[key], "")) for key, visit in made.items())
    return Reach(addresses, names.get("unicode"), own_addresses(), visits, _not_ready(subject))


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


def is_own(address: str, own: tuple[str, ...]) -> bool:
    return address in own or ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _stations(subject: Subject, addresses: tuple[str, ...]) -> list[tuple[Hop, str, int, bool]]:
    secure = subject.scheme == "https"
    found: list[tuple[Hop, str, int, bool]] = [("application", "127.0.0.1", subject.local_port, False)]
    if subject.behind_nginx:
        found.append(("nginx", "127.0.0.1", subject.port, secure))
    # One of each family is enough: the portal takes one, too.
    families = {":" in address: address for address in reversed(addresses)}
    return [*found, *(("public", address, subject.port, secure) for address in families.values())]


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
        answer = connection.getresponse()
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
