"""Requests of a portal turned into nested dicts: PHP bracket keys or JSON, however broken. Pure.

Bitrix24 sends events as `application/x-www-form-urlencoded` with PHP keys (`data[PARAMS][CHAT_ID]=1763`);
all scalars are strings, nulls and empty arrays vanish.
Source: https://apidocs.bitrix24.com/api-reference/events/index.html
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any, Final, Literal, NamedTuple

from ..errors import BadEvent
from ..values import dataclass

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
    keys: list[_Key] = []
    raw_values: list[bytes] = []
    kept: list[bytes] = []
    facts: list[bytes] = []
    # The query comes first so that a body key of the same name wins.
    for source in (query, body):
        if not source:
            continue
        for pair in source.split(b"&", MAX_PAIRS)[:MAX_PAIRS]:
            raw_key, _, raw_value = pair.partition(b"=")
            key = _key(raw_key) if len(raw_key) <= MAX_KEY_BYTES else None
            if key is None or key.is_copy:
                continue
            if key.is_fact:
                kept.append(pair)
                facts.append(pair)
            elif key.is_handler:
                kept.append(pair)
            keys.append(key)
            raw_values.append(raw_value)
    form = _Form()
    for key, value in zip(keys, _decoded(raw_values), strict=True):
        form.put(key.above, key.last, value)
    facts.append(b"")  # each ends in &
    return Request(form.tree, b"&".join(kept), "form", blake2b(b"&".join(facts), digest_size=16).digest())


class _Form:
    """`tree` grows with each `put`, as PHP's $_POST does."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self._next_index: dict[int, int] = {}  # id of a node -> where `list[]=a&list[]=b` goes on: it costs no search
        self._nodes: dict[tuple[str, ...], Tree] = {(): self.tree}  # most pairs stand beside the one before

    def put(self, above: tuple[str, ...], last: str, value: str) -> None:
        node = self._nodes.get(above)
        if node is None:
            node = self._node(above)
        name = last or self._next_key(node)
        if type(node.get(name)) is dict:
            self._nodes = {(): self.tree}  # the text takes the place of a whole branch, whose ids are free again
            self._next_index.clear()
        node[name] = value

    def _node(self, above: tuple[str, ...]) -> Tree:
        node = self.tree
        for step in above:
            key = step or self._next_key(node)
            child = node.get(key)
            if type(child) is not dict:
                child = node[key] = {}
            node = child
        if "" not in above:
            self._nodes[above] = node
        return node

    def _next_key(self, node: Tree) -> str:
        index = self._next_index.get(id(node), 0)
        while str(index) in node:
            index += 1
        self._next_index[id(node)] = index + 1
        return str(index)


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


class _Key(NamedTuple):
    """Where a value stands: `last` in the node `above`. `is_fact`: part of the event itself; `is_copy`: of tokens."""

    above: tuple[str, ...]
    last: str
    is_fact: bool
    is_copy: bool
    is_handler: bool


@lru_cache(maxsize=4096)
def _key(raw: bytes) -> _Key | None:
    """None for an empty key. Cached because the same hundred keys come with every event."""
    path = split_key(decode(raw))
    if not path[0]:
        return None
    is_copy = len(path) > 3 and path[:2] in _BOT_BLOCKS and path[3] == "AUTH"
    return _Key(path[:-1], path[-1], _is_fact(path), is_copy, path[0] == "event_handler_id")


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


_ESCAPES: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


def decode(raw: bytes) -> str:
    """Percent-decoded text; what is not UTF-8 becomes U+FFFD, NUL vanishes (SQLite would cut there)."""
    octets = _octets(raw) if b"%" in raw or b"+" in raw else raw
    return octets.decode("utf-8", "replace").replace("\x00", "")


def _decoded(raw_values: list[bytes]) -> list[str]:
    """`decode` of each. Together they take a fifth of the time, a NUL between them: it is part of no escape and of no
    character, so what stands beside it is read as at the end."""
    together = b"\x00".join(raw_values)
    if not raw_values or together.count(b"\x00") >= len(raw_values) or b"%00" in together:
        return [decode(raw) for raw in raw_values]
    return _octets(together).decode("utf-8", "replace").split("\x00")


def _octets(raw: bytes) -> bytes:
    """A `%` that begins no escape stays as it is."""
    raw = raw.replace(b"+", b" ")
    try:
        # Python reads \xD0 in C, several times as quickly as anything that looks at each escape.
        return raw.replace(b"\\", b"\\\\").replace(b"%", b"\\x").decode("unicode_escape").encode("latin-1")
    except UnicodeDecodeError:
        return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), raw)


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
