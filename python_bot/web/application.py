"""Flask without what this service has no use for: every request would pay for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import MapAdapter, Rule

from . import errors, inbound
from .door import MAX_BODY_BYTES


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


class PlainRule(Rule):
    """Werkzeug compiles for each rule a function that makes addresses, 2 kB of code; we ask for none."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = super()._compile_builder

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            made: tuple[str, str] = compiled(append_unknown).__get__(rule, None)(**values)
            return made

        return build


class Application(Flask):
    """One without routes. Its errors are those of the API, and its requests are described in the journal."""

    request_class = PlainRequest
    url_rule_class = PlainRule
    session_interface = NoSession()

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1  # one more, so that a chunked body may end at the limit
        self.url_map.strict_slashes = False
        errors.register(self)
        self.after_request(inbound.describe)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Whatever name we were called by. Flask's way spells it out by tables that take a quarter of a megabyte."""
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            environ.get("HTTP_HOST", ""),
            request.root_path,
            self.url_map.default_subdomain,
            request.scheme,
            request.path,
            request.method,
            environ.get("QUERY_STRING", ""),
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing here is a coroutine."""
        return func
