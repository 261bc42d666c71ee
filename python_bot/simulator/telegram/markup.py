"""parse_mode HTML, with the refusals of the real parser: an unknown tag is an error and never text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .errors import Refused, bad_request

ENTITY_OF_TAG = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "span": "spoiler", "code": "code", "pre": "pre", "blockquote": "blockquote", "a": "text_link",
    "tg-emoji": "custom_emoji",
}  # fmt: skip
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(lt|gt|amp|quot));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ATTRIBUTE = re.compile(r"\s*([^\s=>/\"']*)\s*(=?)\s*(?:\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9.-]+))?")


@dataclass(slots=True)
class _Open:
    tag: str
    offset: int  # UTF-16 units of the text so far
    attributes: dict[str, str]


def _broken(what: str) -> Refused:
    return bad_request(f"can't parse entities: {what}")


def parse_html(html: str) -> tuple[str, list[dict[str, Any]]]:
    """The text and its entities. Raises Refused; places are told in bytes of the UTF-8 text, as the real one does."""
    return _Parser(html).parsed()


class _Parser:
    def __init__(self, html: str) -> None:
        self.html, self.at = html, 0
        self.text: list[str] = []
        self.length = 0
        self.open: list[_Open] = []
        self.entities: list[dict[str, Any]] = []

    def parsed(self) -> tuple[str, list[dict[str, Any]]]:
        while self.at < len(self.html):
            char = self.html[self.at]
            if char == "<":
                self._tag()
            elif char == "&" and (match := _REFERENCE.match(self.html, self.at)) and (text := _referred(match)):
                self._add(text)
                self.at = match.end()
            else:
                self._add(char)
                self.at += 1
        if self.open:
            raise _broken(f'Can\'t find end tag corresponding to start tag "{self.open[-1].tag}"')
        order = sorted(self.entities, key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.text), order

    def _add(self, text: str) -> None:
        self.text.append(text)
        self.length += sum(2 if char > "\uffff" else 1 for char in text)

    def _byte(self, at: int) -> int:
        return len(self.html[:at].encode())

    def _tag(self) -> None:
        start, end = self.at, self.html.find(">", self.at)
        is_end = self.html.startswith("</", start)
        match = re.compile(r"</?([^\s>]*)").match(self.html, start)
        assert match is not None
        name = match.group(1).lower()
        if is_end:
            self._end_tag(name, start, end)
            return
        if match.end() == len(self.html):
            raise _broken(f"Unclosed start tag at byte offset {self._byte(start)}")
        if name not in ENTITY_OF_TAG:
            raise _broken(f'Unsupported start tag "{name}" at byte offset {self._byte(start)}')
        self.at = match.end()
        attributes = self._attributes(name, start)
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise _broken(f'Tag "span" must have class "tg-spoiler" at byte offset {self._byte(start)}')
        self.open.append(_Open(name, self.length, attributes))

    def _attributes(self, name: str, start: int) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            while self.at < len(self.html) and self.html[self.at].isspace():
                self.at += 1
            if self.at >= len(self.html):
                raise _broken(f'Unclosed start tag "{name}" at byte offset {self._byte(start)}')
            if self.html[self.at] == ">":
                self.at += 1
                return found
            match = _ATTRIBUTE.match(self.html, self.at)
            assert match is not None
            key, equal, *values = match.groups()
            if not key:
                raise _broken(f'Empty attribute name in the tag "{name}" at byte offset {self._byte(start)}')
            value = next((value for value in values if value is not None), None)
            if (equal and value is None) or (not equal and value is not None):
                raise _broken(
                    f'Expected equal sign in declaration of an attribute of the tag "{name}"'
                    f" at byte offset {self._byte(start)}"
                )
            found[key.lower()] = _REFERENCE.sub(lambda match: _referred(match) or match.group(), value or "")
            self.at = match.end()

    def _end_tag(self, name: str, start: int, end: int) -> None:
        if not self.open:
            raise _broken(f"Unexpected end tag at byte offset {self._byte(start)}")
        if end < 0 or self.html[start + 2 : end].strip().lower() != name:
            raise _broken(f"Unclosed end tag at byte offset {self._byte(start)}")
        opened = self.open.pop()
        if name and name != opened.tag:
            raise _broken(
                f'Unmatched end tag at byte offset {self._byte(start)}, expected "</{opened.tag}>", found "</{name}>"'
            )
        self.at = end + 1
        if self.length > opened.offset:
            self._close(opened)

    def _close(self, opened: _Open) -> None:
        text = "".join(self.text)
        entity: dict[str, Any] = {
            "type": ENTITY_OF_TAG[opened.tag], "offset": opened.offset, "length": self.length - opened.offset,
        }  # fmt: skip
        if opened.tag == "a":
            inner = text.encode("utf-16-le")[2 * opened.offset :].decode("utf-16-le")
            url = opened.attributes.get("href", inner)
            if not re.match(r"(?i)(https?|tg|ftp)://\S+$|[\w-]+(\.[\w-]+)+\S*$|mailto:\S+$|tel:\S+$", url):
                return  # what is no address stays plain text, without a word
            entity["url"] = url if re.match(r"(?i)[a-z]+:", url) else f"http://{url}"
        elif opened.tag == "blockquote" and "expandable" in opened.attributes:
            entity["type"] = "expandable_blockquote"
        elif opened.tag == "tg-emoji":
            entity["custom_emoji_id"] = opened.attributes.get("emoji-id", "")
            if not entity["custom_emoji_id"].isdigit():
                raise _broken("Invalid custom emoji identifier specified")
        elif opened.tag == "code" and self.open and self.open[-1].tag == "pre":
            language = opened.attributes.get("class", "")
            if language.startswith("language-"):
                self.open[-1].attributes["language"] = language.removeprefix("language-")
            return
        if opened.tag == "pre" and "language" in opened.attributes:
            entity["language"] = opened.attributes["language"]
        self.entities.append(entity)


def _referred(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return _NAMED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
