"""What lies behind the two ports: REST, OAuth, the login page, downloads."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from . import frame, rest
from .attachments import fetch_attachments
from .core import Core
from .faults import Answer
from .http import HttpRequest
from .oauth import OAuth
from .php import as_text, parse_str

HTML = "text/html; charset=utf-8"


class Doors:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._rest, self._oauth = rest.Rest(core), OAuth(core)

    def portal(self, request: HttpRequest) -> tuple[Answer, Callable[[], None]]:
        """Answer a request to the portal; events it caused leave after the answer."""
        if request.verb not in ("GET", "POST", "HEAD"):
            return Answer(405, b"<html><body>405</body></html>", HTML), _nothing
        if request.path.startswith("/oauth/authorize"):
            return self._authorize(request.query), _nothing
        if request.path.rstrip("/") == "/rest/download.json":
            return self._core.downloads.answer(request.query), _nothing
        if request.path.startswith(frame.PATH):
            with self._core.acting():
                return frame.answer(self._core, request), _nothing
        if request.path == "/pub/im.file.php":
            return self._core.downloads.public(request.query), _nothing
        if not request.path.startswith("/rest/"):
            return Answer(404, b"<html><body>404</body></html>", HTML), _nothing
        call = rest.request_from(
            request.path,
            request.query,
            request.body,
            request.headers.get("Content-Type") or "",
            request.headers.get("Authorization") or "",
            request.source,
        )
        attachments = fetch_attachments(call.method, call.params)  # outside the lock: others must not wait
        with self._core.hit() as events:
            self._core.attachments = attachments
            answer = self._rest.answer(call)
            caused = list(events)
            self._core.queue.hold(caused)
        return answer, lambda: self._core.queue.release(caused)

    def oauth(self, request: HttpRequest) -> tuple[Answer, Callable[[], None]]:
        with self._core.lock:
            kind = request.headers.get("Content-Type") or ""
            return self._oauth.answer(request.path, request.query, request.body, kind), _nothing

    def _authorize(self, query: str) -> Answer:
        """The administrator is logged in; the browser goes straight back to the application."""
        core, params = self._core, parse_str(query)
        app = core.apps.get(as_text(params.get("client_id")))
        if app is None or app.deleted:
            return Answer(400, b"<html><body>Application not found</body></html>", HTML)
        with core.lock:
            code = core.tokens.issue_code(app.client_id, app.user_id)
        back = {
            "code": code,
            "state": as_text(params.get("state")),
            "domain": core.host,
            "member_id": core.member_id,
            "scope": ",".join(app.scopes),
            "server_domain": core.oauth_url.partition("://")[2],
        }
        joint = "&" if "?" in app.handler_url else "?"
        return Answer(302, b"", HTML, {"Location": app.handler_url + joint + urlencode(back)})


def _nothing() -> None:
    return None
