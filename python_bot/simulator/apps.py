"""An application installed on the portal, and what the portal's browser does for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .model import Tokens

if TYPE_CHECKING:
    from .core import Core


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """What the administrator's browser POSTs into the frame of an application."""

    url: str  # with its query
    form: dict[str, str]

    @property
    def body(self) -> str:
        return urlencode(self.form)


@dataclass(slots=True, eq=False)
class App:
    core: Core = field(repr=False)
    client_id: str
    client_secret: str
    application_token: str
    handler_url: str
    scopes: tuple[str, ...]
    kind: str
    user_id: int
    installed: bool
    version: int = 1
    deleted: bool = False
    webhook: bool = False  # not an application: bots of an incoming webhook live here
    number: int = 5

    def tokens(self, user_id: int | None = None) -> Tokens:
        """A fresh pair for a user (the installer, unless told otherwise)."""
        with self.core.lock:
            return self.core.tokens.issue(self.client_id, self.user_id if user_id is None else user_id)

    def access_token(self, user_id: int | None = None) -> str:
        return self.tokens(user_id).access_token

    def open(
        self,
        user_id: int | None = None,
        placement: str = "DEFAULT",
        options: dict[str, Any] | None = None,
        url: str = "",
        language: str = "ru",
    ) -> BrowserRequest:
        """The form with which a browser opens the application (or a placement of it) in the portal."""
        tokens = self.tokens(user_id)
        scheme, _, domain = self.core.url.partition("://")
        query = {"DOMAIN": domain, "PROTOCOL": str(int(scheme == "https")), "LANG": language}
        query["APP_SID"] = self.core.tokens.random_hex(32)
        form = {
            "AUTH_ID": tokens.access_token,
            "AUTH_EXPIRES": "3600",
            "REFRESH_ID": tokens.refresh_token,
            "SERVER_ENDPOINT": f"{self.core.oauth_url}/rest/",
            "member_id": self.core.member_id,
            "status": "L",
            "PLACEMENT": placement,
        }
        if options:
            form["PLACEMENT_OPTIONS"] = json.dumps(options, ensure_ascii=False)
        target = url or self.handler_url
        return BrowserRequest(target + ("&" if "?" in target else "?") + urlencode(query), form)

    def install_finish(self) -> None:
        """What `BX24.installFinish()` in the page does: from now on the application gets events."""
        with self.core.acting():
            first = not self.installed
            self.installed = True
            if first:
                self.core.events.app_installed(self)
