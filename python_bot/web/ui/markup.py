"""What was written, as HTML: tags that dress, links that are safe to follow, everything else as text. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

from ...bbcode import Node, Tag, Text, attribute, link, parse, words

_DRESS: Final = {"b": "strong", "i": "em", "u": "u", "s": "s", "code": "code"}
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"'«»]+", re.IGNORECASE)
SHOWN: Final = 200  # characters of a line in a list
_AFTER: Final = ".,;:!?…)]}"
_PLAIN: Final = re.compile(r"[\[\r]|^>>|^-{54}$|https?://", re.IGNORECASE | re.MULTILINE)

Moment = Callable[[int], str]


def written(text: str, moment: Moment) -> Markup:
    """`moment`: Unix seconds -> as the reader's clock shows them."""
    if not _PLAIN.search(text):
        return escape(text)
    return Markup(_all(parse(text), moment, is_linked=False))


@lru_cache(512)
def shown_name(name: str, fallback: str) -> str:
    """A name that can be seen: one of spaces and invisible marks alone is none."""
    return name if any(unicodedata.category(c)[0] in "LNPS" for c in name) else fallback


def _all(nodes: Iterable[Node], moment: Moment, *, is_linked: bool) -> str:
    return "".join(
        _linked(node.text, is_linked) if isinstance(node, Text) else _tag(node, moment, is_linked) for node in nodes
    )


def _linked(text: str, is_linked: bool) -> str:
    """Addresses that nobody put into a tag can be followed too."""
    if is_linked or "://" not in text:
        return str(escape(text))
    pieces, place = [], 0
    for match in _ADDRESS.finditer(text):
        address = match[0].rstrip(_AFTER)
        pieces += [str(escape(text[place : match.start()])), _anchor(address, str(escape(address)))]
        place = match.start() + len(address)
    return "".join((*pieces, str(escape(text[place:]))))


def _anchor(address: str, label: str) -> str:
    return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow" target="_blank">{label}</a>'


def _tag(tag: Tag, moment: Moment, is_linked: bool) -> str:
    if tag.name in ("url", "img"):
        address = "" if is_linked else link(tag)
        inner = _all(tag.children, moment, is_linked=is_linked or bool(address))
        return _anchor(address, inner or str(escape(address))) if address else inner
    if tag.name == "icon":
        return str(escape(attribute(tag.value, "title")))
    if tag.name == "timestamp":
        seconds = tag.value.partition(" ")[0]
        is_time = seconds.isascii() and seconds.isdigit() and len(seconds) < 12
        return str(escape(moment(int(seconds)))) if is_time else ""
    inner = _all(tag.children, moment, is_linked=is_linked)
    if tag.name == "quote":
        head = f"<cite>{escape(tag.value)}</cite>" if tag.value else ""
        return f"<blockquote>{head}{inner}</blockquote>"
    if tag.name in _DRESS:
        return f"<{_DRESS[tag.name]}>{inner}</{_DRESS[tag.name]}>"
    if tag.name == "user":
        return f'<span class="mention">{inner}</span>'
    return inner


def spoken(text: str) -> str:
    """One line for a list: 'см. [url=x]сайт[/url]\\nда' -> 'см. сайт да'. What is quoted was said before."""
    nodes = parse(text)
    own = tuple(node for node in nodes if isinstance(node, Text) or node.name != "quote")
    return _one_line(words(own)) or _one_line(words(nodes))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:SHOWN]
