"""What a person types into a search box, as terms. Pure.

доставка            the word in all its forms
"доставку завтра"   exactly these words, in this order
достав*             words that begin so
*ставк*             letters anywhere, at least three
-самовывоз          not this (any of the above)
"""

from __future__ import annotations

import re
from typing import Final, Literal

from ..values import dataclass
from .words import normal, phone, words

MAX_LENGTH: Final = 500
MAX_TERMS: Final = 20
SHORTEST_PREFIX: Final = 2
SHORTEST_PART: Final = 3

_TERM: Final = re.compile(r'(-?)(?:"([^"]*)"|«([^»]*)»|([^\s"«»]+))')
_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "＂": '"'})
_PHONE: Final = re.compile(r"\+?[\d()\-.]{10,}")


class BadQuery(ValueError):
    """The text says what is wrong and how to write it."""


@dataclass(frozen=True, slots=True)
class Term:
    """`words` for forms (one word), exact (a phrase) and prefix (one beginning); a part is one piece of text."""

    kind: Literal["forms", "exact", "prefix", "part"]
    words: tuple[str, ...]
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All of `wanted` and none of `excluded`."""

    wanted: tuple[Term, ...]
    excluded: tuple[Term, ...]

    @property
    def parts(self) -> tuple[Term, ...]:
        return tuple(term for term in self.wanted if term.kind == "part")

    @property
    def needs_reading(self) -> bool:
        """Whether the words of the index cannot decide alone: letters in the middle of words are looked for."""
        return any(term.kind == "part" for term in (*self.wanted, *self.excluded))


def parse(text: str) -> Query:
    """Raises BadQuery."""
    if len(text) > MAX_LENGTH:
        raise BadQuery(f"the query is longer than {MAX_LENGTH} characters")
    text = text.translate(_QUOTES)
    if text.count('"') % 2:
        raise BadQuery('a quotation mark is not closed: write "доставка завтра" with two of them')
    terms = [term for found in _TERM.finditer(text) for term in _terms(*found.groups(""))]
    if len(terms) > MAX_TERMS:
        raise BadQuery(f"the query has more than {MAX_TERMS} words")
    wanted = tuple(term for term in terms if not term.excluded)
    if not wanted:
        if terms:
            raise BadQuery("only exclusions: name at least one word that is to be found")
        raise BadQuery("the query holds no word: write one, or a beginning like достав*")
    return Query(wanted, tuple(term for term in terms if term.excluded))


def _terms(minus: str, quoted: str, guillemets: str, bare: str) -> list[Term]:
    excluded = bool(minus)
    if quoted or guillemets:
        found = tuple(words(normal(quoted or guillemets)))
        return [Term("exact", found, excluded)] if found else []
    starts, ends = bare.startswith("*"), bare.endswith("*")
    inner = normal(bare.strip("*"))
    if "*" in inner:
        raise BadQuery(f"* stands at the beginning or the end of a word, not inside: {bare}")
    if starts:
        if len(inner) < SHORTEST_PART:
            raise BadQuery(f"{bare}: letters inside words need at least {SHORTEST_PART} of them, like *ставк*")
        return [Term("part", (inner,), excluded)]
    if _PHONE.fullmatch(inner):
        return [Term("forms", (phone(inner),), excluded)]
    found = tuple(words(inner))
    if not found:
        return []
    if ends:
        *before, last = found
        if len(last) < SHORTEST_PREFIX:
            raise BadQuery(f"{bare}: a beginning needs at least {SHORTEST_PREFIX} letters")
        if not before:
            return [Term("prefix", (last,), excluded)]
        raise BadQuery(f'{bare}: write the words apart, like "{" ".join(before)}" {last}*')
    if len(found) > 1:  # «e-mail», «10:30», «ivan@example.ru»: its pieces, side by side
        return [Term("exact", found, excluded)]
    return [Term("forms", found, excluded)]
