"""The pages of `/ui/` are an application of their own, loaded when somebody looks: most instances are read by programs
only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class AtFirstVisit:
    """`app` answers everything else; `make` is asked once for the application behind `/ui`."""

    def __init__(self, app: WSGIApplication, make: Callable[[], WSGIApplication]) -> None:
        self._app = app
        self._make = make
        self._pages: WSGIApplication | None = None
        self._making = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        app = self._made() if path == "/ui" or path.startswith("/ui/") else self._app
        return app(environ, start_response)

    def _made(self) -> WSGIApplication:
        with self._making:
            if self._pages is None:
                self._pages = self._make()
            return self._pages
