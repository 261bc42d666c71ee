"""Who may use the API: a token in one of three places, compared in constant time.

API_SECRET_TOKEN opens everything; the further tokens of `tokens.json` what their scope says, until they expire, and
some of them one open line only. What a caller may see is asked of `Access`, never of the request.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from flask import g, request
from werkzeug.datastructures import Headers

from ..model import DialogFilter
from ..traffic.record import Authorization, Outcome
from ..values import dataclass
from .api_tokens import OPENS, Scope, TokenFile, hash_of
from .errors import ApiError
from .inbound import Note, note

_FORWARDED: Final = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host")
_TOKEN_LIKE: Final = re.compile(r"[\x21-\x7e]+")
MAX_FAILURES: Final = 30  # wrong tokens from one address within a minute; right ones always pass
WINDOW_S: Final = 60.0
MAX_ADDRESSES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request this is: a token's name ("" is API_SECRET_TOKEN) and what it opens."""

    name: str = ""
    scope: Scope = "admin"
    line_id: int | None = None


# Who showed no token; no token may have this name. Counted apart, so that strangers use up nobody's requests.
NOBODY: Final = Caller("(nobody)", "read")
_HOLDER_OF_ALL: Final = Caller()


class Access:
    """`used`: told the name of a further token that opened something; `refused`: told why one did not."""

    def __init__(
        self,
        secret_token: str,
        public_read: bool,
        further: TokenFile,
        *,
        used: Callable[[str], None] = lambda name: None,
        refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._token = secret_token.encode()
        self._public_read = public_read
        self._further = further
        self._used = used
        self._refused = refused
        self._failures = Failures()

    def require_token(self, scope: Scope = "admin") -> None:
        """Raises ApiError 401, 403 or 429 that says what was wrong, and never what would be right."""
        found = note()
        found.authorization = authorization_of(request.headers, request.args)
        try:
            g.caller = self._caller(scope)
        except ApiError as error:
            found.outcome = _outcome(error.code, request.headers, request.args)
            self._refused(error.code)
            raise
        found.outcome = "ok"

    def require_admin(self) -> None:
        self.require_token("admin")

    def require_reader(self) -> None:
        """For what shows all lines. A token of one line opens only what asks `require_reader_of_a_line`."""
        self.require_reader_of_a_line()
        self.require_all_lines()

    def require_all_lines(self) -> None:
        if caller().line_id is not None:
            note().outcome = "insufficient"
            self._refused("token_one_line")
            raise ApiError(403, "token_one_line", "this token sees one open line only, and this address shows them all")

    def require_reader_of_a_line(self) -> None:
        """For what `narrowed` or `sees_line` limits to the caller's line."""
        if self._public_read:
            g.caller = NOBODY
        else:
            self.require_token("read")

    def reader(self, headers: Headers, query: Mapping[str, str], note: Note) -> Caller | None:
        """Whom `require_reader_of_a_line` would let in. None: ask that one, which tells why not and counts it."""
        if self._public_read:
            return NOBODY
        found = self._admitted(given_token(headers, query), "read")
        if found is not None:
            note.authorization, note.outcome = authorization_of(headers, query), "ok"
        return found

    def admit_anybody(self) -> None:
        """For what holds no data."""
        g.caller = NOBODY

    def require_exporter(self) -> None:
        self.require_token("export")

    def require_monitor(self) -> None:
        """A direct request from this machine, not one that nginx forwarded; anyone else needs the token."""
        if not is_local(request.remote_addr or "", request.headers):
            self.require_token("read")

    def _caller(self, scope: Scope) -> Caller:
        given = given_token(request.headers, request.args)
        if not given:
            raise ApiError(
                401,
                "token_missing",
                "send the token as 'Authorization: Bearer …', 'X-API-Token: …' or '?token=…'",
            )
        return self.caller_with(given, scope)

    def caller_with(self, given: str, scope: Scope) -> Caller:
        """Whose token this is. Raises ApiError 401, 403 or 429."""
        admitted = self._admitted(given, scope)
        if admitted is not None:
            return admitted
        found = self._further.find(given)
        if found is None:
            address = client_address(request.remote_addr or "", request.headers)
            if address and self._failures.too_many(address, time.monotonic()):
                raise ApiError(429, "too_many_attempts", "too many wrong tokens from this address; wait a minute")
            raise ApiError(401, "token_unknown", "this token opens nothing here; check API_SECRET_TOKEN")
        if found.is_expired(time.time()):
            raise ApiError(
                401, "token_expired", f"the token {found.name!r} expired on {found.expires_at}; ask for a new one"
            )
        code, what = _TOO_LITTLE[found.scope]
        raise ApiError(403, code, what)

    def _admitted(self, given: str, scope: Scope) -> Caller | None:
        if self._token and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
            return _HOLDER_OF_ALL
        found = self._further.find(given) if given else None
        if found is None or found.is_expired(time.time()) or scope not in OPENS[found.scope]:
            return None
        self._used(found.name)
        return Caller(found.name, found.scope, found.line_id)

    def caller_behind(self, is_it: Callable[[str], bool]) -> Caller | None:
        """Who holds the token whose hash (`api_tokens.hash_of`) this is, and what it opens now; None when it opens
        nothing any more."""
        if self._token and is_it(hash_of(self._token.decode("utf-8", "surrogateescape"))):
            return Caller()
        for token in self._further.current():
            if is_it(token.sha256) and not token.is_expired(time.time()):
                return Caller(token.name, token.scope, token.line_id)
        return None


_TOO_LITTLE: Final[dict[Scope, tuple[str, str]]] = {
    "read": ("token_reads_only", "this token only reads; exports and the administration need another one"),
    "export": ("token_exports_only", "this token reads and exports; the administration needs another one"),
    "admin": ("forbidden", "this token does not open it"),
}


def caller() -> Caller:
    """Whose request this is, after one of the `require…`."""
    found: Caller = g.caller
    return found


def narrowed(wanted: DialogFilter, who: Caller) -> DialogFilter:
    """What a caller asks for, within what it may see. Raises ApiError 403 when it names another line."""
    mine = who.line_id
    if mine is None:
        return wanted
    if wanted.line_id not in (None, mine):
        raise ApiError(403, "token_one_line", f"this token sees the open line {mine} only")
    return replace(wanted, line_id=mine)


def sees_line(line_id: int | None) -> bool:
    mine = caller().line_id
    return mine is None or line_id == mine


class Failures:
    """Wrong tokens by address, within a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: dict[str, tuple[float, int]] = {}

    def too_many(self, address: str, now: float) -> bool:
        """Count one more."""
        with self._lock:
            since, count = self._by_address.get(address, (now, 0))
            if now - since >= WINDOW_S:
                since, count = now, 0
            if len(self._by_address) >= MAX_ADDRESSES:
                self._by_address.clear()
            self._by_address[address] = (since, count + 1)
            return count >= MAX_FAILURES


def given_token(headers: Headers, query: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("X-API-Token", "").strip() or query.get("token", "").strip()


def authorization_of(headers: Headers, query: Mapping[str, str]) -> Authorization:
    """Where a token stands, or was meant to stand."""
    if headers.get("Authorization", "").strip():
        return "bearer"
    if headers.get("X-API-Token", "").strip():
        return "api-token"
    return "query-token" if query.get("token", "").strip() else "none"


def _outcome(code: str, headers: Headers, query: Mapping[str, str]) -> Outcome:
    """Why a token opened nothing, for the journal."""
    if code == "token_missing":
        return "malformed" if "Authorization" in headers else "missing"
    if code in ("token_unknown", "too_many_attempts"):
        return "unknown" if _TOKEN_LIKE.fullmatch(given_token(headers, query)) else "malformed"
    return "expired" if code == "token_expired" else "insufficient"


def is_local(address: str, headers: Headers) -> bool:
    if any(name in headers for name in _FORWARDED):
        return False
    return _is_loopback(address)


def client_address(address: str, headers: Headers) -> str:
    """Who sent it, as our nginx says; "" for a direct request from this machine, which nobody else can make."""
    if not _is_loopback(address):
        return address
    return headers.get("X-Real-Ip", "").strip()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
