"""The list of dialogs, and what was found by words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, request
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from ...archive import Archive, Views
from ...model import DialogFilter, DialogOrder
from ...search import BadQuery, Search, SearchOrder, parse
from ..api import params
from ..inbound import note
from . import asked
from .frame import Frame
from .keeper import within
from .markup import shown_name, spoken
from .refusal import Refused

PAGE: Final = 50
ORDERS: Final[tuple[DialogOrder, ...]] = ("active", "quiet", "newest", "oldest")
HIT_ORDERS: Final[tuple[SearchOrder, ...]] = ("newest", "relevance")
SETTLE_S: Final = 0.3


def put_on(ui: Blueprint, frame: Frame, archive: Archive, views: Views, search: Search) -> None:
    @ui.get("/")
    def dialogs() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        if request.args.get("q", "").strip():
            frame.keeper.note_look(frame.visit(), 0, "searched")
        return frame.show("dialogs.html", section="dialogs", **_list(), **_filters())

    @ui.get("/rows")
    def rows() -> AnyResponse:
        """The rows of the list alone, for the script that keeps it fresh; 304 while nothing has changed."""
        if (turned_away := frame.admit()) is not None:
            return turned_away
        note().repeats = True
        if request.args.get("q", "").strip():
            frame.keeper.note_look(frame.visit(), 0, "searched")
        response = frame.show("rows.html", **_list())
        response.add_etag(weak=True)
        response.make_conditional(request)
        return response

    @ui.get("/search")
    def found() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        return frame.show("search.html", section="search", **_found(), **_filters())

    def _list() -> dict[str, Any]:
        visit, clock = frame.visit(), frame.clock()
        wish = asked.read(request.args, visit, clock, search)
        order = params.one_of(request.args, "sort", ORDERS, "active")
        name = f"u.{order}"
        after = params.read_cursor(name, request.args, 1 if order in ("newest", "oldest") else 2)
        found = views.overview(after, PAGE, wish.wanted, order)
        known = asked.names(views.choices(), archive.fact("portal"), visit)
        cursor = params.write_cursor(name, found.next_key)
        return {
            "rows": [_row(row, known, frame) for row in found.rows],
            "more": _link(wish.query, cursor),
            "is_first": after is None,
            "query": wish.query,
        }

    def _filters() -> dict[str, Any]:
        visit = frame.visit()
        given = asked.read({k: v for k, v in request.args.items() if k != "q"}, visit, frame.clock()).given
        words = request.args.get("q", "").strip()
        return {
            "names": asked.names(views.choices(), archive.fact("portal"), visit),
            "given": {**dict.fromkeys(asked.NAMES, ""), **given, "q": words},
            "narrowed": sorted(set(given) - {"sort"}),
            "client": _client(given.get("client_id", "")),
        }

    def _client(number: str) -> str:
        """`number`: "" or digits. The one client that is asked for, by name where the visit may know it."""
        if not number:
            return ""
        found = views.overview(None, 1, within(frame.visit(), DialogFilter(client_id=int(number))), "active").rows
        return shown_name(found[0]["dialog"]["client"]["name"] if found else "", f"№ {number}")

    def _found() -> dict[str, Any]:
        visit, clock = frame.visit(), frame.clock()
        words = request.args.get("q", "").strip()
        wish = asked.read({k: v for k, v in request.args.items() if k not in ("q", "sort")}, visit, clock)
        nothing: dict[str, Any] = {"hits": [], "more": "", "problem": ""}
        if not words:
            return nothing
        try:
            query = parse(words)
        except BadQuery as error:
            return {**nothing, "problem": str(error)}
        order = params.one_of(request.args, "sort", HIT_ORDERS, "newest")
        after = params.read_cursor(f"us.{order}", request.args)
        search.settle(SETTLE_S)
        page = search.find(query, after, PAGE, wish.wanted, order)
        frame.keeper.note_look(visit, 0, "searched")
        cursor = params.write_cursor(f"us.{order}", page.next_key)
        sort = "&sort=relevance" if order == "relevance" else ""
        hits = [_hit(hit, frame) for hit in json.loads(page.items)]
        return {**nothing, "hits": hits, "more": _link(f"q={quote(words)}&{wish.query}{sort}".rstrip("&"), cursor)}


def _link(query: str, cursor: str | None) -> str:
    if cursor is None:
        return ""
    return f"?{query}&cursor={cursor}" if query else f"?cursor={cursor}"


def _row(row: Mapping[str, Any], known: asked.Names, frame: Frame) -> dict[str, Any]:
    dialog, last = row["dialog"], row["last"] or {"kind": "", "text": "", "deleted": 0, "files": 0}
    client, operator = dialog["client"] or {"id": 0, "name": ""}, dialog["operator"]
    return {
        "chat_id": dialog["chat_id"],
        "name": shown_name(client["name"], "") or shown_name(dialog["title"], f"№ {dialog['chat_id']}"),
        "line": known.line(dialog["line_id"]),
        "connector": dialog["connector_id"] or "",
        "operator": shown_name(operator["name"], f"№ {operator['id']}") if operator else "",
        "is_open": dialog["status"] == "open",
        "count": dialog["message_count"],
        "at": dialog["last_message_at"] or dialog["opened_at"],
        "waiting_since": row["waiting_since"],
        "last": spoken(last["text"]),
        "last_kind": last["kind"],
        "last_deleted": bool(last["deleted"]),
        "last_files": bool(last["files"]),
    }


def _hit(hit: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    author = hit["author"]
    return {
        "chat_id": hit["chat_id"],
        "message_id": hit["message_id"],
        "name": shown_name(author["name"], ""),
        "kind": author["kind"],
        "at": hit["sent_at"],
        # Escaped by the search itself, with <mark> around the hits and nothing else.
        "fragment": Markup(hit["fragment"]),
    }


def refuse_hidden(views: Views, frame: Frame, chat_id: int) -> None:
    """Raises ApiError 404: a conversation that this visit may not see is like one that is not there."""
    if chat_id >= 2**63 or not views.is_wanted(chat_id, within(frame.visit())):
        raise Refused(404, "dialog_unknown")
