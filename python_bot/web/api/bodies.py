"""The JSON object of a request: what it may hold, and how a bad member is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import request

from ..errors import ApiError
from . import params
from .wanted import MAX_ID


def given(*known: str) -> dict[str, Any]:
    """The JSON object of the request, with these members at most."""
    params.refuse_unknown(request.args)
    try:
        found = json.loads(request.get_data())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, "bad_body", f"send a JSON object with: {', '.join(known)}")
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ApiError(400, "unknown_parameter", f"unknown member {', '.join(unknown)}; known: {', '.join(known)}")
    return found


def line_of(found: Mapping[str, Any]) -> int | None:
    """Its `line_id`; None when it names no line."""
    line_id = found.get("line_id")
    if line_id is None:
        return None
    if not isinstance(line_id, int) or isinstance(line_id, bool) or not 0 < line_id <= MAX_ID:
        raise bad("line_id", "must be the number of an open line")
    return line_id


def bad(name: str, what: str) -> ApiError:
    return ApiError(400, "bad_parameter", f"{name} {what}")
