"""Requests of a portal turned into nested dicts: PHP bracket keys or JSON, however broken. Pure.

Bitrix24 sends events as `application/x-www-form-urlencoded` with PHP keys (`data[PARAMS][CHAT_ID]=1763`);
all scalars are strings, nulls and empty arrays vanish.
Source: https://apidocs.bitrix24.com/api-reference/events/index.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any, Final, Literal

from ..errors import BadEvent

Tree = dict[str, Any]  # str -> str or Tree (JSON bodies may also hold lists, numbers, booleans)

MAX_DEPTH: Final = 24  # genuine payloads nest at most 8 deep; deeper keys stay one flat key
MAX_PAIRS: Final = 50_000
MAX_KEY_BYTES: Final = 1_000

# Keys whose values open something. They are used at the door and never stored or logged.
SECRET_KEYS: Final = frozenset(
    {
        "access_token",
        "refresh_token",
        "application_token",
        "client_secret",
        "auth_id",
        "refresh_id",
        "app_sid",
    }
)
_SECRET_AT_TOP: Final = frozenset({"code", "token", "state", "secret"})  # deeper they are ordinary words
# Blocks that repeat the tokens of a bot; only these of their members are facts.
_BOT_FACTS: Final = frozenset(
    {"BOT_ID", "BOT_CODE", "COMMAND", "COMMAND_ID", "COMMAND_PARAMS", "COMMAND_CONTEXT", "MESSAGE_ID"}
)
_BOT_BLOCKS: Final = (("data", "BOT"), ("data", "COMMAND"))
_AUTH_FACTS: Final = frozenset({"domain", "member_id", "user_id", "client_endpoint"})


@dataclass(frozen=True, slots=True)
class Request:
    """`tree`: everything that came. `stored`: the same without credentials, for the journal.

    `fingerprint` is equal for two deliveries of one event, whatever tokens and handler id they carry.
    """

    tree: Tree
    stored: bytes
    format: Literal["form", "json"]
    fingerprint: bytes


def read_request(body: bytes, query: bytes = b"") -> Request:
    """Form or JSON, told apart by the first byte. Raises BadEvent when a JSON body is no JSON object."""
    if body[:64].lstrip()[:1] == b"{":
        return _read_json(body, query)
    return _read_form(body, query)


def _read_form(body: bytes, query: bytes) -> Request:
    tree: Tree = {}
    next_index: dict[int, int] = {}
    kept: list[bytes] = []
    hashed = blake2b(digest_size=16)
    # The query comes first so that a body key of the same name wins.
    for source in (query, body):
        if not source:
            continue
        for pair in source.split(b"&", MAX_PAIRS)[:MAX_PAIRS]:
            raw_key, _, raw_value = pair.partition(b"=")
            key = _key(raw_key) if len(raw_key) <= MAX_KEY_BYTES else None
            if key is None:
                continue
            path, is_fact, is_copy = key
            if is_copy:
                continue
            if is_fact:
                kept.append(pair)
                hashed.update(pair)
                hashed.update(b"&")
            elif path[0] == "event_handler_id":
                kept.append(pair)
            _put(
                tree,
                next_index,
                path,
                decode(raw_value) if b"%" in raw_value or b"+" in raw_value else _plain(raw_value),
            )
    return Request(tree, b"&".join(kept), "form", hashed.digest())


def _read_json(body: bytes, query: bytes) -> Request:
    try:
        value = json.loads(body.decode("utf-8", "replace"), parse_constant=lambda name: None)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"the body starts like JSON but is not: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise BadEvent("the JSON body is not an object")
    tree: Tree = _read_form(b"", query).tree | clean_tree(value)
    stored = json.dumps(without_secrets(tree), ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    return Request(tree, stored, "json", blake2b(stored, digest_size=16).digest())


@lru_cache(maxsize=4096)
def _key(raw: bytes) -> tuple[tuple[str, ...], bool, bool] | None:
    """Raw key -> (path, part of the event itself?, a mere copy of tokens?); None for an empty key.

    Cached because the same hundred keys come with every event.
    """
    text = decode(raw)
    path = split_key(text)
    if not path[0]:
        return None
    is_copy = len(path) > 3 and path[:2] in _BOT_BLOCKS and path[3] == "AUTH"
    return path, _is_fact(path), is_copy


_BRACKETS: Final = re.compile(r"[\[\]]+")


def _is_fact(path: tuple[str, ...]) -> bool:
    """Whether a value may be stored: it is no credential, wherever in the key a credential's name stands."""
    if path[0] == "event_handler_id" or not SECRET_KEYS.isdisjoint(_BRACKETS.split("[".join(path).lower())):
        return False
    if len(path) == 1 and path[0].lower() in _SECRET_AT_TOP:
        return False
    if path[0] == "auth":
        return len(path) == 2 and path[1] in _AUTH_FACTS
    if path[:2] in _BOT_BLOCKS:
        return len(path) == 4 and path[3] in _BOT_FACTS
    return path[:3] != ("data", "bot", "auth")  # the same block in version 2


def split_key(key: str) -> tuple[str, ...]:
    """'data[BOT][597][BOT_ID]' -> ('data', 'BOT', '597', 'BOT_ID'); too deep or unbalanced -> the key as it is."""
    head, bracket, rest = key.partition("[")
    if not bracket or not rest.endswith("]"):
        return (key,)
    parts = rest[:-1].split("][", MAX_DEPTH)
    return (head, *parts) if len(parts) < MAX_DEPTH else (key,)


def _put(tree: Tree, next_index: dict[int, int], path: tuple[str, ...], value: str) -> None:
    """`next_index`: id of a node -> where PHP's `list[]=a&list[]=b` goes on; kept so that it costs no search."""
    node = tree
    for step in path[:-1]:
        key = step or _next_key(node, next_index)
        child = node.get(key)
        if type(child) is not dict:
            child = node[key] = {}
        node = child
    node[path[-1] or _next_key(node, next_index)] = value


def _next_key(node: Tree, next_index: dict[int, int]) -> str:
    index = next_index.get(id(node), 0)
    while str(index) in node:
        index += 1
    next_index[id(node)] = index + 1
    return str(index)


_ESCAPES: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def decode(raw: bytes) -> str:
    """Percent-decoded text; what is not UTF-8 becomes U+FFFD, NUL vanishes (SQLite would cut there)."""
    # Whole runs of escapes at once: a Cyrillic word is one run.
    octets = _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), raw.replace(b"+", b" "))
    return octets.decode("utf-8", "replace").replace("\x00", "")


def _plain(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\x00", "")


_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text that every store and every answer can carry: no NUL, no lone surrogates."""
    return _SURROGATES.sub("\ufffd", text.replace("\x00", ""))


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(k)): _clean(v, depth + 1) for k, v in value.items()} if depth < MAX_DEPTH else {}
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value] if depth < MAX_DEPTH else []
    if isinstance(value, float) and not isfinite(value):
        return None  # 1e999 parses as infinity, which is no JSON
    return value


def clean_tree(tree: Tree) -> Tree:
    """A tree from parsed JSON with every text made storable."""
    cleaned: Tree = _clean(tree, 0)
    return cleaned


def without_secrets(tree: Tree) -> Tree:
    """The tree as the journal may keep it: no credential block, no key that opens something."""
    return _without_secrets(tree, ())


def _without_secrets(tree: Tree, above: tuple[str, ...]) -> Tree:
    kept: Tree = {}
    for key, value in tree.items():
        path = (*above, key)
        if isinstance(value, list):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict):
            inner = _without_secrets(value, path)
            if inner:
                kept[key] = inner
        elif _is_fact(path):
            kept[key] = value
    return kept
