"""Answers whose JSON the archive has built already."""

from __future__ import annotations

from flask import Response


def json_text(text: str | bytes) -> Response:
    response = Response(text, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
