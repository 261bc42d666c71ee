"""Text and its markup: what the messenger finds, accepts and refuses. Offsets and lengths are UTF-16 code units."""

from __future__ import annotations

import re
from typing import Any

from .errors import bad_request
from .markup import parse_html
from .params import Params

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_ENTITIES = 100
ENTITY_TYPES = frozenset({
    "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold", "italic",
    "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre",
    "text_link", "text_mention", "custom_emoji", "date_time",
})  # fmt: skip
_FOUND = re.compile(
    r"(?P<url>(?:https?://|www\.)[^\s<>\"']+[^\s<>\"'.,;:!?)\]])"
    r"|(?P<email>[\w.+-]+@[\w-]+\.[\w.-]*\w)"
    r"|(?<![\w/])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@\w+)?)(?!\w)"
    r"|(?<!\w)(?P<mention>@[A-Za-z]\w{3,31})"
    r"|(?<!\w)(?P<hashtag>#\w*[^\W\d]\w*)"
)


def units(text: str) -> int:
    """How long the messenger thinks a text is."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def found_entities(text: str) -> list[dict[str, Any]]:
    """Links, addresses, commands, mentions and hashtags, as the messenger marks them in everybody's text."""
    return [
        {"type": match.lastgroup, "offset": units(text[: match.start()]), "length": units(match.group())}
        for match in _FOUND.finditer(text)
    ]


def read_text(params: Params) -> dict[str, Any]:
    """'text' and 'entities' of a message. Raises Refused for one that is empty or too long."""
    text, entities = _formatted(params, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if units(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return {"text": text} | ({"entities": entities} if entities else {})


def read_caption(params: Params) -> dict[str, Any]:
    """'caption' and 'caption_entities', both absent when there is none. Raises Refused."""
    text, entities = _formatted(params, "caption", "caption_entities")
    if units(text) > MAX_CAPTION:
        raise bad_request("message caption is too long")
    if not text:
        return {}
    return {"caption": text} | ({"caption_entities": entities} if entities else {})


def _formatted(params: Params, name: str, entities_name: str) -> tuple[str, list[dict[str, Any]]]:
    raw, mode = params.text(name), params.text("parse_mode").lower()
    _refuse_surrogates(raw)
    if mode == "html":
        text, entities = parse_html(raw)
    elif mode in ("", "none"):
        text, entities = raw, _given_entities(params.list(entities_name))
    else:
        # 'Markdown' and 'MarkdownV2' exist there; nobody here may use them.
        raise bad_request("unsupported parse_mode")
    text, entities = _trimmed(_cleaned(text), entities)
    covered = [entity for entity in entities if entity["type"] in ("code", "pre", "text_link", "text_mention")]
    return text, sorted(
        entities + [found for found in found_entities(text) if not any(_overlap(found, other) for other in covered)],
        key=lambda entity: (entity["offset"], -entity["length"]),
    )[:MAX_ENTITIES]


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["offset"] < other["offset"] + other["length"] and other["offset"] < one["offset"] + one["length"])


def _refuse_surrogates(text: str) -> None:
    """Half of an emoji: a text that was cut at the wrong place."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise bad_request("strings must be encoded in UTF-8")


def _cleaned(text: str) -> str:
    """Control characters become spaces one for one, so that offsets stay right."""
    return "".join(" " if char < " " and char != "\n" else char for char in text)


def _trimmed(text: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """White space at both ends goes; entities move along, and those of nothing else go too."""
    kept = text.strip()
    before, length = units(text[: len(text) - len(text.lstrip())]), units(kept)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - before, 0)
        end = min(entity["offset"] - before + entity["length"], length)
        if end > start:
            moved.append(entity | {"offset": start, "length": end - start})
    return kept, moved


def _given_entities(entities: list[Any] | None) -> list[dict[str, Any]]:
    found = []
    for entity in entities or []:
        if not isinstance(entity, dict) or not isinstance(entity.get("type"), str):
            raise bad_request("can't parse MessageEntity: Can't find field \"type\"")
        if entity["type"] not in ENTITY_TYPES:
            raise bad_request("can't parse MessageEntity: unsupported type specified")
        for name in ("offset", "length"):
            if not isinstance(entity.get(name), int):
                raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
        if entity["type"] == "text_link" and not entity.get("url"):
            raise bad_request("can't parse MessageEntity: Can't find field \"url\"")
        if entity["offset"] < 0 or entity["length"] <= 0:
            continue
        found.append(entity)
    return found
