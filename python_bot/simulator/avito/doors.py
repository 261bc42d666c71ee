"""From an HTTP request to an answer: tokens, limits, faults, and the table of paths."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from ..faults import Answer
from ..http import CUT, HttpRequest
from .core import Core
from .errors import NoRoute, Refused
from .journal import Call
from .methods import ROUTES, Asked

JSON = "application/json; charset=utf-8"


class Doors:
    def __init__(self, core: Core) -> None:
        self._core = core

    def __call__(self, request: HttpRequest) -> tuple[Answer, Callable[[], None]]:
        core = self._core
        plan = core.faults.next_for(request.path)
        if plan is not None and plan.loss == "request":
            answer = Answer(0, b"", stop_after=CUT)
        elif plan is not None and plan.status:
            refused = Refused(plan.status, retry_after=plan.retry_after)
            answer = Answer(plan.status, b"", JSON) if plan.empty else self._refusal(refused)
        else:
            answer = self._answer(request)
        at, told = core.clock.now(), _told(answer)
        core.journal.called(Call(at, request.verb, request.path, request.query, answer.status, request.body, told))
        if core.build.echo_first and request.verb == "POST":
            core.hooks.wait_quiet(5)
        if plan is not None and plan.loss == "answer":
            answer = Answer(0, b"", stop_after=CUT)
        return answer, lambda: None

    def _answer(self, request: HttpRequest) -> Answer:
        if request.path in ("/token", "/token/"):
            return self._token(request)
        if request.path.startswith(("/image/", "/voice/")):
            return self._file(request)
        try:
            return _json(200, self._done(request))
        except NoRoute:
            return _json(404, {"message": "route not found"})
        except Refused as refused:
            return self._refusal(refused)

    def _done(self, request: HttpRequest) -> Any:
        with self._core.lock:
            for verb, pattern, method in ROUTES:
                match = pattern.fullmatch(request.path)
                if match is None or verb != request.verb:
                    continue
                shop = self._core.tokens.shop_of(request.headers.get("Authorization") or "")
                if shop is None:
                    status = self._core.build.expired_status if request.headers.get("Authorization") else 401
                    raise Refused(status, "invalid access token")
                wait = self._core.limit.wait_s(shop.user_id, self._core.clock.now())
                if wait:
                    raise Refused(429, retry_after=wait if self._core.limit.tells_when else 0)
                return method(Asked(self._core, shop, request, tuple(unquote(name) for name in match.groups())))
        raise NoRoute

    def _token(self, request: HttpRequest) -> Answer:
        is_form = request.headers.get_content_type() == "application/x-www-form-urlencoded"
        form = dict(parse_qsl(request.body.decode(errors="replace"))) if is_form else {}
        if request.verb != "POST":
            return _json(404, {"message": "route not found"})
        if form.get("grant_type") != "client_credentials":
            return self._no_token("unsupported_grant_type", "grant type is not supported", 400)
        with self._core.lock:
            for shop in self._core.shops.values():
                if (form.get("client_id"), form.get("client_secret")) == (shop.client_id, shop.client_secret):
                    return _json(200, self._core.tokens.issue(shop))
        return self._no_token("invalid_client", "client authentication failed", 401)

    def _no_token(self, error: str, description: str, status: int) -> Answer:
        told = self._core.build.token_error_status
        return _json(told if told == 200 else status, {"error": error, "error_description": description})

    def _file(self, request: HttpRequest) -> Answer:
        kind, _, name = request.path.removeprefix("/").partition("/")
        with self._core.lock:
            if kind == "voice":
                voice = self._core.voices.get(name.removesuffix(".mp4"))
                expires = dict(parse_qsl(request.query)).get("e", "0")
                if voice is None or not expires.isdigit() or int(expires) < self._core.now():
                    return Answer(403, b"", "text/plain")
                return Answer(200, voice.content, "video/mp4")
            picture = self._core.pictures.get(name.partition("/")[2].removesuffix(".jpg"))
        return Answer(404, b"", "text/plain") if picture is None else Answer(200, picture.content, picture.type)

    def _refusal(self, refused: Refused) -> Answer:
        headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
        return Answer(refused.status, json.dumps(refused.wire(self._core.faults.loose_errors)).encode(), JSON, headers)


def _json(status: int, told: Any) -> Answer:
    """None: an answer without a body."""
    return Answer(status, b"" if told is None else json.dumps(told, ensure_ascii=False).encode(), JSON)


def _told(answer: Answer) -> Any:
    return json.loads(answer.body) if answer.content_type == JSON and answer.body else None
