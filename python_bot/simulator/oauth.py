"""The OAuth server: new tokens for old ones, and whose token this is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .clock import iso
from .faults import Answer
from .model import Tokens
from .php import as_text, parse_str
from .tokens import ACCESS_S, Grant

if TYPE_CHECKING:
    from .apps import App
    from .core import Core


class OAuth:
    def __init__(self, core: Core) -> None:
        self._core = core

    def answer(self, path: str, query: str, body: bytes, content_type: str) -> Answer:
        params = parse_str(query)
        if body and content_type.startswith("application/json"):
            params |= json.loads(body)
        elif body:
            params |= parse_str(body.decode("utf-8", "replace"))
        if path.rstrip("/") == "/oauth/token":
            return self._token({key: as_text(value) for key, value in params.items()})
        if path.removesuffix(".json").rstrip("/") == "/rest/app.info":
            return self._app_info(as_text(params.get("auth")) or as_text(params.get("access_token")))
        return _error(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")

    def _token(self, params: dict[str, str]) -> Answer:
        core = self._core
        kind = params.get("grant_type", "")
        if kind not in ("refresh_token", "authorization_code"):
            return _error(400, "invalid_request", "Invalid grant_type parameter or parameter missing")
        app = core.apps.get(params.get("client_id", ""))
        if app is None or app.webhook or app.client_secret != params.get("client_secret"):
            return _error(400, "invalid_client", "The client credentials are invalid")
        if app.deleted:
            return _error(401, "NOT_INSTALLED", "Application is not installed")
        if kind == "refresh_token":
            grants, secret, text = core.tokens.refresh, params.get("refresh_token", ""), "Invalid refresh token"
        else:
            grants, secret, text = core.tokens.codes, params.get("code", ""), "Invalid authorization code"
        grant = core.tokens.redeem(grants, secret, app.client_id)
        if grant is None:
            return _error(400, "invalid_grant", text)
        return self._issued(app, grant)

    def _issued(self, app: App, grant: Grant) -> Answer:
        core = self._core
        tokens: Tokens = core.tokens.issue(app.client_id, grant.user_id)
        return _ok(
            {
                "access_token": tokens.access_token,
                "client_endpoint": core.rest_url,
                "domain": core.oauth_url.partition("://")[2],
                "expires": tokens.expires,
                "expires_in": ACCESS_S,
                "member_id": core.member_id,
                "refresh_token": tokens.refresh_token,
                "scope": ",".join(sorted(app.scopes)),
                "server_endpoint": f"{core.oauth_url}/rest/",
                "status": "L",
                "user_id": grant.user_id,
            }
        )

    def _app_info(self, token: str) -> Answer:
        core = self._core
        if not token:
            return _error(401, "NO_AUTH_FOUND", "Wrong authorization data")
        grant = core.tokens.access.get(token)
        app = core.apps.get(grant.client_id) if grant else None
        if grant is None or app is None or app.deleted:
            return _error(401, "invalid_token", "Unable to get application by token")
        if grant.expires <= core.clock.now():
            return _error(401, "expired_token", "The access token provided has expired.")
        scope = ",".join(sorted(app.scopes))
        install = {
            "installed": app.installed,
            "version": str(app.version),
            "status": "L",
            "scope": scope,
            "domain": core.host,
            "uri": core.url,
            "client_endpoint": core.rest_url,
            "member_id": core.member_id,
            "member_type": "cloud",
        }
        now = core.clock.now()
        result = {
            "client_id": app.client_id,
            "scope": scope,
            "expires": iso(grant.expires),
            "install": install,
            "user_id": grant.user_id,
        }
        times = {
            "start": now, "finish": now, "duration": 0.0, "processing": 0.0,
            "date_start": iso(now), "date_finish": iso(now), "operating_reset_at": int(now) + 600, "operating": 0.0,
        }  # fmt: skip
        return _ok({"result": result, "time": times})


def _ok(body: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(body).encode())


def _error(status: int, code: str, text: str) -> Answer:
    return Answer(status, json.dumps({"error": code, "error_description": text}).encode())
