"""BB code of Bitrix24 messages turned into text for reading. Pure.

Tags: https://apidocs.bitrix24.com/api-reference/chats/messages/formatting.html
"""

from __future__ import annotations

import re
from typing import Final

# Tags that only dress the text between them; the letter case varies.
_DRESS: Final = re.compile(
    r"\[/?(?:b|i|u|s|size|color|user|chat|context|code|put|send|call|url|img|quote|timestamp)(?:[= ][^\[\]]*)?\]",
    re.IGNORECASE,
)
_BREAK: Final = re.compile(r"\[br\s*/?\]|\r\n?", re.IGNORECASE)
# The label ends where the next link begins: an unclosed tag must not make every other one search to the end.
_LINK: Final = re.compile(r"\[url=([^\[\]]+)\]((?:(?!\[/?url).)*)\[/url\]", re.IGNORECASE | re.DOTALL)
_ICON: Final = re.compile(r"\[icon=([^\[\]]*)\]", re.IGNORECASE)
_DISK: Final = re.compile(r"\[disk=[^\[\]]*\]", re.IGNORECASE)


def plain(text: str) -> str:
    """'[B]Да[/B],[br]см. [url=https://a.ru]сайт[/url]' -> 'Да,\\nсм. сайт (https://a.ru)'."""
    if "[" not in text and "\r" not in text:
        return text
    text = _BREAK.sub("\n", text)
    text = _LINK.sub(_link, text)
    text = _ICON.sub(_icon, text)
    text = _DISK.sub("", text)
    return _DRESS.sub("", text)


def _link(match: re.Match[str]) -> str:
    href, label = match[1], match[2]
    return href if label in ("", href) else f"{label} ({href})"


def _icon(match: re.Match[str]) -> str:
    return match[1].partition("title=")[2]
