"""Query parameters of lists: checked, named in errors, and cursors that nobody needs to understand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from ..errors import ApiError

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
_KEY: Final = re.compile(r"-?[0-9]{1,18}(?:,-?[0-9]{1,18})*", re.ASCII)
T = TypeVar("T", bound=str)


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


def one_of(query: Mapping[str, str], name: str, known: Sequence[T], default: T) -> T:
    text = query.get(name, "")
    for value in known:
        if text == value:
            return value
    if text:
        raise ApiError(400, "bad_parameter", f"{name} must be one of: {', '.join(known)}")
    return default


def seconds(query: Mapping[str, str], name: str, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most):
        raise ApiError(400, "bad_parameter", f"{name} must be seconds, at most {most}")
    return int(text)


def write_cursor(name: str, key: tuple[int, ...] | None) -> str | None:
    """('d', (1763,)) -> an opaque text; None stays None (the end of the list)."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(f"{name}:{','.join(map(str, key))}".encode()).decode().rstrip("=")


def read_cursor(name: str, query: Mapping[str, str], size: int = 1) -> tuple[int, ...] | None:
    """The position, of `size` numbers, in a cursor of the same list; None when no cursor was given."""
    text = query.get("cursor", "")
    if not text:
        return None
    try:
        found, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        if found == name and _KEY.fullmatch(key) and key.count(",") == size - 1:
            return tuple(int(number) for number in key.split(","))
    except (binascii.Error, ValueError):
        pass
    raise ApiError(400, "bad_cursor", "this cursor is not from this list in this order; start again without one")
