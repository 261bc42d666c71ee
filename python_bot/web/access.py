"""Who may use the API: a token in one of three places, compared in constant time.

API_SECRET_TOKEN and the admin tokens of `tokens.json` open everything; its read tokens open what only reads.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final

from flask import request
from werkzeug.datastructures import Headers

from .api_tokens import Scope, TokenFile
from .errors import ApiError

_FORWARDED: Final = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host")


class Access:
    def __init__(self, secret_token: str, public_read: bool, further: TokenFile) -> None:
        self._token = secret_token.encode()
        self._public_read = public_read
        self._further = further

    def require_token(self, scope: Scope = "admin") -> None:
        """Raises ApiError 401 or 403 that says what was wrong, and never what would be right."""
        given = given_token(request.headers, request.args)
        if not given:
            raise ApiError(
                401,
                "token_missing",
                "send the token as 'Authorization: Bearer …', 'X-API-Token: …' or '?token=…'",
            )
        if self._token and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
            return
        found = self._further.scope_of(given)
        if found is None:
            raise ApiError(401, "token_unknown", "this token opens nothing here; check API_SECRET_TOKEN")
        if scope == "admin" and found != "admin":
            raise ApiError(403, "token_reads_only", "this token only reads; the administration needs another one")

    def require_reader(self) -> None:
        if not self._public_read:
            self.require_token("read")

    def require_monitor(self) -> None:
        """A direct request from this machine, not one that nginx forwarded; anyone else needs the token."""
        if not is_local(request.remote_addr or "", request.headers):
            self.require_token("read")


def given_token(headers: Headers, query: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return headers.get("X-API-Token", "").strip() or query.get("token", "").strip()


def is_local(address: str, headers: Headers) -> bool:
    if any(name in headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
