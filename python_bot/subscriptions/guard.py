"""Where a call may go: never into the server's own network, unless the sysadmin allows that host.

The address is checked that is connected to, after the name was looked up; the connection is made to that very
address, so a name that leads elsewhere a moment later (DNS rebinding) leads nowhere.
Ranges: https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from ..errors import B24BotError
from ..values import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_URL: Final = 2000

# What is_global lets through although nobody on the internet lives there, or although it leads on to an IPv4 address.
_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "168.63.129.16/32",  # metadata of Azure, in the middle of public addresses
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",
            "64:ff9b:1::/48",
            "2001::/23",  # Teredo and its neighbours
            "2002::/16",  # 6to4
            "3fff::/20",
            "5f00::/16",
            "fec0::/10",
        ),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # how a network without IPv4 reaches an IPv4 address
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?")


class Forbidden(B24BotError):
    """The call may not go there."""


class BadUrl(B24BotError):
    """This is no address for a webhook; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """`host` as TLS and the receiver know it, without brackets; `path` with its query."""

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """As the Host header wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.netloc}"


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the internet."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.is_multicast or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in _SPECIAL)


Lookup = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, in the system's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """`allowed`: hosts ('crm.local') or hosts with a port ('10.0.0.7:9000') to which any call may go."""

    def __init__(self, allowed: Sequence[str] = (), lookup: Lookup = look_up) -> None:
        self._allowed = frozenset(host.lower() for host in allowed)
        self._lookup = lookup

    def allows(self, target: Target) -> bool:
        """Whether the sysadmin named this host."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        return not self._allowed.isdisjoint((host, f"{host}:{target.port}"))

    def check(self, url: str) -> Target:
        """What can be said of an address without looking its name up. Raises BadUrl, Forbidden."""
        target = parse(url)
        if self.allows(target):
            return target
        if not target.is_tls:
            raise BadUrl("must begin with https://; plain http only to hosts in B24BOT_WEBHOOK_HOSTS")
        literal = _literal(target.host)
        if (literal is not None and not is_public(literal)) or target.host.rstrip(".").endswith("localhost"):
            raise _forbidden(target.host)
        return target

    def addresses(self, target: Target) -> list[str]:
        """The addresses that may be connected to. Raises Forbidden, and OSError when there is none at all."""
        found = self._lookup(target.host, target.port)
        if self.allows(target):
            return list(found)
        # A zone ('fe80::1%eth0') belongs to no public address.
        public = [text for text in found if "%" not in text and is_public(ipaddress.ip_address(text))]
        if not public:
            raise _forbidden(target.host)
        return public


def parse(url: str) -> Target:
    """Raises BadUrl."""
    if len(url) > MAX_URL:
        raise BadUrl(f"is longer than {MAX_URL} characters")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadUrl("must be ASCII without spaces; write the host in Punycode and the rest percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("cannot be read as a URL") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("https", "http") or not host:
        raise BadUrl("must be a URL such as https://crm.example.ru/b24")
    if parts.username is not None or parts.password is not None:
        raise BadUrl("must hold no user name and no password; a secret can stand in the path")
    if parts.fragment:
        raise BadUrl("must have no part after '#'")
    if port == 0 or not (_HOST.fullmatch(host) or (":" in host and "%" not in host and _literal(host) is not None)):
        raise BadUrl("names no host that can be called")
    is_tls = parts.scheme == "https"
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Target(is_tls, host, port or (443 if is_tls else 80), path)


def _literal(host: str) -> Address | None:
    """An address written as a host, in any of the ways that the system's resolver understands: 127.1, 0x7f000001."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _forbidden(host: str) -> Forbidden:
    return Forbidden(
        f"{host} leads into this server's own network, where no webhook goes",
        next_step="give a public address, or let the sysadmin add the host to B24BOT_WEBHOOK_HOSTS",
    )
