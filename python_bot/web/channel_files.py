"""`/channel-files/<signed>`: a client's file for the portal, streamed from the messenger; nothing is kept here."""

from __future__ import annotations

import logging
import re
import time
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response
from werkzeug.http import dump_options_header

from ..attachments.naming import BINARY, safe_name
from ..channels.base import OpensFiles
from ..errors import DeliveryFailed
from ..relay.parts import RelayParts

log = logging.getLogger(__name__)

_TYPE: Final = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}")


def blueprint(parts: RelayParts) -> Blueprint:
    files = Blueprint("channel_files", __name__)

    @files.get("/channel-files/<token>")
    def content(token: str) -> Response:
        link = parts.links.read(token, time.time())
        held = parts.channels.one(link.account_id) if link is not None else None
        if link is None or held is None:
            return _plain(404)
        channel = parts.registry.load(held.account.channel)
        if not isinstance(channel, OpensFiles):
            return _plain(404)
        try:
            found = channel.open_file(held.account, link.file.ref)
        except DeliveryFailed as error:
            log.warning("a client's file cannot be had: %s", error)
            return _plain(404 if error.final else 503)
        # Whatever a client sends: a browser that is led here shows and runs nothing of it.
        response = Response(found.blocks, content_type=_type(link.file.type or found.type))
        if found.size is not None:
            response.content_length = found.size
        response.headers["Content-Disposition"] = _attachment(safe_name(link.file.name))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    return files


def _type(given: str) -> str:
    return given if _TYPE.fullmatch(given) else BINARY


def _attachment(name: str) -> str:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    if plain == name:
        return dump_options_header("attachment", {"filename": name})
    return dump_options_header("attachment", {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"})


def _plain(status: int) -> Response:
    return Response(f"{status}\n", status, mimetype="text/plain")
