"""A query against one text, without an index: to decide what the index cannot, and to show where it was found. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from .query import Query, Term
from .words import looking_for, normal, phones, spans, spelled, stem, words

FRAGMENT: Final = 240  # characters
BEFORE: Final = 60
_SPECIAL: Final = re.compile("[&<>\"']")  # what escape() changes; most texts have none


def matches(query: Query, normal_text: str, normal_extra: str) -> bool:
    """`normal_text`: what was said; `normal_extra`: names and numbers that stand beside it."""
    texts = (normal_text, normal_extra)
    return all(_is_in(term, texts) for term in query.wanted) and not any(_is_in(t, texts) for t in query.excluded)


def _is_in(term: Term, texts: Sequence[str]) -> bool:
    if term.kind == "part":
        return any(term.words[0] in text for text in texts)
    if term.kind == "exact":
        return any(_phrase_in(term.words, words(text)) for text in texts)
    if term.kind == "prefix":
        return any(word.startswith(term.words[0]) for text in texts for word in words(text))
    wanted = stem(term.words[0])
    return any(stem(word) == wanted for text in texts for word in words(text))


def _phrase_in(phrase: tuple[str, ...], found: list[str]) -> bool:
    length = len(phrase)
    return any(tuple(found[i : i + length]) == phrase for i in range(len(found) - length + 1))


def extra(author: str, file_names: str, text: str) -> str:
    """What is found besides the words of a message: its author, its files, telephone numbers as plain digits."""
    return normal("\n".join(part for part in (author, file_names, " ".join(phones(text))) if part))


class Fragments:
    """Pieces of texts that one query found. A word that comes again in another text is looked at once."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._stems = frozenset(stem(term.words[0]) for term in query.wanted if term.kind == "forms")
        self._beginnings = tuple(term.words[0] for term in query.wanted if term.kind == "prefix")
        self._look = looking_for(frozenset(word[0] for word in (*self._stems, *self._beginnings)))
        self._is_hit: dict[str, bool] = {}  # a word as it was written

    def of(self, text: str, beside: str = "") -> str:
        """The piece around the first hit as HTML: escaped, the hits in <mark>; of names when they were hit."""
        hits = self._hits(text)
        if not hits and beside and (hits := self._hits(beside)):
            text = beside
        first = hits[0][0] if hits else 0
        start = 0 if first <= BEFORE else _word_start(text, first - BEFORE)
        end = min(len(text), start + FRAGMENT)
        if end < len(text):
            end = max(text.rfind(" ", start + FRAGMENT // 2, end), start + FRAGMENT // 2)
        safe = escape if _SPECIAL.search(text) else str
        shown, position = [], start
        for hit_start, hit_end in hits:
            if hit_start < position or hit_end > end:
                continue
            shown += [safe(text[position:hit_start]), f"<mark>{safe(text[hit_start:hit_end])}</mark>"]
            position = hit_end
        shown.append(safe(text[position:end]))
        return f"{'…' if start else ''}{''.join(shown)}{'…' if end < len(text) else ''}"

    def _hits(self, text: str) -> list[tuple[int, int]]:
        hits: set[tuple[int, int]] = set()
        if self._stems or self._beginnings:
            known = self._is_hit
            for piece in self._look(text):
                written = piece[0]
                if (is_hit := known.get(written)) is None:
                    is_hit = known[written] = any(map(self._is_wanted, spelled(written)))
                if is_hit:
                    hits.add(piece.span())
        for term in self._query.wanted:
            if term.kind == "part":
                hits |= _parts(term.words[0], text)
            elif term.kind == "exact":
                hits |= _phrases(term.words, text)
        return sorted(hits)

    def _is_wanted(self, word: str) -> bool:
        return word.startswith(self._beginnings) or stem(word) in self._stems


def _word_start(text: str, position: int) -> int:
    space = text.find(" ", position, position + BEFORE)
    return position if space < 0 else space + 1


def _phrases(phrase: tuple[str, ...], text: str) -> set[tuple[int, int]]:
    found, length = spans(text), len(phrase)
    return {
        (start, end)
        for i in range(len(found) - length + 1)
        if tuple(word for word, _, _ in found[i : i + length]) == phrase
        for _, start, end in found[i : i + length]
    }


def _parts(part: str, text: str) -> set[tuple[int, int]]:
    """Where letters stand in a text as written; only where one letter of it is one of the part."""
    lowered = text.lower().replace("ё", "е")
    if len(lowered) != len(text):
        return set()
    hits, position = set(), lowered.find(part)
    while position >= 0:
        hits.add((position, position + len(part)))
        position = lowered.find(part, position + len(part))
    return hits
