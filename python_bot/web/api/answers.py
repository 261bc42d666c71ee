"""Answers whose JSON the archive has built already."""

from __future__ import annotations

import json

from flask import Response


def json_list(name: str, items: bytes, cursor: str | None) -> Response:
    """{"<name>": [...], "next_cursor": …}"""
    return json_text(b'{"%b":%b,"next_cursor":%b}' % (name.encode(), items, json.dumps(cursor).encode()))


def json_text(text: str | bytes) -> Response:
    response = Response(text, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
