"""`/api/export`: the archive as a file, streamed.

An answer that ends too soon is seen as such: the last chunk is missing, or bytes of the announced length. HTTP/1.0
knows neither and is refused. Few exports run at a time, so that threads stay for the portal.
"""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from typing import Final

from flask import Blueprint, Response, request

from ...errors import NoSuchDialog
from ...export import FORMATS, LANGUAGES, Export, Exporter, Wish
from ...export.wish import FOR_PEOPLE
from ...search import Search
from ..access import Access, caller, narrowed
from ..errors import ApiError
from ..errors import answer as error_answer
from . import params, wanted

AT_ONCE: Final = 2
AGAIN_S: Final = 30  # an export of a million messages takes a few seconds
STALLED_S: Final = 60.0  # a client that takes nothing for so long is let go
NAMES: Final = ("format", "anonymise", "lang", "chat_id", "q", *wanted.NAMES)
PACKED: Final = ("jsonl", "csv", "html")  # the others are packed already, or have a known size


class Streams:
    """Exports that run, a few at a time, whoever asked for them."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def answer(self, wish: Wish, name: str = "export") -> Response:
        """`name`: of the file, without its suffix. Raises ApiError 400 or 404."""
        return self._send(lambda: self._exporter.export(wish), name)

    def page(self, pieces: Iterator[bytes]) -> Response:
        """Something long to look at, sent as an export is, and in one of their places. Raises ApiError 400."""
        return self._send(lambda: Export("html", pieces), "")

    def _send(self, export: Callable[[], Export], name: str) -> Response:
        if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            raise ApiError(400, "http_1_0", "HTTP/1.0 cannot show that an answer broke off; ask with HTTP/1.1")
        if not self._places.acquire(blocking=False):
            busy = error_answer(503, "too_many_exports", f"{AT_ONCE} exports are running; ask again in {AGAIN_S} s")
            busy.headers["Retry-After"] = str(AGAIN_S)
            return busy
        try:
            return _streamed(export(), self._places.release, name)
        except NoSuchDialog as error:
            self._places.release()
            raise ApiError(404, "dialog_unknown", str(error)) from None
        except BaseException:
            self._places.release()
            raise


def blueprint(streams: Streams, search: Search, access: Access) -> Blueprint:
    api = Blueprint("export", __name__, url_prefix="/api")
    api.before_request(access.require_exporter)

    @api.get("/export")
    def export() -> Response:
        params.refuse_unknown(request.args, *NAMES)
        wish = read_wish(request.args, search)
        wish = replace(wish, wanted=narrowed(wish.wanted, caller()))
        return streams.answer(wish)

    return api


def read_wish(query: Mapping[str, str], search: Search | None) -> Wish:
    """Raises ApiError 400 for what cannot be read, contradicts itself, or has no meaning in the format."""
    file_format = params.one_of(query, "format", FORMATS, "jsonl")
    for_people = file_format in FOR_PEOPLE
    if query.get("lang") and not for_people:
        raise ApiError(400, "bad_parameter", f"lang goes with format {' or '.join(FOR_PEOPLE)} only")
    filters, zone = dict(query), UTC
    if for_people and query.get("tz_offset"):
        zone = wanted.read_zone(query["tz_offset"])
        if not query.get("date"):
            del filters["tz_offset"]  # of the times in the file, then
    return Wish(
        file_format,
        wanted.read_filter(filters, search),
        zone,
        params.one_of(query, "lang", LANGUAGES, "ru"),
        params.one_of(query, "anonymise", ("0", "1"), "0") == "1",
    )


def _streamed(export: Export, release: Callable[[], None], name: str) -> Response:
    """The answer; at its end, whatever ended it, the file is closed and the place free. `name`: "" to be looked at."""
    let_go = _give_up_when_stalled()
    packs = export.suffix in PACKED and request.accept_encodings["gzip"] > 0
    response = Response(_packed(export.pieces) if packs else export.pieces, mimetype=export.content_type)

    def end() -> None:
        export.close()
        let_go()
        release()

    response.call_on_close(end)
    if packs:
        response.headers["Content-Encoding"] = "gzip"
    if export.size is not None:
        response.content_length = export.size
    response.vary.add("Accept-Encoding")
    response.headers["Content-Type"] = export.content_type
    if name:
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.{export.suffix}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would fill its disk for a slow client
    return response


def _give_up_when_stalled() -> Callable[[], None]:
    """Sending to this client waits so long and no longer. Returns what puts things back for the next request."""
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: None
    before = connection.gettimeout()
    connection.settimeout(STALLED_S)

    def put_back() -> None:
        with suppress(OSError):  # closed meanwhile
            connection.settimeout(before)

    return put_back


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """gzip at its fastest; zlib lets other threads run meanwhile."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        if data := packer.compress(piece):
            yield data
    yield packer.flush()
