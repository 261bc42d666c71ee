"""BB code of Bitrix24 messages as a tree, for whoever shows it: pages, messengers. Pure; in linear time.

Tags and quotes: https://apidocs.bitrix24.com/api-reference/chats/messages/formatting.html. The text for reading that
the archive stores and seals (`bitrix.bbcode.plain`) is not made from this tree: it must stay what it was.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from itertools import groupby
from typing import Final

from .values import dataclass

MAX_DEPTH: Final = 16  # tags inside tags; deeper ones dress nothing
MAX_QUOTES: Final = 4  # quotes inside quotes; deeper ones are text
_VOID: Final = ("icon", "disk", "timestamp")
_NAMES: Final = "b|i|u|s|size|color|user|chat|context|code|put|send|call|url|img|quote|icon|disk|timestamp"
_BREAK: Final = re.compile(r"\[br\s*/?\]|\r\n?", re.IGNORECASE)
# A quote is a block between two lines of 54 dashes, or lines that begin with '>>'. Every line of dashes that opens one
# may close another, so that only the last of them is ever searched for in vain.
_TOKEN: Final = re.compile(
    rf"\[(?P<end>/?)(?P<name>{_NAMES})(?:[= ](?P<value>[^\[\]]*))?\]"
    r"|^-{54}\n(?P<block>.*?)\n-{54}(?:\n|\Z)"
    r"|(?P<lines>(?:^>>[^\n]*(?:\n|\Z))+)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_TAG_BEGIN: Final = re.compile(rf"\[(?=/?(?:br|{_NAMES})\b)", re.IGNORECASE)
_NO_WIDTH: Final = "\u2060"  # word joiner
_CODE_END: Final = re.compile(r"\[/code\]", re.IGNORECASE)
_HEAD: Final = re.compile(r"(?P<head>[^\n]*\S \[[^\[\]\n]+\])(?: #\S+)?\n")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_SAFE: Final = re.compile(r"(?:https?://[^/]|mailto:.|tel:.)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}(?::\d+)?(?:[/?#]|\Z)")


@dataclass(frozen=True, slots=True)
class Text:
    """Words as they are; a line break is '\\n'."""

    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """`name` is in lower case: [url=https://a.ru]сайт[/url] -> Tag("url", "https://a.ru", (Text("сайт"),)).

    `icon`, `disk` and `timestamp` have no children. `code` holds its text as it was. The value of a quote is whom and
    when it quotes ('Анна [01.08.2026 12:00]'), "" when nobody said.
    """

    name: str
    value: str
    children: tuple[Node, ...] = ()


Node = Text | Tag


def disarmed(text: str) -> str:
    """Words from outside as the portal shows them literally: no link under another name, no button that sends or calls.

    A mark without width stands behind each bracket that would begin a tag. '[send=/x]да[/send]' stays to be read.
    """
    return _TAG_BEGIN.sub(f"[{_NO_WIDTH}", text)


@dataclass(slots=True)
class _Open:
    name: str
    value: str
    children: list[Node] = field(default_factory=list)


def parse(text: str) -> tuple[Node, ...]:
    """Tags that are never closed dress nothing, those closed crosswise end together, unknown ones are text."""
    return _parse(_BREAK.sub("\n", text) if "[" in text or "\r" in text else text, 0)


def words(nodes: Iterable[Node]) -> str:
    """What is left of them without any dress: '[b]a[/b] [url=x]y[/url]' -> 'a y'."""
    return "".join(node.text if isinstance(node, Text) else _words_of(node) for node in nodes)


def attribute(value: str, name: str) -> str:
    """A named part of a tag's value: attribute('i.png size=20 title=Так и', 'size') -> '20'. A title is the rest."""
    _, found, rest = f" {value}".partition(f" {name}=")
    return rest if name == "title" or not found else rest.partition(" ")[0]


def link(tag: Tag) -> str:
    """Where an `url` or `img` leads; "" unless it is safe to follow: http, https, mailto, tel, or a bare host."""
    address = _UNSEEN.sub("", tag.value if tag.name == "url" and tag.value else words(tag.children))
    if _SAFE.match(address):
        return address
    return f"https://{address}" if _HOST.match(address) else ""


def _words_of(tag: Tag) -> str:
    return attribute(tag.value, "title") if tag.name == "icon" else words(tag.children)


def _parse(text: str, quotes: int) -> tuple[Node, ...]:
    stack, place = [_Open("", "")], 0
    ends_of_code = [match.span() for match in _CODE_END.finditer(text)]
    while match := _TOKEN.search(text, place):
        if match.start() > place:
            stack[-1].children.append(Text(text[place : match.start()]))
        place = match.end()
        if match["name"] is None:
            stack[-1].children.append(_quote(match, quotes))
        elif match["end"]:
            _close(stack, match["name"].lower())
        else:
            name, value = match["name"].lower(), (match["value"] or "").strip()
            if name == "code":
                next_end = bisect_left(ends_of_code, (place, 0))
                if next_end < len(ends_of_code):
                    end, after = ends_of_code[next_end]
                    stack[-1].children.append(Tag(name, "", (Text(text[place:end]),)))
                    place = after
            elif name in _VOID:
                stack[-1].children.append(Tag(name, value))
            elif len(stack) <= MAX_DEPTH:
                stack.append(_Open(name, value))
    if place < len(text):
        stack[-1].children.append(Text(text[place:]))
    while len(stack) > 1:
        unclosed = stack.pop()
        stack[-1].children.extend(unclosed.children)
    return _settled(stack[0].children)


def _close(stack: list[_Open], name: str) -> None:
    if not any(tag.name == name for tag in stack):
        return
    while True:
        done = stack.pop()
        stack[-1].children.append(Tag(done.name, done.value, _settled(done.children)))
        if done.name == name:
            return


def _quote(match: re.Match[str], quotes: int) -> Node:
    if quotes == MAX_QUOTES:
        return Text(match[0])
    if match["block"] is not None:
        head = _HEAD.match(match["block"] + "\n")
        body = match["block"][head.end() :] if head else match["block"]
        return Tag("quote", head["head"] if head else "", _parse(body, quotes + 1))
    lines = (line.removeprefix(">>").removeprefix(" ") for line in match["lines"].removesuffix("\n").split("\n"))
    return Tag("quote", "", _parse("\n".join(lines), quotes + 1))


def _settled(children: Sequence[Node]) -> tuple[Node, ...]:
    """Texts beside each other become one."""
    return tuple(_joined(children))


def _joined(children: Sequence[Node]) -> Iterator[Node]:
    for is_text, group in groupby(children, key=lambda node: isinstance(node, Text)):
        if is_text:
            yield Text(words(group))
        else:
            yield from group
