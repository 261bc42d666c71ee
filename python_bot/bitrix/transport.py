"""One HTTP request to a portal or its authorization server, and what its answer means.

Nothing here puts a URL into an error or a log: URLs and bodies carry tokens. Redirects are never followed by the
library (a POST would lose its body, and the host would not have been checked); they come back as `Moved`.
Error codes: https://apidocs.bitrix24.com/error-codes.html ; limits: https://apidocs.bitrix24.com/limits.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from ..errors import CallRefused, NotAuthorized, PortalError, PortalUnavailable
from ..values import dataclass

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0

EXPIRED_CODES: Final = frozenset({"expired_token", "invalid_token", "NO_AUTH_FOUND"})
TOO_MANY_REQUESTS: Final = "QUERY_LIMIT_EXCEEDED"
OVERLOADED: Final = "OVERLOAD_LIMIT"
DEAD_AUTH_CODES: Final = frozenset(
    {
        "APPLICATION_NOT_FOUND",
        "authorization_error",
        "user_access_error",
        "PORTAL_DELETED",
        "PAYMENT_REQUIRED",
        "NOT_INSTALLED",
        "invalid_grant",
        "invalid_client",
        "WRONG_CLIENT",
    }
)


_LONG_WORD: Final = re.compile(r"[0-9A-Za-z]{32,}")  # a portal that repeats our token must not spread it


class TokenExpired(PortalError):
    """The access token is no longer (or not) known; refresh it and call again."""


class Moved(PortalError):
    """The portal answers under another host now."""

    def __init__(self, location: str) -> None:
        super().__init__("the portal has moved to another host")
        self.location = location


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after_s: float | None
    location: str
    json: Any  # None when the body was no JSON


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it went over the wire, for whoever keeps a journal: nothing of it may be shown as it is.

    `sent`: the members of the body or the query. `answer`: None when none came; `failure` then names the reason.
    """

    verb: str
    url: str
    sent: Mapping[str, Any]
    answer: Answer | None
    failure: str
    seconds: float


class Transport:
    """Keeps connections alive; safe for several threads. `observe`: told of every request; it must not raise."""

    def __init__(
        self, *, read_timeout_s: float = READ_TIMEOUT_S, observe: Callable[[Exchange], None] = lambda exchange: None
    ) -> None:
        self._observe = observe
        self._pool = urllib3.PoolManager(
            maxsize=4,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, read_timeout_s), read=read_timeout_s),
            headers={"User-Agent": "b24bot", "Accept": "application/json"},
        )

    def close(self) -> None:
        self._pool.clear()

    def post(self, url: str, payload: dict[str, Any]) -> Answer:
        """POST a JSON body. Raises PortalUnavailable when no whole answer came."""
        body = json.dumps(payload, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return self._observed("POST", url, payload, body=body, headers=headers)

    def get(self, url: str, fields: dict[str, str]) -> Answer:
        return self._observed("GET", url, fields, fields=fields)

    def _observed(self, verb: str, url: str, sent: Mapping[str, Any], **extra: Any) -> Answer:
        started = time.monotonic()
        answer, failure = None, ""
        try:
            answer = self._send(verb, url, **extra)
            return answer
        except PortalUnavailable as error:
            failure = type(error.__context__).__name__ if error.__context__ else "AnswerTooLong"
            raise
        finally:
            self._observe(Exchange(verb, url, sent, answer, failure, time.monotonic() - started))

    def _send(self, verb: str, url: str, **extra: Any) -> Answer:
        headers = {**self._pool.headers, **extra.pop("headers", {})}
        try:
            response = self._pool.request(verb, url, redirect=False, preload_content=False, headers=headers, **extra)
            try:
                body = response.read(MAX_ANSWER_BYTES, decode_content=True)
                whole = not response.read(1)
            finally:
                response.release_conn()
        except (HTTPError, OSError) as error:
            # The library's text would show the URL.
            raise PortalUnavailable(f"no answer from the portal ({type(error).__name__})") from None
        if not whole:
            raise PortalUnavailable("the answer of the portal is too long")
        return Answer(
            status=response.status,
            retry_after_s=_seconds(response.headers.get("Retry-After")),
            location=response.headers.get("Location", ""),
            json=_json(body),
        )


def result_of(method: str, answer: Answer, now: float) -> Any:
    """The `result` of a REST answer, or the PortalError that it means."""
    if answer.status in (301, 302, 303, 307, 308) and answer.location:
        raise Moved(answer.location)
    body = answer.json
    if isinstance(body, dict) and body.get("error"):
        raise failure(method, body, answer.status, answer.retry_after_s, now)
    if isinstance(body, dict) and "result" in body and answer.status < 400:
        return body["result"]
    what = f"HTTP {answer.status}" if body is not None else f"HTTP {answer.status} and no JSON"
    raise PortalUnavailable(f"{method}: the portal answered {what}", retry_after_s=answer.retry_after_s)


def failure(method: str, body: dict[str, Any], status: int, retry_after_s: float | None, now: float) -> PortalError:
    """An error object of the portal (`error`, `error_description`) as one of our errors."""
    code = _LONG_WORD.sub("***", str(body.get("error")))[:100]
    description = _LONG_WORD.sub("***", str(body.get("error_description") or ""))[:300]
    if code in EXPIRED_CODES:
        return TokenExpired(f"{method}: {code}")
    if code in DEAD_AUTH_CODES:
        return NotAuthorized(
            f"{method}: {code}",
            next_step="open the application in the portal, or authorize it again (see /python_bot/)",
        )
    if code == "OPERATION_TIME_LIMIT":
        reset_at = (body.get("time") or {}).get("operating_reset_at") if isinstance(body.get("time"), dict) else None
        wait = max(1.0, float(reset_at) - now) if isinstance(reset_at, int | float) else retry_after_s or 60.0
        return PortalUnavailable(f"{method}: {code}", retry_after_s=wait, blocked_method=method)
    if code == TOO_MANY_REQUESTS or status == 429:
        return PortalUnavailable(f"{method}: {code}", retry_after_s=retry_after_s, busy=True)
    if code == OVERLOADED:
        return PortalUnavailable(f"{method}: {code}", retry_after_s=retry_after_s)
    if status >= 500 and code not in ("INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"):
        return PortalUnavailable(f"{method}: {code}", retry_after_s=retry_after_s)
    return CallRefused(method, code, description, status)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its date form is rare enough to be ignored."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 6 else None
