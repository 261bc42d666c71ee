"""Query parameters of lists: checked, named in errors, and cursors that nobody needs to understand."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from ..errors import ApiError

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500


def refuse_unknown(query: Mapping[str, str], *known: str) -> None:
    unknown = sorted(set(query) - set(known) - {"token"})
    if unknown:
        raise ApiError(400, "unknown_parameter", f"unknown parameter {', '.join(unknown)}; known: {', '.join(known)}")


def limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "")
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise ApiError(400, "bad_parameter", f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def write_cursor(name: str, key: tuple[int, ...] | None) -> str | None:
    """('d', (1763,)) -> an opaque text; None stays None (the end of the list)."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(f"{name}:{','.join(map(str, key))}".encode()).decode().rstrip("=")


def read_cursor(name: str, query: Mapping[str, str]) -> int | None:
    """The position in a cursor of the same list; None when no cursor was given."""
    text = query.get("cursor", "")
    if not text:
        return None
    try:
        found, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        if found == name and key.isascii() and key.isdigit() and len(key) < 20:
            return int(key)
    except (binascii.Error, ValueError):
        pass
    raise ApiError(400, "bad_cursor", "this cursor is not from this list; start again without one")
