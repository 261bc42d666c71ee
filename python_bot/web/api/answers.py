"""Answers whose JSON the archive has built already."""

from __future__ import annotations

import json

from flask import Response


def json_list(name: str, items: str, cursor: str | None) -> Response:
    """{"<name>": [...], "next_cursor": …}"""
    return json_text(f'{{"{name}":{items},"next_cursor":{json.dumps(cursor)}}}')


def json_text(text: str) -> Response:
    response = Response(text, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
