"""What all answers of the API share: validators, compression, limits, and who else may ask from a browser."""

from __future__ import annotations

import gzip
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Blueprint, Response, request
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from .access import caller
from .errors import ApiError

WORTH_PACKING: Final = 1024  # bytes
PACKED: Final = ("application/json", "application/yaml", "text/html", "text/csv", "application/x-ndjson")
WINDOW_S: Final = 60.0
MASK_64: Final = 2**64 - 1
_LIMIT: Final = "b24bot.limit"  # what the limiter said of this request
_REVALIDATE: Final = "private, no-cache"
_CORS_METHODS: Final = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_CORS_HEADERS: Final = "Authorization, X-API-Token, Content-Type, If-None-Match"
_CORS_SHOWN: Final = "ETag, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"


class Limiter:
    """So many requests a minute for each token, in windows of a minute."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._now = now
        self._lock = threading.Lock()
        self._since, self._counts = now(), dict[str, int]()

    def take(self, name: str) -> tuple[int, int]:
        """(requests left in this window, -1 when there was none; seconds until the next window)."""
        with self._lock:
            passed = self._now() - self._since
            if passed >= WINDOW_S:
                self._since, self._counts, passed = self._now(), {}, 0.0
            used = self._counts.get(name, 0) + 1
            self._counts[name] = min(used, self.per_minute + 1)
            return self.per_minute - used, math.ceil(WINDOW_S - passed)


class ApiManners:
    """Put on a blueprint, after its access rule. `origins`: whose pages may call from a browser."""

    def __init__(self, limiter: Limiter, origins: tuple[str, ...]) -> None:
        self._limiter = limiter
        self._origins = origins

    def put_on(self, api: Blueprint) -> Blueprint:
        api.before_request(self._limit)
        api.after_request(self._finish)
        return api

    def take(self, environ: dict[str, Any], name: str) -> bool:
        """Count a request of this caller, once, whoever looks first. False: it has had all of this minute's."""
        if _LIMIT not in environ:
            environ[_LIMIT] = self._limiter.take(name)
        left: int = environ[_LIMIT][0]
        return left >= 0

    def _limit(self) -> None:
        if not self.take(request.environ, caller().name):
            raise ApiError(
                429,
                "too_many_requests",
                f"more than {self._limiter.per_minute} requests a minute;"
                f" go on in {request.environ[_LIMIT][1]} s (B24BOT_RATE_LIMIT)",
            )

    def _limit_headers(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        if _LIMIT not in environ:
            return []
        left, reset_s = environ[_LIMIT]
        return [
            ("X-RateLimit-Limit", str(self._limiter.per_minute)),
            ("X-RateLimit-Remaining", str(max(0, left))),
            ("X-RateLimit-Reset", str(reset_s)),
        ]

    def put_on_plain(self, environ: Mapping[str, Any], body: bytes) -> tuple[list[tuple[str, str]], bytes]:
        """The headers of an answer 200 of JSON text, and the body as it goes out. `origins` are not looked at."""
        headers = [
            ("Content-Type", "application/json"),
            ("ETag", _etag(body)),
            ("Cache-Control", _REVALIDATE),
            *self._limit_headers(environ),
            ("Vary", "Accept-Encoding"),
        ]
        if len(body) >= WORTH_PACKING and _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            body = _gzipped(body)
            headers.append(("Content-Encoding", "gzip"))
        headers.append(("Content-Length", str(len(body))))
        return headers, body

    def _finish(self, response: Response) -> Response:
        response.headers.extend(self._limit_headers(request.environ))
        if response.status_code == 429 and _LIMIT in request.environ:
            response.headers["Retry-After"] = str(request.environ[_LIMIT][1])
        if request.method in ("GET", "HEAD") and response.status_code == 200 and not response.is_streamed:
            _validate(response)
        _pack(response)
        return self.allow_origin(response)

    def allow_origin(self, response: Response) -> Response:
        """Tell a browser that the page it shows may read this answer, when its origin is among ours."""
        if not self._origins:
            return response
        _vary(response, "Origin")
        origin = request.headers.get("Origin", "")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _CORS_SHOWN
        return response

    def preflight(self) -> Response | None:
        """The answer to a browser's question before a request; None when this is not one, or not for us."""
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asked or request.headers.get("Origin", "") not in self._origins:
            return None
        response = self.allow_origin(Response(status=204))
        response.headers["Access-Control-Allow-Methods"] = _CORS_METHODS
        response.headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"
        return response


def _validate(response: Response) -> None:
    """An ETag of the content; 304 when the caller has it already."""
    if "ETag" not in response.headers:
        response.headers["ETag"] = _etag(response.get_data())
        response.headers["Cache-Control"] = _REVALIDATE
    if "If-None-Match" in request.headers:
        response.make_conditional(request)


def _etag(body: bytes) -> str:
    """Of 64 bits, several times as quick as a digest. After a restart it is another one: an answer comes whole once."""
    return f'W/"{hash(body) & MASK_64:016x}"'


def _takes_gzip(accepted: str) -> bool:
    """What Accept-Encoding says."""
    return bool(accepted) and parse_accept_header(accepted, Accept)["gzip"] > 0


def _gzipped(body: bytes) -> bytes:
    """At the fastest level, which is most of the gain."""
    return gzip.compress(body, 1, mtime=0)


def _vary(response: Response, header: str) -> None:
    others = response.headers.get("Vary")
    response.headers["Vary"] = f"{others}, {header}" if others else header


def _pack(response: Response) -> None:
    """gzip, when the caller takes it."""
    if response.mimetype not in PACKED or response.is_streamed or response.status_code != 200:
        return
    _vary(response, "Accept-Encoding")
    if (response.content_length or 0) < WORTH_PACKING or not _takes_gzip(request.headers.get("Accept-Encoding", "")):
        return
    response.set_data(_gzipped(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
