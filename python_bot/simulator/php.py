"""How PHP writes and reads forms and arrays: the other side of the wire speaks it everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus

_SEGMENTS = re.compile(r"\[([^\[\]]*)\]")


def http_build_query(data: Mapping[str, Any]) -> str:
    """Nested data as a form: null and empty arrays vanish, booleans are 1/0, empty strings stay."""
    pairs: list[str] = []
    for key, value in data.items():
        _flatten(_encode(str(key)), value, pairs)
    return "&".join(pairs)


def _flatten(name: str, value: Any, pairs: list[str]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{name}%5B{_encode(str(key))}%5D", inner, pairs)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _flatten(f"{name}%5B{index}%5D", inner, pairs)
    elif isinstance(value, bool):
        pairs.append(f"{name}={int(value)}")
    elif value is not None:
        pairs.append(f"{name}={_encode(str(value))}")


def _encode(text: str) -> str:
    return quote_plus(text, errors="replace").replace("~", "%7E")


def parse_str(raw: str) -> dict[str, Any]:
    """`a[b][]=1` as nested dicts; arrays numbered from 0 without a gap become lists."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True, errors="replace"):
        _put(root, name, value)
    return {key: _listed(value) for key, value in root.items()}


def _put(root: dict[str, Any], name: str, value: str) -> None:
    top, bracket, rest = name.partition("[")
    top = top.lstrip(" ").replace(".", "_").replace(" ", "_")
    if not top:
        return
    path = [top, *(_SEGMENTS.findall(bracket + rest) if bracket else [])]
    node = root
    for segment in path[:-1]:
        key = segment or str(_next_index(node))
        inner = node.get(key)
        if not isinstance(inner, dict):
            inner = node[key] = {}
        node = inner
    node[path[-1] or str(_next_index(node))] = value


def _next_index(node: Mapping[str, Any]) -> int:
    return max((int(key) + 1 for key in node if key.isdigit()), default=0)


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {key: _listed(inner) for key, inner in value.items()}
    if items and list(items) == [str(index) for index in range(len(items))]:
        return list(items.values())
    return items


def json_array(items: Mapping[Any, Any]) -> Any:
    """A PHP array as json_encode writes it: `[]` when empty, a list when the keys are 0, 1, 2 …"""
    if all(str(key) == str(index) for index, key in enumerate(items)):
        return list(items.values())
    return {str(key): value for key, value in items.items()}


def upper_keys(params: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).upper(): value for key, value in params.items()}


def values_of(value: Any) -> list[Any]:
    """What `(array)$value` holds, whichever way the client wrote it."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def as_int(value: Any) -> int:
    """`(int)$value`: leading digits, otherwise 0."""
    if isinstance(value, bool | int | float):
        return int(value)
    found = re.match(r"\s*[+-]?\d+", value) if isinstance(value, str) else None
    return int(found.group()) if found else 0


def as_text(value: Any) -> str:
    """`(string)$value` for what a form or a JSON body can hold; arrays give an empty string here."""
    if value is None or value is False or isinstance(value, Mapping | list | tuple):
        return ""
    return "1" if value is True else str(value)


def is_yes(value: Any) -> bool:
    """How the portal reads its many flags: Y, 1 and true switch on."""
    return as_text(value).upper() in {"Y", "1", "TRUE"}
