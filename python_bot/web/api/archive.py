"""`/api/dialogs`, `/api/dialogs/<chat_id>`, `/api/messages`, `/api/users`: reading the archive."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, get_args

from flask import Blueprint, Response, request

from ...archive import Archive
from ...bitrix.bbcode import plain
from ...model import DialogOrder, MessageOrder, iso_utc
from ...search import Search
from ..access import Access, narrowed, sees_line
from ..errors import ApiError
from ..tracing import trace_id
from . import params, wanted
from .answers import json_list, json_text
from .long_poll import LongPoll

MAX_WAIT_S: Final = 60
START: Final = (1 - 10**18, 1 - 10**18)  # before every message: imported ones have numbers below zero
DIALOG_ORDERS: Final[tuple[DialogOrder, ...]] = get_args(DialogOrder)
MESSAGE_ORDERS: Final[tuple[MessageOrder, ...]] = get_args(MessageOrder)


def blueprint(
    archive: Archive,
    search: Search,
    access: Access,
    refresh: Callable[[int, str], bool],
    long_poll: LongPoll,
) -> Blueprint:
    """`refresh`: asks the portal about a chat and waits a moment for what it says."""
    api = Blueprint("archive", __name__, url_prefix="/api")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/dialogs")
    def dialogs() -> Response:
        params.refuse_unknown(request.args, "limit", "cursor", "sort", "q", *wanted.NAMES)
        chosen = narrowed(wanted.read_filter(request.args, search))
        # Who asks for a time wants those who spoke then: their order has the index for it.
        default: DialogOrder = "newest" if chosen.since is None and chosen.until is None else "active"
        order = params.one_of(request.args, "sort", DIALOG_ORDERS, default)
        name = f"d.{order}"
        after = params.read_cursor(name, request.args, 1 if order in ("newest", "oldest") else 2)
        page = archive.dialogs_page(after, params.limit(request.args), chosen, order)
        return json_list("dialogs", page.items, params.write_cursor(name, page.next_key))

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
        params.refuse_unknown(request.args, "limit", "cursor", "sort", "wait", "q", *wanted.NAMES)
        chosen = narrowed(wanted.read_filter(request.args, search))
        order = params.one_of(request.args, "sort", MESSAGE_ORDERS, "changed")
        name = f"f.{order}"
        after = params.read_cursor(name, request.args, 2)
        limit, wait_s = params.limit(request.args), params.seconds(request.args, "wait", MAX_WAIT_S)
        if wait_s and order != "changed":
            raise ApiError(400, "bad_parameter", "wait goes with sort=changed only")
        page = long_poll(lambda: archive.messages_feed(after, limit, chosen, order), wait_s)
        # At the end too: from there a follower goes on.
        return json_list("messages", page.items, params.write_cursor(name, page.last_key or after or START))

    @api.get("/users")
    def users() -> Response:
        access.require_all_lines()
        params.refuse_unknown(request.args, "limit", "cursor")
        (after,) = params.read_cursor("u", request.args) or (0,)
        page = archive.users_page(after, params.limit(request.args))
        return json_list("users", page.items, params.write_cursor("u", page.next_key))

    return api
