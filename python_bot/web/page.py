"""`/python_bot/page/…`: what the page inside the portal calls. Every call but the first brings the page's token.

No cookie is ever set or read: a browser sends nothing by itself, so nobody can make it act (CSRF). The fragments are
rendered here, by templates that escape; the page's own script is all that may run in it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from ..bitrix.payload import Node, number
from ..errors import CallRefused, NotAuthorized, PortalError, PortalUnavailable
from ..staff.desk import Desk, NotAdmitted, Options
from ..staff.state import State
from ..staff.texts import Language, ago, language_of, trouble
from ..traffic.record import Cause, Outcome, caused_by
from .access import client_address
from .http_answers import Limiter
from .inbound import note
from .page_texts import TEXTS
from .page_token import LIFETIME_S, PageError, PageTokens
from .tracing import trace_id
from .ui.keeper import Keeper, Word

log = logging.getLogger(__name__)

ASSETS: Final = Path(__file__).parent / "assets"
ASSET_FILES: Final = {"style": ("page.css", "text/css"), "script": ("page.js", "text/javascript")}
SESSIONS_PER_MINUTE: Final = 30  # from one address: each asks the portal twice
MAX_CHOSEN: Final = 500
MAX_BODY: Final = 64 * 1024
_OUTCOMES: Final[dict[str, Outcome]] = {
    "page_token_missing": "missing",
    "page_token_expired": "expired",
    "page_token_invalid": "unknown",
}
_STATUS: Final = {"not_permitted": 403, "another_portal": 403, "not_administrator": 403}


def content_policy(portal: str) -> str:
    """Content-Security-Policy of the page: our own script and style, calls to ourselves, frames of this portal only."""
    rules = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'")
    return "; ".join((*rules, "form-action 'self'", f"frame-ancestors {portal}"))


def asset_versions() -> dict[str, str]:
    """Name -> the beginning of its hash: a new release is loaded at once, an old one from the browser's cache."""
    files = {name: ASSETS / file for name, (file, _) in ASSET_FILES.items()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in files.items()}


def _asset(name: str) -> Response:
    file, mimetype = ASSET_FILES[name]
    response = Response((ASSETS / file).read_bytes(), mimetype=mimetype)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def blueprint(desk: Desk, tokens: PageTokens, state: Callable[[], State], keeper: Keeper) -> Blueprint:
    page = Blueprint("page", __name__, url_prefix="/python_bot/page", template_folder="templates")
    sessions = Limiter(SESSIONS_PER_MINUTE)

    @page.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response

    @page.before_request
    def name_kind() -> None:
        note().kind = "page"

    @page.get("/style")
    def style() -> Response:
        return _asset("style")

    @page.get("/script")
    def script() -> Response:
        return _asset("script")

    @page.post("/session")
    def session() -> Response:
        left, reset_s = sessions.take(client_address(request.remote_addr or "", request.headers))
        if left < 0:
            raise PageError(429, "too_many_requests", f"too many attempts; go on in {reset_s} s")
        form = {key: value for key, value in _json().items() if isinstance(value, str)}
        found = note()
        found.authorization, found.outcome = "auth_id", "unknown"
        try:
            with caused_by(Cause(trace_id())):
                portal, person = desk.admit(form, employees=keeper.allowed != "admins")
                is_in_queues = keeper.allowed == "line" and not person.is_administrator
                lines = desk.lines_of(person.user_id) if is_in_queues else ()
        except NotAdmitted as refusal:
            raise PageError(_STATUS[refusal.code], refusal.code, str(refusal)) from None
        except CallRefused as error:
            raise PageError(403, "not_permitted", f"the portal refused to say who may see what: {error.code}") from None
        except NotAuthorized as error:
            raise PageError(403, "portal_refused", str(error)) from None
        except PortalUnavailable as error:
            raise PageError(503, "portal_unavailable", f"{error}; try again in a minute") from None
        found.portal, found.outcome = portal, "ok"
        log.info("the page was opened by the employee %d", person.user_id, extra={"trace_id": trace_id()})
        # What opens the archive, where the portal is known already; and for administrators, what opens the page.
        word = keeper.word(Word(person.user_id, person.name, person.is_administrator, lines)) if desk.portal() else ""
        token = tokens.issue(portal, person.user_id) if person.is_administrator else ""
        return jsonify({"token": token, "word": word, "expires_in": LIFETIME_S})

    @page.get("/view")
    def view() -> Response:
        user_id = _user_id()
        language = language_of(request.args.get("lang", ""))
        problem = ""
        try:
            with caused_by(Cause(trace_id())):
                options = desk.options(user_id)
        except PortalError as error:
            options, problem = Options((), ()), str(error)
        desk.make_sure_that_events_count(trace_id())
        template = "page_install.html" if desk.awaits_choice() else "page_state.html"
        context = {"options": options, "problem": problem or options.problem, "t": TEXTS[language]}
        return make_response(render_template(template, **context, **_shown(state(), language)))

    @page.post("/install")
    def install() -> Response:
        user_id, body = _user_id(), _json()
        lines, people = _numbers(body, "lines"), _numbers(body, "people")
        language = language_of(Node(body).text("lang"))
        try:
            with caused_by(Cause(trace_id())):
                desk.choose(lines, people, language, trace_id(), test_with=user_id if body.get("test") is True else 0)
        except NotAdmitted as refusal:
            raise PageError(409, refusal.code, str(refusal)) from None
        except PortalError as error:
            raise PageError(503, "portal_unavailable", f"{error}; try again in a minute") from None
        log.warning(
            "administrator %d chose lines %s and %d employees", user_id, lines, len(people), extra=_trace_of_this()
        )
        return Response(status=202)

    @page.post("/test")
    def test() -> Response:
        desk.test(_user_id(), language_of(Node(_json()).text("lang")), trace_id())
        return Response(status=202)

    @page.get("/progress")
    def progress() -> Response:
        found = desk.progress(_user_id())
        return jsonify({"over": found.is_over, "tested": found.tested_at, "answered": found.answered_at})

    def _user_id() -> int:
        """Whose token the call brings, in a header that a browser never sends by itself. Raises PageError."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else ""
        found = note()
        found.authorization = "bearer" if given else "none"
        portal = desk.portal()
        if given and not portal:
            raise PageError(409, "not_ready", "the portal is being asked; try again in a moment")
        try:
            user_id = tokens.user_id(given, portal)
        except PageError as error:
            found.outcome = _OUTCOMES[error.code]
            raise
        found.outcome = "ok"
        return user_id

    return page


def _trace_of_this() -> dict[str, object]:
    return {"trace_id": trace_id()}


def _json() -> dict[str, Any]:
    if request.mimetype != "application/json" or (request.content_length or 0) > MAX_BODY:
        raise PageError(415, "json_expected", "send a small JSON object")
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise PageError(400, "json_expected", "send a JSON object")
    return body


def _numbers(body: Mapping[str, Any], name: str) -> list[int]:
    values = body.get(name)
    found = [number(value) for value in values] if isinstance(values, list) and len(values) <= MAX_CHOSEN else [None]
    if not all(found):
        raise PageError(400, "bad_choice", f"{name}: a list of numbers")
    return sorted({value for value in found if value})


def _shown(state: State, language: Language) -> dict[str, Any]:
    return {
        "state": state,
        "troubles": [trouble(problem, language) for problem in state.problems],
        "heard": ago(state.last_event_at, state.now, language),
        "said": ago(state.last_message_at, state.now, language),
    }
