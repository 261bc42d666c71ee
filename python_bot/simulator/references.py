"""`$result[name][field]` inside a batch: a command uses what an earlier one gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .php import as_text

_REFERENCE = re.compile(r"\$result((?:\[[^\]]*\])+)")
_KEY = re.compile(r"\[([^\]]*)\]")


def resolve(value: Any, done: Mapping[Any, Any]) -> Any:
    """Replace every reference in a command's parameters; one that leads nowhere becomes empty."""
    if isinstance(value, dict):
        return {key: resolve(inner, done) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, done) for inner in value]
    if not isinstance(value, str) or "$result" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole.group(1), done)
    return _REFERENCE.sub(lambda found: as_text(_look_up(found.group(1), done)), value)


def _look_up(path: str, done: Mapping[Any, Any]) -> Any:
    node: Any = done
    for key in _KEY.findall(path):
        key = key.strip("'\"")
        if isinstance(node, Mapping):
            node = node.get(key, node.get(int(key)) if key.isdigit() else None)
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return ""
    return "" if node is None else node
