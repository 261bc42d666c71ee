"""One conversation: its messages, what comes while it is open, its files, its export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request
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
from .render import fragment

PAGE: Final = 500
HERE: Final = "<!--messages-->"  # where they stand in print.html
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
        told = opened(chat_id)
        before, after, at = (read_number(request.args.get(name, "")) for name in ("before", "after", "at"))
        found = views.glimpse(chat_id, PAGE, before=before, after=after, at=at)
        weaver = bubbles.Weaver(bubbles.events(told["sessions"]), frame.clock(), found.behind)
        ids = [row["shown"]["message_id"] for row in found.rows]
        return frame.show(
            "conversation.html",
            section="dialogs",
            **about(told["dialog"]),
            sessions=told["sessions"],
            participants=told["participants"],
            items=[*weaver.rows(found.rows), *([] if found.later else weaver.rest())],
            first=ids[0] if ids else 0,
            last=ids[-1] if ids else 0,
            earlier=found.earlier,
            later=found.later,
            seen=frame.keeper.place(frame.cookie, chat_id, found.seen),
            at=at,
            span=_span,
        )

    def opened(chat_id: int) -> dict[str, Any]:
        """The dialog, for whoever may see it; that they looked is written down. Raises Refused."""
        refuse_hidden(views, frame, chat_id)
        text = archive.dialog(chat_id)
        if text is None:
            raise Refused(404, "dialog_unknown")
        frame.keeper.note_look(frame.visit(), chat_id, "opened")
        told: dict[str, Any] = json.loads(text)
        return told

    def about(dialog: dict[str, Any]) -> dict[str, Any]:
        """What every page of a conversation tells of it and draws it with."""
        client, operator = dialog["client"] or {"id": 0, "name": ""}, dialog["operator"]
        known = asked.names(views.choices(), archive.fact("portal"), frame.visit())
        return {
            "dialog": dialog,
            "name": shown_name(client["name"], "") or shown_name(dialog["title"], f"№ {dialog['chat_id']}"),
            "operator": shown_name(operator["name"], f"№ {operator['id']}") if operator else "",
            "line": known.line(dialog["line_id"]),
            "names": known,
            "draw": Drawer(frame.base, dialog["chat_id"], frame.words()),
            "kind_of": lambda item: type(item).__name__,
        }

    @ui.get("/dialogs/<int:chat_id>/print")
    def on_paper(chat_id: int) -> AnyResponse:
        """The whole conversation on one page, however long, sent while it is read."""
        if (turned_away := frame.admit()) is not None:
            return turned_away
        told, clock = opened(chat_id), frame.clock()
        weaver, facts = bubbles.Weaver(bubbles.events(told["sessions"]), clock), about(told["dialog"])
        # Nothing that somebody wrote holds this mark: what they write is escaped.
        head, _, tail = frame.text("print.html", **facts).partition(HERE)
        tools = {"t": frame.words(), "clock": clock, **{key: facts[key] for key in ("draw", "kind_of", "names")}}

        def pieces() -> Iterator[bytes]:
            yield head.encode()
            last = -(2**63)
            while (found := views.glimpse(chat_id, PAGE, after=last)).rows:
                yield fragment("course.html", "course", items=weaver.rows(found.rows), **tools).encode()
                last = found.rows[-1]["shown"]["message_id"]
            yield fragment("course.html", "course", items=weaver.rest(), **tools).encode() + tail.encode()

        return answered(streams.page(pieces()))

    @ui.get("/dialogs/<int:chat_id>/news")
    def news(chat_id: int) -> AnyResponse:
        """What is new or changed since `seen`, at once: threads are for the portal. For the script of the page."""
        if (turned_away := frame.admit()) is not None:
            return turned_away
        note().repeats = True
        refuse_hidden(views, frame, chat_id)
        keeper, place = frame.keeper, request.args.get("seen", "")
        if not keeper.is_place(frame.cookie, chat_id, place):
            keeper.note_look(frame.visit(), chat_id, "opened")  # nobody opened the page that this goes on from
        found, clock = views.changed(chat_id, read_number(place.partition(".")[0]) or 0, FRESH), frame.clock()
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
        return jsonify(seen=keeper.place(frame.cookie, chat_id, found.seen), messages=pieces)

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
        return answered(streams.answer(wish, f"dialog-{chat_id}"))

    @ui.get("/files/<int:file_id>")
    def content(file_id: int) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        file = archive.file(file_id) if file_id < 2**63 else None
        if file is None or file.state != "stored":
            raise Refused(404, "file_unknown")
        refuse_hidden(views, frame, file.chat_id)
        answer = answer_content(contents, file, save="save" in request.args)
        if answer.status_code != 304:  # what is in the browser already was written down when it came
            frame.keeper.note_look(frame.visit(), file.chat_id, "file")
        return answer


def answered(response: Response) -> Response:
    """Raises ApiError 503 when there is no place for it: programs are told so in JSON, people on a page."""
    if response.status_code == 503:
        raise Refused(503, "too_many_exports")
    return response


def _span(session: dict[str, Any], name: str) -> int | None:
    return session[name] if isinstance(session[name], int) else None


def read_number(text: str) -> int | None:
    """ "" is None. Raises ApiError 400."""
    digits = text.removeprefix("-")
    if not text:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise Refused(400, "bad_number")
    return int(text)


def _fixed(offset_s: int) -> timezone:
    return timezone(timedelta(seconds=offset_s)) if offset_s else UTC
