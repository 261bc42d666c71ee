"""One conversation: its messages, what comes while it is open, its files, its export."""

from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone
from typing import Any, Final

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from ...archive import Archive, Views
from ...attachments import ContentStore
from ...export import Wish
from ...export.wish import Format
from ...model import DialogFilter
from ..api import params
from ..api.export import Streams
from ..api.files import answer_content
from ..inbound import note
from . import asked, bubbles
from .bubble_html import Drawer
from .dialogs import refuse_hidden
from .frame import Frame
from .markup import shown_name, written
from .refusal import Refused

PAGE: Final = 500
FRESH: Final = 100  # messages of one answer to the script that keeps the page fresh
FORMATS: Final[tuple[Format, ...]] = ("html", "csv", "jsonl")


def put_on(
    ui: Blueprint,
    frame: Frame,
    archive: Archive,
    views: Views,
    contents: ContentStore,
    streams: Streams,
) -> None:
    @ui.get("/dialogs/<int:chat_id>")
    def conversation(chat_id: int) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        refuse_hidden(views, frame, chat_id)
        text = archive.dialog(chat_id)
        if text is None:
            raise Refused(404, "dialog_unknown")
        frame.keeper.note_look(frame.visit(), chat_id, "opened")
        before, after, at = (_number(name) for name in ("before", "after", "at"))
        found = views.glimpse(chat_id, PAGE, before=before, after=after, at=at)
        told, clock = json.loads(text), frame.clock()
        dialog, client = told["dialog"], told["dialog"]["client"] or {"id": 0, "name": ""}
        known = asked.names(views.choices(), archive.fact("portal"), frame.visit())
        ids = [row["shown"]["message_id"] for row in found.rows]
        operator = dialog["operator"]
        return frame.show(
            "conversation.html",
            section="dialogs",
            dialog=dialog,
            name=shown_name(client["name"], "") or shown_name(dialog["title"], f"№ {chat_id}"),
            operator=shown_name(operator["name"], f"№ {operator['id']}") if operator else "",
            line=known.line(dialog["line_id"]),
            names=known,
            sessions=told["sessions"],
            participants=told["participants"],
            crm=told["crm"],
            items=bubbles.woven(
                found.rows, bubbles.events(told["sessions"]), clock, earlier=found.earlier, later=found.later
            ),
            first=ids[0] if ids else 0,
            last=ids[-1] if ids else 0,
            earlier=found.earlier,
            later=found.later,
            seen=found.seen,
            at=at,
            kind_of=lambda item: type(item).__name__,
            draw=Drawer(frame.base, chat_id, frame.words()),
            span=_span,
        )

    @ui.get("/dialogs/<int:chat_id>/news")
    def news(chat_id: int) -> AnyResponse:
        """What is new or changed since `seen`, at once: threads are for the portal. For the script of the page."""
        if (turned_away := frame.admit()) is not None:
            return turned_away
        note().repeats = True
        refuse_hidden(views, frame, chat_id)
        found, clock = views.changed(chat_id, _number("seen") or 0, FRESH), frame.clock()
        shown, draw = [bubbles.bubble(row, clock) for row in found.rows], Drawer(frame.base, chat_id, frame.words())
        pieces = [
            {
                "id": each.message_id,
                "day": each.day,
                "day_name": each.day_name,
                "html": draw(each),
            }
            for each in shown
        ]
        return jsonify(seen=found.seen, messages=pieces)

    @ui.get("/dialogs/<int:chat_id>/messages/<int(signed=True):message_id>")
    def versions(chat_id: int, message_id: int) -> AnyResponse:
        """The former texts of a message."""
        if (turned_away := frame.admit()) is not None:
            return turned_away
        refuse_hidden(views, frame, chat_id)
        rows = archive.versions(chat_id, message_id) if abs(message_id) < 2**63 else None
        found = views.glimpse(chat_id, 2, at=message_id).rows
        now = next((row for row in found if row["shown"]["message_id"] == message_id), None)
        if rows is None or now is None:
            raise Refused(404, "message_unknown")
        clock = frame.clock()
        frame.keeper.note_look(frame.visit(), chat_id, "opened")
        former = [(clock.full(row.replaced_at), written(row.text, clock.full)) for row in rows]
        return frame.show(
            "versions.html", section="dialogs", chat_id=chat_id, now=bubbles.bubble(now, clock), former=former
        )

    @ui.get("/dialogs/<int:chat_id>/export")
    def export(chat_id: int) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.require("export")
        refuse_hidden(views, frame, chat_id)
        form = params.one_of(request.args, "format", FORMATS, "html")
        frame.keeper.note_look(frame.visit(), chat_id, "exported")
        clock = frame.clock()
        wish = Wish(form, DialogFilter(chat_id=chat_id), _fixed(clock.offset_s()), clock.language)
        return streams.answer(wish, f"dialog-{chat_id}")

    @ui.get("/files/<int:file_id>")
    def content(file_id: int) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        file = archive.file(file_id) if file_id < 2**63 else None
        if file is None or file.state != "stored":
            raise Refused(404, "file_unknown")
        refuse_hidden(views, frame, file.chat_id)
        if "Range" not in request.headers and "If-None-Match" not in request.headers:
            frame.keeper.note_look(frame.visit(), file.chat_id, "file")
        return answer_content(contents, file)


def _span(session: dict[str, Any], name: str) -> int | None:
    return session[name] if isinstance(session[name], int) else None


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    digits = text.removeprefix("-")
    if not text:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise Refused(400, "bad_number")
    return int(text)


def _fixed(offset_s: int) -> timezone:
    return timezone(timedelta(seconds=offset_s)) if offset_s else UTC
