"""`/api/dialogs`, `/api/dialogs/<chat_id>`, `/api/users`: reading the archive."""

from __future__ import annotations

import json
from typing import Final

from flask import Blueprint, Response, request

from ...archive import Archive
from ..access import Access
from ..errors import ApiError
from .params import limit, read_cursor, refuse_unknown, write_cursor

MAX_ID: Final = 2**63 - 1


def blueprint(archive: Archive, access: Access) -> Blueprint:
    api = Blueprint("archive", __name__, url_prefix="/api")
    api.before_request(access.require_reader)

    @api.get("/dialogs")
    def dialogs() -> Response:
        refuse_unknown(request.args, "limit", "cursor")
        page = archive.dialogs_page(read_cursor("d", request.args), limit(request.args))
        return _json(f'{{"dialogs":{page.items},"next_cursor":{json.dumps(write_cursor("d", page.next_key))}}}')

    @api.get("/dialogs/<int:chat_id>")
    def dialog(chat_id: int) -> Response:
        refuse_unknown(request.args, "limit", "cursor")
        found = archive.dialog(chat_id) if chat_id <= MAX_ID else None
        if found is None:
            raise ApiError(404, "dialog_unknown", f"no dialog with chat_id {chat_id} is in the archive")
        name = f"m{chat_id}"
        page = archive.messages_page(chat_id, read_cursor(name, request.args) or 0, limit(request.args))
        cursor = json.dumps(write_cursor(name, page.next_key))
        return _json(f'{found.removesuffix("}")},"messages":{page.items},"next_cursor":{cursor}}}')

    @api.get("/users")
    def users() -> Response:
        refuse_unknown(request.args, "limit", "cursor")
        page = archive.users_page(read_cursor("u", request.args) or 0, limit(request.args))
        return _json(f'{{"users":{page.items},"next_cursor":{json.dumps(write_cursor("u", page.next_key))}}}')

    return api


def _json(text: str) -> Response:
    response = Response(text, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
