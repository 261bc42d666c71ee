"""The shape of a body: which keys it has, sorted, and none of its values. Pure.

`auth[domain]=…&event=…` -> 'auth{domain},event'; {"result": [{"ID": 1}], "total": 1} -> 'result[]{ID},total'.
Keys come from strangers too: one that does not read like a name is shown as `*`, a number as `#`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

Keys = dict[str, "Keys"]

MAX_DEPTH: Final = 8
MAX_KEYS: Final = 300
MAX_KEY_BYTES: Final = 200  # of a raw key: they are kept for the next event
MAX_ITEMS: Final = 5  # of a list: the others are hardly of another shape
MAX_TEXT: Final = 3000
MAX_PARSED: Final = 16 * 1024  # bytes of JSON that are read only to be described

# chat_id, CHAT_ENTITY_DATA_1, eventHandlerId, Bot. Random words of tokens mix digits and cases in other ways.
_PIECE: Final = r"(?:[a-z]+(?:[A-Z][a-z]+)*(?:ID)?|[A-Z]+|(?:[A-Z][a-z]+)+)"
_NAME: Final = re.compile(rf"_?{_PIECE}(?:[_.:-]{_PIECE})*(?:_?\d{{1,2}})?")
_NUMBERED: Final = re.compile(r"[a-z]{0,2}[0-9]+")  # also the commands of our batches: c0, c1, …
MAX_NAME: Final = 30


def name(key: str) -> str:
    """A key as it may be shown."""
    if len(key) <= MAX_NAME:
        return _short_name(key)
    return "#" if _NUMBERED.fullmatch(key) else "*"


@lru_cache(maxsize=1024)
def _short_name(key: str) -> str:
    if _NUMBERED.fullmatch(key):
        return "#"
    return key if _NAME.fullmatch(key) else "*"


def of_form(body: bytes) -> str:
    """Of a url-encoded form or a query. Quick: the same hundred keys come with every event."""
    pairs = body.split(b"&", MAX_KEYS)[:MAX_KEYS]
    return _of_raw_keys(tuple([pair.partition(b"=")[0][:MAX_KEY_BYTES] for pair in pairs if pair]))


@lru_cache(maxsize=128)
def _of_raw_keys(raw: tuple[bytes, ...]) -> str:
    keys: Keys = {}
    for key in raw:
        node = keys
        text = key.replace(b"%5B", b"[").replace(b"%5b", b"[").replace(b"%5D", b"]").replace(b"%5d", b"]")
        for step in text.decode("utf-8", "replace").replace("]", "").split("[")[:MAX_DEPTH]:
            node = node.setdefault(name(step) if step else "#", {})
    return text_of(keys)


def of_query(query: bytes) -> str:
    """'limit=5&status=open' -> '?limit,status'."""
    return f"?{of_form(query)}" if query else ""


def of_json(body: bytes) -> str:
    """Of a JSON text; '' when it is none, or too long to be read for this."""
    if len(body) > MAX_PARSED:
        return ""
    try:
        return of_value(json.loads(body))
    except (ValueError, RecursionError):
        return ""


def of_body(body: bytes) -> str:
    """Told apart by the first byte, as the door does it."""
    return of_json(body) if body[:64].lstrip()[:1] in (b"{", b"[") else of_form(body)


def of_value(value: Any) -> str:
    """Of parsed JSON."""
    keys: Keys = {}
    room = [MAX_KEYS]
    _collect(value, keys, room, 0)
    return text_of(keys)


def _collect(value: Any, keys: Keys, room: list[int], depth: int) -> None:
    if depth >= MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if room[0] <= 0:
                return
            room[0] -= 1
            _collect(inner, keys.setdefault(name(str(key)), {}), room, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value[:MAX_ITEMS]:
            _collect(item, keys.setdefault("[]", {}), room, depth + 1)


def text_of(keys: Keys) -> str:
    return _rendered(keys)[:MAX_TEXT]


def _rendered(keys: Keys) -> str:
    return ",".join(f"{key}{_inner(inner)}" for key, inner in sorted(keys.items()))


def _inner(keys: Keys) -> str:
    if not keys:
        return ""
    if set(keys) == {"[]"}:
        return f"[]{_inner(keys['[]'])}"
    return f"{{{_rendered(keys)}}}"


def counted(methods: Iterable[str]) -> str:
    """['a', 'b', 'a'] -> 'a ×2, b'."""
    counts: dict[str, int] = {}
    for method in methods:
        counts[method] = counts.get(method, 0) + 1
    return ", ".join(f"{method} ×{n}" if n > 1 else method for method, n in counts.items())
