"""Finding words in bytes, however they are written there. Pure.

A word may lie on a disk as UTF-8, as UTF-16, escaped as JSON or percent-encoded as a form has it, and all of that
inside a compressed stream.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

SHORTEST_NAME: Final = 5  # shorter ones stand in half of all words
SHORTEST_TEXT: Final = 12  # «Спасибо» was said by everybody
LONGEST: Final = 40  # characters of a word that are looked for: its beginning
UNPACKED: Final = 4 * 1024 * 1024  # bytes of a stream that are looked at
# zlib at its four levels, and gzip.
_STREAM: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")


def forms(word: str) -> set[bytes]:
    """Every way in which a word may be written."""
    escaped = json.dumps(word)[1:-1]
    upper = re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), escaped)
    texts = {word, json.dumps(word, ensure_ascii=False)[1:-1], escaped, upper}
    for coded in (quote(word, safe=""), quote_plus(word), quote(word)):
        texts |= {coded, re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), coded)}
    wide = {word.encode("utf-16-le", "surrogatepass"), word.encode("utf-16-be", "surrogatepass")}
    return {text.encode("utf-8", "surrogatepass") for text in texts} | wide


class Matcher:
    """Finds any of many words in bytes, also in other spellings: such as the one that a search index keeps."""

    def __init__(self, words: Collection[str], *spellings: Callable[[str], str]) -> None:
        spelt = {word: {word, *(spell(word) for spell in spellings)} for word in words}
        self._word_of = {form: word for word, ways in spelt.items() for way in ways for form in forms(way)}
        self._pattern = re.compile(_alternatives(self._word_of), re.DOTALL) if self._word_of else None
        self.longest = max(map(len, self._word_of), default=0)

    def words_in(self, data: bytes) -> set[str]:
        """The words that stand in these bytes as they are."""
        if self._pattern is None:
            return set()
        return {self._word_of[found] for found in self._pattern.findall(data)}

    def words_packed_in(self, data: bytes) -> set[str]:
        """The words in compressed streams that begin in these bytes, even when a stream breaks off."""
        found: set[str] = set()
        for start in _STREAM.finditer(data):
            for part in _unpacked(data, start.start()):
                found |= self.words_in(part)
        return found


def _unpacked(data: bytes, start: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=47)  # zlib or gzip, by its beginning
    try:
        part = stream.decompress(data[start : start + 512], UNPACKED)  # most beginnings are none
        yield part + stream.decompress(stream.unconsumed_tail + data[start + 512 : start + UNPACKED], UNPACKED)
    except zlib.error:
        # Broken off in its middle: byte by byte as far as it goes.
        yield _as_far_as_it_goes(data, start)


def _as_far_as_it_goes(data: bytes, start: int) -> bytes:
    stream, parts = zlib.decompressobj(wbits=47), []
    try:
        for at in range(start, min(len(data), start + 65536), 16):
            parts.append(stream.decompress(data[at : at + 16]))
    except zlib.error:
        pass
    return b"".join(parts)


def _alternatives(words: Iterable[bytes]) -> bytes:
    """A pattern for any of the words that branches byte by byte: its cost does not grow with their number."""
    root: dict[int, Any] = {}
    for word in sorted(words):
        node = root
        for byte in word:
            if None in node:
                break  # a shorter one is its beginning and is found first
            node = node.setdefault(byte, {})
        else:
            node[None] = {}  # type: ignore[index]  # marks an end

    def pattern(node: dict[Any, Any]) -> bytes:
        parts = []
        run = b""
        while len(node) == 1 and None not in node:
            ((byte, node),) = node.items()
            run += re.escape(bytes((byte,)))
        if None in node:
            return run
        parts = [re.escape(bytes((byte,))) + pattern(child) for byte, child in node.items()]
        return run + b"(?:" + b"|".join(parts) + b")"

    return pattern(root)
