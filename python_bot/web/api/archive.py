"""`/api/dialogs`, `/api/dialogs/<chat_id>`, `/api/messages`, `/api/users`: reading the archive."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Blueprint, Response, request

from ...archive import Archive
from ...bitrix.bbcode import plain
from ...model import iso_utc
from ..access import Access, caller, sees_line
from ..errors import ApiError
from ..tracing import trace_id
from . import params, wanted
from .answers import json_text
from .lists import START, Lists, json_list


def blueprint(archive: Archive, lists: Lists, access: Access, refresh: Callable[[int, str], bool]) -> Blueprint:
    """`refresh`: asks the portal about a chat and waits a moment for what it says."""
    api = Blueprint("archive", __name__, url_prefix="/api")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/dialogs")
    def dialogs() -> Response:
        return json_text(lists.dialogs(request.args, caller()))

    @api.get("/dialogs/<int:chat_id>")
    def dialog(chat_id: int) -> Response:
        params.refuse_unknown(request.args, "limit", "cursor", "refresh")
        if params.one_of(request.args, "refresh", ("0", "1"), "0") == "1":
            access.require_token("read")  # whoever lets the portal be asked says who he is
            refresh(min(chat_id, wanted.MAX_ID), trace_id())
        found = archive.dialog(chat_id) if chat_id <= wanted.MAX_ID else None
        if found is None or not sees_line(archive.line_of(chat_id)):
            raise ApiError(404, "dialog_unknown", f"no dialog with chat_id {chat_id} is in the archive")
        name = f"m{chat_id}"
        (after,) = params.read_cursor(name, request.args) or START[:1]
        page = archive.messages_page(chat_id, after, params.limit(request.args))
        cursor = json.dumps(params.write_cursor(name, page.next_key)).encode()
        head = found.removesuffix("}").encode()
        return json_text(b'%b,"messages":%b,"next_cursor":%b}' % (head, page.items, cursor))

    @api.get("/dialogs/<int:chat_id>/messages/<int(signed=True):message_id>/versions")
    def versions(chat_id: int, message_id: int) -> Response:
        params.refuse_unknown(request.args)
        in_range = chat_id <= wanted.MAX_ID and abs(message_id) <= wanted.MAX_ID
        found = archive.versions(chat_id, message_id) if in_range else None
        if found is None or not sees_line(archive.line_of(chat_id)):
            raise ApiError(404, "message_unknown", f"no message {message_id} of dialog {chat_id} is in the archive")
        rows = [
            {
                "version": former.number,
                "text": former.text,
                "text_plain": plain(former.text),
                "replaced_at": iso_utc(former.replaced_at),
            }
            for former in found
        ]
        return json_text(json.dumps({"versions": rows}, ensure_ascii=False))

    @api.get("/messages")
    def messages() -> Response:
        return json_text(lists.messages(request.args, caller()))

    @api.get("/users")
    def users() -> Response:
        access.require_all_lines()
        params.refuse_unknown(request.args, "limit", "cursor")
        (after,) = params.read_cursor("u", request.args) or (0,)
        page = archive.users_page(after, params.limit(request.args))
        return json_text(json_list(b"users", page.items, params.write_cursor("u", page.next_key)))

    return api
