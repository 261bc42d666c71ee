"""`/python_bot/`: the HTTP side of the door. With and without the slash, any verb, never a redirect, never a 5xx
except 503 for what could not be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from ..traffic.record import Cause, caused_by
from .access import client_address
from .connectors import ConnectorSettings
from .door import MAX_BODY_BYTES, Door, Reply
from .event_shortcut import said
from .inbound import note
from .oauth import OAuthReturn
from .page import asset_versions, content_policy
from .page_texts import MESSAGES, TEXTS

VERBS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
RETRY_AFTER_S: Final = 5


def blueprint(
    door: Door, oauth: OAuthReturn, connectors: ConnectorSettings, show: Callable[[Reply], Response]
) -> Blueprint:
    """`show`: an answer of the door as a response."""
    hooks = Blueprint("hooks", __name__, template_folder="templates")

    @hooks.route("/python_bot", methods=VERBS, provide_automatic_options=False)
    @hooks.route("/python_bot/", methods=VERBS, provide_automatic_options=False)
    @hooks.route("/python_bot/<path:rest>", methods=VERBS, provide_automatic_options=False)
    def handler(rest: str = "") -> Response:
        if request.method == "POST":
            reply = said(request.environ) or _received(door)
            if reply.opened is not None:
                address = client_address(request.remote_addr or "", request.headers)
                reply = connectors.visit(reply.opened, address, note())
            return show(reply)
        if request.method in ("GET", "HEAD"):
            found = note()
            found.kind = "oauth" if request.args.get("code") else "page"
            with caused_by(Cause(found.trace_id)):
                return show(oauth.visit(request.args, found.trace_id))
        return show(Reply(200))

    return hooks


def _received(door: Door) -> Reply:
    body = read_body()
    if body is None:
        return Reply(413)
    found = note()
    return door.receive(body, request.query_string, found.trace_id, found)


def shown(prefix: str) -> Callable[[Reply], Response]:
    """Turns an answer of the door into a response; `prefix`: of the instance's public addresses, '/acme' or ''."""
    versions = asset_versions()

    def show(reply: Reply) -> Response:
        if reply.page:
            fields = {
                **reply.context,
                "base": f"{prefix}/python_bot/page",
                "archive": f"{prefix}/ui/enter",
                "versions": versions,
                "messages": MESSAGES,
            }
            fields["t"] = TEXTS["ru" if reply.context.get("language") == "ru" else "en"]
            response = make_response(render_template(reply.page, **fields), reply.status)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Content-Type-Options"] = "nosniff"
            if reply.page == "page.html":
                response.headers["Content-Security-Policy"] = content_policy(reply.context["portal"])
            else:  # nothing runs in these, and their style is their own
                framed = f"; frame-ancestors {portal}" if (portal := reply.context.get("portal")) else ""
                response.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'unsafe-inline'{framed}"
            return response
        response = Response("" if reply.status < 400 else f"{reply.status}\n", reply.status, mimetype="text/plain")
        if reply.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    return show


def read_body() -> bytes | None:
    """The whole body; None when it is longer than the limit. A multipart form comes back url-encoded."""
    length = request.content_length
    if length is not None and length > MAX_BODY_BYTES:
        return None
    if request.mimetype == "multipart/form-data":
        request.max_content_length = request.max_form_memory_size = MAX_BODY_BYTES
        try:
            return urlencode(list(request.form.items(multi=True))).encode()
        except HTTPException:
            return None
    if length is not None:
        whole: bytes = request.stream.read(length)
        return whole
    parts: list[bytes] = []
    try:  # chunked: its length is known at its end only
        while part := request.stream.read(65536):
            parts.append(part)
    except HTTPException:
        return None
    body = b"".join(parts)
    return None if len(body) > MAX_BODY_BYTES else body
