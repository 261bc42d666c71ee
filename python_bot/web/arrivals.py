"""Which requests of the doctor arrived, and under which path: the last few, in memory.

It is the outermost part of the application, so that it sees what the proxy sent before anything is put right.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEPT: Final = 64
_MARKER: Final = re.compile(r"[0-9a-f]{32}")


class Arrivals:
    """`marks`: marker -> the path that arrived."""

    def __init__(self) -> None:
        self._seen: deque[tuple[str, str]] = deque(maxlen=KEPT)

    def marks(self) -> dict[str, str]:
        return dict(self._seen)

    def note(self, environ: WSGIEnvironment) -> None:
        marker = environ.get("HTTP_X_B24BOT_PROBE")
        if marker is not None and _MARKER.fullmatch(marker):
            self._seen.append((marker, environ.get("PATH_INFO", "")[:200]))


class NoteArrivals:
    def __init__(self, app: WSGIApplication, arrivals: Arrivals) -> None:
        self._app = app
        self._arrivals = arrivals

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._arrivals.note(environ)
        return self._app(environ, start_response)
