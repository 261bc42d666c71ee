"""Who looked at what, and who is in the archive now. For administrators."""

from __future__ import annotations

import time
from typing import Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from ...visitors import Visitors
from .frame import Frame
from .refusal import Refused

PAGE: Final = 100


def put_on(ui: Blueprint, frame: Frame, visitors: Visitors) -> None:
    @ui.get("/looks")
    def looks() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.require("admin")
        chat_id, before = _number("chat_id"), _number("before")
        found = visitors.looks(before, PAGE + 1, chat_id)
        of_chat = f"&chat_id={chat_id}" if chat_id is not None else ""
        return frame.show(
            "looks.html",
            section="looks",
            looks=found[:PAGE],
            more=f"?before={found[PAGE - 1].id}{of_chat}" if len(found) > PAGE else "",
            visits=visitors.going_on(int(time.time())),
            chat_id=chat_id,
        )

    @ui.post("/visits/<int:visit_id>/end")
    def end(visit_id: int) -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        frame.require("admin")
        if visit_id < 2**63:
            frame.keeper.end(visit_id)
        return redirect(f"{frame.base}/looks", 303)


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(400, "bad_number")
    return int(text) if text else None
