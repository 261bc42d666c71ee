"""`/b24/…`: the addresses of the connector side, for portals and people who were given these."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request

from ..traffic.record import Cause, caused_by
from .door import Door, Reply
from .hooks import read_body
from .inbound import note
from .oauth import OAuthReturn


def blueprint(door: Door, oauth: OAuthReturn, secret: str, show: Callable[[Reply], Response]) -> Blueprint:
    """`secret`: B24_HANDLER_SECRET, '' when the portal calls `/python_bot/` only. `show`: an answer of the door."""
    b24 = Blueprint("b24", __name__)

    @b24.get("/b24/install")
    def install() -> Response:
        """To the portal's own page of authorization, as long as one is needed."""
        note().kind = "oauth"
        link = oauth.link()
        return redirect(link, 302) if link else show(oauth.visit({}, note().trace_id))  # type: ignore[return-value]  # flask.redirect makes a flask.Response

    @b24.get("/b24/oauth/callback")
    def callback() -> Response:
        note().kind = "oauth"
        with caused_by(Cause(note().trace_id)):
            return show(oauth.visit(request.args, note().trace_id))

    @b24.post("/b24/handler")
    def handler() -> Response:
        """Events of connectors. Who knows the secret may leave the application_token out, not have another one."""
        found = note()
        given = request.args.get("secret", "")
        if not (secret and hmac.compare_digest(secret.encode(), given.encode())):
            found.kind, found.outcome = "event", "mismatch" if given else "missing"
            return show(Reply(403))
        body = read_body()
        if body is None:
            return show(Reply(413))
        query = urlencode([pair for pair in request.args.items(multi=True) if pair[0] != "secret"]).encode()
        return show(door.receive(body, query, found.trace_id, found, is_known=True))

    return b24
