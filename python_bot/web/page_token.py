"""The token of the page inside the portal: 15 minutes, for one person on one portal, signed with the instance's key."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Final

from .errors import ApiError
from .key_file import KeyFile

LIFETIME_S: Final = 900
_RENEW: Final = "open the application in Bitrix24 again"


class PageError(ApiError):
    """An answer to the page's own script: no part of the API, so its contract knows none of the codes."""


class PageTokens:
    """Tokens look like 'p1.<user id>.<expires>.<signature>'; nothing in them is secret but that they open the page."""

    def __init__(self, key: KeyFile, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now

    def issue(self, portal: str, user_id: int) -> str:
        """`portal`: its origin. Raises OSError when the key cannot be written."""
        expires = int(self._now()) + LIFETIME_S
        return f"p1.{user_id}.{expires}.{self._sign(portal, user_id, expires)}"

    def user_id(self, given: str, portal: str) -> int:
        """Whose token it is. Raises PageError 401: page_token_missing, page_token_invalid or page_token_expired."""
        if not given:
            raise PageError(401, "page_token_missing", f"this call needs the token of the opened page; {_RENEW}")
        parts = given.split(".")
        is_shaped = len(parts) == 4 and parts[0] == "p1" and all(_is_number(part) for part in parts[1:3])
        if not is_shaped:
            raise PageError(401, "page_token_invalid", f"this is no token of this page; {_RENEW}")
        user_id, expires = int(parts[1]), int(parts[2])
        if not hmac.compare_digest(parts[3].encode(), self._sign(portal, user_id, expires).encode()):
            raise PageError(401, "page_token_invalid", f"this token is not of this page and portal; {_RENEW}")
        if expires <= self._now():
            raise PageError(401, "page_token_expired", "the token of the page lives 15 minutes; renew it")
        return user_id

    def _sign(self, portal: str, user_id: int, expires: int) -> str:
        return self._key.sign("page", portal, user_id, expires)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
