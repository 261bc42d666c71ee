"""Every request that reaches this process goes into the HTTP journal, whatever becomes of it.

Handlers write into the request's `Note` what only they know: what it was, whose it was, why it was refused.
"""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..bitrix.payload import MAX_ID
from ..traffic import shape
from ..traffic.record import Authorization, Cause, Kind, Outcome, Record, new_trace
from ..values import dataclass

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEY: Final = "b24bot.note"
_TRACE: Final = re.compile(r"[0-9A-Za-z-]{8,64}")
_VERBS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_FETCH_WORD: Final = re.compile(r"[a-z-]{1,20}")  # Sec-Fetch-Mode, Sec-Fetch-Dest
_MONITORING: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_PACKED_AT_MOST: Final = 4096  # bytes of a compressed answer that are unpacked only to be described


@dataclass(slots=True)
class Note:
    """What is known of one request. Texts may be as strangers sent them: the journal masks them."""

    trace_id: str
    kind: Kind | None = None
    subject: str = ""
    chat_ids: tuple[int, ...] = ()
    portal: str = ""
    authorization: Authorization = "none"
    outcome: Outcome = ""
    error_code: str = ""
    request_shape: str = ""
    answer_shape: str = ""
    repeats: bool = False  # asked again and again by a program: counted, not told each time


def note() -> Note:
    """Of the request that is being answered."""
    return note_of(request.environ)


def note_of(environ: dict[str, Any]) -> Note:
    found: Note | None = environ.get(KEY)
    if found is None:
        found = environ[KEY] = Note(trace_of(environ, lambda text: False))
    return found


def trace_of(environ: Mapping[str, Any], is_secret: Callable[[str], bool]) -> str:
    """nginx's X-Request-Id when it looks like one, else a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if given and _TRACE.fullmatch(given) and not is_secret(given) else new_trace()


class Journaled:
    """Around the whole application. `put`: takes the records; `is_secret`: whether a text is one of our tokens."""

    def __init__(self, app: WSGIApplication, put: Callable[[Record], None], is_secret: Callable[[str], bool]) -> None:
        self._app = app
        self._put = put
        self._is_secret = is_secret

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        at, started = time.time(), time.perf_counter()
        path = environ.get("PATH_INFO", "")  # as it came: whether the proxy stripped the prefix can be seen
        environ[KEY] = found = Note(trace_of(environ, self._is_secret))
        status: int | None = None

        def answer(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, headers, *rest)

        try:
            return self._app(environ, answer)
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 1)
            self._put(_record(environ, found, at, path, status, took_ms))


def _record(environ: WSGIEnvironment, found: Note, at: float, path: str, status: int | None, took_ms: float) -> Record:
    verb = environ.get("REQUEST_METHOD", "")
    kind = found.kind or _kind(environ.get("PATH_INFO", ""), verb)
    return Record(
        at=at,
        direction="in",
        kind=kind,
        method=verb if verb in _VERBS else "?",
        path=path,
        status=status,
        duration_ms=took_ms,
        causes=tuple(Cause(found.trace_id, chat_id) for chat_id in found.chat_ids) or (Cause(found.trace_id),),
        subject=found.subject,
        portal=found.portal,
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        fetch_mode=_fetch_word(environ.get("HTTP_SEC_FETCH_MODE", "")),
        fetch_dest=_fetch_word(environ.get("HTTP_SEC_FETCH_DEST", "")),
        authorization=found.authorization,
        outcome=found.outcome,
        error_code=found.error_code,
        request_shape=found.request_shape,
        answer_shape=found.answer_shape,
        repeats=found.repeats or kind == "monitoring",
    )


def _kind(path: str, verb: str) -> Kind:
    if path.startswith("/python_bot"):
        return "page" if verb in ("GET", "HEAD") else "ignored"
    if path == "/ui" or path.startswith("/ui/"):
        return "ui"
    if path.startswith("/api/"):
        return "admin" if path.startswith("/api/admin/") else "api"
    return "monitoring" if path in _MONITORING else "other"


def _fetch_word(given: str) -> str:
    return given if _FETCH_WORD.fullmatch(given) else ""


def describe(response: Response) -> Response:
    """After a request of the API: which members the question and the answer had, and which dialog it was about."""
    found = note()
    if not found.request_shape:
        found.request_shape = shape.of_query(request.query_string) + _body_shape()
    chat_id = (request.view_args or {}).get("chat_id")
    if isinstance(chat_id, int) and chat_id <= MAX_ID:
        found.chat_ids = (chat_id,)
    if response.mimetype == "application/json" and not response.is_streamed:
        found.answer_shape = shape.of_json(_unpacked(response))
    return response


def _body_shape() -> str:
    length = request.content_length or 0
    if request.method in ("GET", "HEAD") or not 0 < length <= shape.MAX_PARSED or request.mimetype.startswith("multi"):
        return ""
    try:
        return shape.of_body(request.get_data())
    except HTTPException:  # the caller went away before its end
        return ""


def _unpacked(response: Response) -> bytes:
    data: bytes = response.get_data()
    if response.headers.get("Content-Encoding") == "gzip":
        return gzip.decompress(data) if len(data) <= _PACKED_AT_MOST else b""
    return data
