"""`/channel-files/<signed>`: a client's file for the portal, and for a client what a messenger takes from no bot.

A client's file is streamed from the messenger, nothing of it is kept here; the team's comes from the archive, in ranges
too, or is streamed from the portal. Whatever it is: a browser that is led here shows and runs nothing of it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import dump_options_header

from ..attachments.naming import BINARY, content_type, safe_name
from ..channels.base import OpensFiles
from ..errors import DeliveryFailed, FileUnavailable, NotAuthorized, PortalUnavailable
from ..relay.links import Link, SentLink
from ..relay.parts import RelayParts
from ..relay.sent_files import SentFile

log = logging.getLogger(__name__)

AT_ONCE: Final = 4  # clients that download: each holds a thread, and events need some
AGAIN_S: Final = 20
_TYPE: Final = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}")


def blueprint(parts: RelayParts) -> Blueprint:
    files = Blueprint("channel_files", __name__)
    places = threading.BoundedSemaphore(AT_ONCE)

    @files.get("/channel-files/<token>")
    def content(token: str) -> Response:
        link = parts.links.read(token, time.time())
        if isinstance(link, SentLink):
            return _in_place(parts, link, places)
        return _from_messenger(parts, link) if link is not None else _plain(404)

    return files


def _from_messenger(parts: RelayParts, link: Link) -> Response:
    held = parts.channels.one(link.account_id)
    if held is None:
        return _plain(404)
    channel = parts.registry.load(held.account.channel)
    if not isinstance(channel, OpensFiles):
        return _plain(404)
    try:
        found = channel.open_file(held.account, link.file.ref)
    except DeliveryFailed as error:
        log.warning("a client's file cannot be had: %s", error)
        return _plain(404 if error.final else 503)
    response = Response(found.blocks, content_type=_type(link.file.type or found.type))
    if found.size is not None:
        response.content_length = found.size
    return _guarded(response, link.file.name)


# --- what the team sent


def _in_place(parts: RelayParts, link: SentLink, places: threading.BoundedSemaphore) -> Response:
    """Until the answer is over, it takes one of the places."""
    if not places.acquire(blocking=False):
        return _later()
    try:
        response = _sent(parts, link)
        response.call_on_close(places.release)
    except BaseException:
        places.release()
        raise
    return response


def _sent(parts: RelayParts, link: SentLink) -> Response:
    file = parts.sent_files.find(link)
    if file is None:
        return _plain(404)
    return _archived(file, file.path) if file.path is not None else _from_portal(parts, file)


def _archived(file: SentFile, path: Path) -> Response:
    try:
        response = send_file(
            path, mimetype=content_type(file.name), etag=file.hash, last_modified=None, conditional=True
        )
    except FileNotFoundError:  # removed this very moment
        return _plain(404)
    except RequestedRangeNotSatisfiable as error:
        refusal = _plain(416)
        refusal.headers["Content-Range"] = f"bytes */{error.length}"
        return refusal
    response.direct_passthrough = False  # else nobody is told when it is over
    response.headers.pop("Last-Modified", None)  # of the copy on our disk: it says nothing about the file
    return _guarded(response, file.name)


def _from_portal(parts: RelayParts, file: SentFile) -> Response:
    try:
        found = parts.sent_files.open(file)
    except (PortalUnavailable, NotAuthorized) as error:
        log.warning("a file of the team cannot be had now: %s", error)
        return _later()
    except FileUnavailable as error:
        log.warning("a file of the team cannot be had: %s", error)
        return _plain(404)

    def blocks() -> Iterator[bytes]:
        try:
            yield from found.parts
        except (FileUnavailable, PortalUnavailable) as error:
            log.warning("a file of the team was not sent whole: %s", error)
            raise

    response = Response(blocks(), content_type=content_type(file.name))
    response.call_on_close(found.close)
    if found.size is not None:
        response.content_length = found.size
    return _guarded(response, file.name)


# --- what all answers have


def _guarded(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = _attachment(safe_name(name))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _type(given: str) -> str:
    return given if _TYPE.fullmatch(given) else BINARY


def _attachment(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    if plain == name:
        return dump_options_header("attachment", {"filename": name})
    return dump_options_header("attachment", {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"})


def _later() -> Response:
    response = _plain(503)
    response.headers["Retry-After"] = str(AGAIN_S)
    return response


def _plain(status: int) -> Response:
    return Response(f"{status}\n", status, mimetype="text/plain")
