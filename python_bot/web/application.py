"""Flask without what this service has no use for: every request would pay for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import ImmutableMultiDict


class Given(ImmutableMultiDict[str, str]):
    """The parameters of a request. Werkzeug raises and catches an exception for each that is asked for and not there;
    of a dozen filters most are not."""

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]  # their three in one
        return super().get(key, default, type) if key in self else default


class PlainRequest(Request):
    """Of a caller: `args` and `form` are `Given`."""

    parameter_storage_class = Given


class NoSession(SessionInterface):
    """Flask's cookie is not ours: the pages of `/ui/` have a keeper of their own."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        return _NOTHING

    def is_null_session(self, obj: object) -> bool:
        return True

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:
        return None


class _Nothing(dict[str, Any], SessionMixin):
    """A session that nobody writes to."""


_NOTHING: Final = _Nothing()


class Application(Flask):
    request_class = PlainRequest
    session_interface = NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing here is a coroutine."""
        return func
