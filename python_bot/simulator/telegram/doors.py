"""From an HTTP request to a method and back."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from ..faults import Answer
from ..http import CUT, HttpRequest
from ..multipart import FormFile
from .core import Core
from .errors import Refused, bad_request
from .faults import Loss
from .files import MAX_DOWNLOAD, MAX_LOCAL, MAX_UPLOAD, urls_in
from .journal import Call
from .methods import METHODS, WAITING
from .model import Bot
from .params import Params, read_params

_METHOD = re.compile(r"/bot([^/]+)/([A-Za-z]*)/?")
_FILE = re.compile(r"/file/bot([^/]+)/(.+)")
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]+")
_FORM_OVERHEAD = 1 << 20
FETCH_TIMEOUT_S = 5


class Doors:
    def __init__(self, core: Core) -> None:
        self._core = core

    def __call__(self, request: HttpRequest) -> tuple[Answer, Callable[[], None]]:
        return self._answer(request), lambda: None

    def _answer(self, request: HttpRequest) -> Answer:
        path = unquote(request.path)
        try:
            if match := _FILE.fullmatch(path):
                return self._download(self._bot(match.group(1)), match.group(2))
            match = _METHOD.fullmatch(path)
            if match is None or request.verb not in ("GET", "POST"):
                raise Refused(404, "Not Found")
            bot = self._bot(match.group(1))
        except Refused as refused:
            return _refusal(refused)
        return self._call(bot, match.group(2), request)

    def _bot(self, token: str) -> Bot:
        if not _TOKEN.fullmatch(token):
            raise Refused(404, "Not Found")
        bot = self._core.bots.get(token)
        if bot is None:
            raise Refused(401, "Unauthorized")
        return bot

    def _call(self, bot: Bot, method: str, request: HttpRequest) -> Answer:
        began = time.monotonic()
        params, loss = Params({}, {}), None
        result: Any = None
        try:
            params = read_params(request)
            loss = self._planned(method)
            answer = self._done(bot, method, params, request)
            result = answer["result"]
            found = Answer(200, json.dumps(answer).encode(), "application/json")
            status, description = 200, ""
        except Refused as refused:
            found, status, description = _refusal(refused), refused.code, refused.description
        except _LostRequest:
            found, status, description, loss = Answer(0, b""), 0, "the connection was cut", "request"
        self._core.journal.called(
            Call(
                self._core.clock.now(),
                bot.id,
                method,
                params.values,
                tuple(params.files),
                status,
                description,
                result,
                time.monotonic() - began,
            )
        )
        return Answer(0, b"", stop_after=CUT) if loss is not None else found

    def _planned(self, method: str) -> Loss | None:
        plan = self._core.faults.next_for(method)
        if plan is None:
            return None
        if plan.loss == "request":
            raise _LostRequest
        if plan.loss == "answer":
            return "answer"
        raise Refused(plan.code, plan.description, **({"retry_after": plan.retry_after} if plan.retry_after else {}))

    def _done(self, bot: Bot, method: str, params: Params, request: HttpRequest) -> dict[str, Any]:
        run = METHODS.get(method.lower())
        if run is None:
            raise Refused(404, "Not Found: method not found")
        if len(request.body) > (MAX_LOCAL if self._core.local else MAX_UPLOAD) + _FORM_OVERHEAD:
            raise Refused(413, "Request Entity Too Large")
        for url in urls_in(params):
            params.fetched[url] = self._fetch(url)
        if method.lower() in WAITING:
            return _whole(run(self._core, bot, params))
        with self._core.lock:
            return _whole(run(self._core, bot, params))

    def _fetch(self, url: str) -> FormFile | Refused:
        """What the messenger itself gets from an address; it has the whole Internet, we have this machine."""
        for outside, inside in self._core.routes.items():
            if url.startswith(outside):
                url = inside + url.removeprefix(outside)
        parts = urlsplit(url)
        if parts.hostname != "127.0.0.1":
            return bad_request("failed to get HTTP URL content")
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=FETCH_TIMEOUT_S)
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            with connection.getresponse() as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException):
            return bad_request("failed to get HTTP URL content")
        finally:
            connection.close()
        if answer.status != 200:
            return bad_request("failed to get HTTP URL content")
        return FormFile(parts.path.rpartition("/")[2], answer.headers.get_content_type(), content)

    def _download(self, bot: Bot, path: str) -> Answer:
        found = next((file for file in self._core.files.values() if file.path == path), None)
        if found is None or found.bot_id != bot.id or found.size > MAX_DOWNLOAD or self._core.local:
            raise Refused(404, "Not Found")
        return Answer(200, found.content, "application/octet-stream", stop_after=self._core.faults.next_cut())


class _LostRequest(Exception):
    """The connection ended before anything was done."""


def _whole(result: Any) -> dict[str, Any]:
    if isinstance(result, tuple):
        return {"ok": True, "result": result[0], "description": result[1]}
    return {"ok": True, "result": result}


def _refusal(refused: Refused) -> Answer:
    headers = {}
    if "retry_after" in refused.parameters:
        headers["Retry-After"] = str(refused.parameters["retry_after"])
    return Answer(refused.code, json.dumps(refused.wire()).encode(), "application/json", headers)
