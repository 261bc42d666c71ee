"""Where a text names people: known ones in any form, first names, patronymics, surnames beside them, and whoever is
introduced or greeted. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..values import dataclass
from . import names, wordlists

_WORD: Final = re.compile(r"[^\W\d_]+")
_SPACED: Final = re.compile(r"(?<![^\W\d_])[^\W\d_](?:[ .·*_-]{1,2}[^\W\d_](?![^\W\d_])){2,}")
_INITIALS: Final = re.compile(r"(?<![^\W\d_])[А-ЯЁA-Z]\.\s?(?:[А-ЯЁA-Z]\.)?")
_INITIALS_BEFORE: Final = re.compile(rf"(?:{_INITIALS.pattern})\s?$")
_BEGINNING: Final = re.compile(r"(?:^|[.!?…\n:;>»\")(—–-]\s*|[^\w\s,'«(]\s*)$")
_ENDS_ADDRESS: Final = re.compile(r"\s*(?:[,!.…)?\n]|$)")

# After these a name follows, however it is written, capitals or not.
_INTRODUCES: Final = re.compile(
    r"(?<!\w)(?:меня\s{1,3}зовут|зовут\s{1,3}меня|мо[её]\s+имя|ф\.?\s?и\.?\s?о\b\.?|фамилия|отчество|имя|my\s+name\s+is|name|фио"
    r"|зовут)\s{0,3}(?:[:\-–—=]\s{0,3})?",
    re.IGNORECASE,
)
# After these a word with a capital letter is a name.
_ADDRESSES: Final = re.compile(
    r"(?<!\w)(?:здравствуй(?:те)?|добр(?:ый|ое|ого|ой)\s+(?:день|утро|вечер|дня|вечера|утра|ночи|времени(?:\s+суток)?)|привет(?:ствую)?|доброго"
    r"|hello|hi|dear|уважаем(?:ый|ая|ые|ому|ой)|дорог(?:ой|ая)|господин\w*|госпож\w+|г-н\w*|г-жа|гражданин\w*"
    r"|товарищ\w*|тов\.|алло|это|я|с\s+уважением|regards|получател\w+|на\s+имя|клиент\w*|менеджер\w*|оператор\w*"
    r"|курьер\w*|мастер\w*|водител\w+|доктор\w*|врач\w*|директор\w*|звать|спросить|для|от|с|к|у|и|через|позовите|контактное\s+лицо)"
    r"[\s,!.:–—-]*$",
    re.IGNORECASE,
)
_GREETS: Final = re.compile(
    r"(?<!\w)(?:спасибо|благодар\w+|извините|простите|хорошо|ок|да|нет|конечно|понял\w?|пожалуйста)\s*,\s*$",
    re.IGNORECASE,
)
_FOLLOWED: Final = re.compile(
    r"\s*,?\s*(?:здравствуй|добр(?:ый|ое|ого)\s|привет|спасибо|подскажите|скажите|вы\s|ваш|уточните)", re.IGNORECASE
)
_NO_NAME: Final = frozenset(wordlists.NO_NAME)
_SHORTEST_SPACED: Final = 3
_LONGEST_SPACED: Final = 20
_MAY_FOLLOW: Final = 2  # surname and patronymic after a first name
_BACK: Final = 40  # characters that are looked at in front of a word


@dataclass(frozen=True, slots=True)
class Naming:
    """A piece of a text that names somebody. `words`: as `names.spelt`."""

    start: int
    end: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    spelt: str
    capital: bool


def namings(
    text: str,
    here: Callable[[str], bool],
    anywhere: Callable[[str], bool],
    taken: Sequence[tuple[int, int]] = (),
) -> Iterator[Naming]:
    """`here`: whether a word is of a name of those who take part; `anywhere`: of anybody whom the archive knows.

    `taken`: pieces, in their order, that are something else already.
    """
    found = sorted(
        (word for word in _words(text, here) if not _overlaps(word.start, word.end, taken)), key=lambda word: word.start
    )
    shouted = sum(c.isupper() for c in text) > sum(c.islower() for c in text)
    introduced = {each.end() for each in _INTRODUCES.finditer(text)}
    named: set[int] = set()
    for index, word in enumerate(found):
        if index not in named and _names(text, word, here, anywhere, shouted, word.start in introduced):
            named.add(index)
            named |= set(_beside(text, found, index, shouted))
    yield from _joined(text, found, sorted(named))


def _words(text: str, here: Callable[[str], bool]) -> Iterator[_Word]:
    """Words, also those written «А н н а» when they are somebody's name."""
    spaced = [word for each in _SPACED.finditer(text) for word in _spaced_names(each, here)]
    yield from spaced
    places = [(word.start, word.end) for word in spaced]
    for each in _WORD.finditer(text):
        if not _overlaps(each.start(), each.end(), places):
            yield _Word(each.start(), each.end(), names.spelt(each.group()), each.group()[0].isupper())


def _spaced_names(run: re.Match[str], here: Callable[[str], bool]) -> Iterator[_Word]:
    """The names in a row of single letters, the longest first: «ну а н н а и»."""
    places = [run.start() + at for at, letter in enumerate(run.group()) if letter.isalpha()]
    first = 0
    while first <= len(places) - _SHORTEST_SPACED:
        for last in range(min(len(places), first + _LONGEST_SPACED) - 1, first + _SHORTEST_SPACED - 2, -1):
            word = names.spelt("".join(run.string[at] for at in places[first : last + 1]))
            if here(word) or (names.first_name(word) and word not in names.ORDINARY):
                yield _Word(places[first], places[last] + 1, word, True)
                first = last
                break
        first += 1


def _overlaps(start: int, end: int, taken: Sequence[tuple[int, int]]) -> bool:
    """`taken`: in their order, apart from each other."""
    at = bisect_left(taken, (end, 0))
    return at > 0 and taken[at - 1][1] > start


def _names(
    text: str,
    word: _Word,
    here: Callable[[str], bool],
    anywhere: Callable[[str], bool],
    shouted: bool,
    introduced: bool,
) -> bool:
    spelt = word.spelt
    if here(spelt):
        return True
    if len(spelt) < 2 or spelt in names.NOBODY:
        return False
    if introduced and spelt not in _NO_NAME:
        return True
    is_name = names.first_name(spelt) is not None or names.is_patronymic(spelt)
    if is_name and spelt not in names.ORDINARY:
        return True
    if not word.capital or shouted:
        return anywhere(spelt) and names.ends_like_a_surname(spelt)
    before = text[max(0, word.start - _BACK) : word.start]
    begins = bool(_BEGINNING.search(before))
    if is_name and (not begins or _ENDS_ADDRESS.match(text, word.end)):
        return True
    if anywhere(spelt):
        return True
    if spelt not in names.NOT_SURNAMES and len(spelt) > 2:
        if (_ADDRESSES.search(before) or _GREETS.search(before)) and _alone(text, word):
            return True
        if begins and not before.strip() and _FOLLOWED.match(text, word.end) and text[word.end : word.end + 1] == ",":
            return spelt not in _NO_NAME
        if names.ends_like_a_surname(spelt) and (not begins or _INITIALS.match(text, word.end + 1)):
            return True
        return bool(_INITIALS.match(text, word.end + 1) or _INITIALS_BEFORE.search(before))
    return False


def _alone(text: str, word: _Word) -> bool:
    """Whether a word stands as a name that somebody is called by: up to the next comma, or before another capital."""
    after = text[word.end : word.end + 2]
    return bool(_ENDS_ADDRESS.match(text, word.end)) or (after[:1] == " " and after[1:].isupper())


def _beside(text: str, found: Sequence[_Word], index: int, shouted: bool) -> Iterator[int]:
    """The words that go with a name: patronymic and surname after it, surname in front of it."""
    for following in range(index + 1, min(len(found), index + 1 + _MAY_FOLLOW)):
        if text[found[following - 1].end : found[following].start] not in (" ", "-", "\u00a0"):
            break
        if not _goes_with(found[following], shouted):
            break
        yield following
    if index and text[found[index - 1].end : found[index].start] in (" ", "-", "\u00a0"):
        front = found[index - 1]
        starts = bool(_BEGINNING.search(text[max(0, front.start - _BACK) : front.start]))
        surname = names.ends_like_a_surname(front.spelt) and (front.capital or names.first_name(found[index].spelt))
        capital = front.capital and not shouted and not starts and len(front.spelt) > 2
        if surname or (capital and front.spelt not in _NO_NAME):
            yield index - 1


def _goes_with(word: _Word, shouted: bool) -> bool:
    spelt = word.spelt
    if names.is_patronymic(spelt) or names.ends_like_a_surname(spelt):
        return True
    if names.first_name(spelt) and spelt not in names.ORDINARY:
        return True
    return word.capital and not shouted and len(spelt) > 1 and spelt not in names.NOBODY and spelt not in _NO_NAME


def _joined(text: str, found: Sequence[_Word], named: Sequence[int]) -> Iterator[Naming]:
    """Names side by side, with their initials, as one."""
    start = end = -1
    words: list[str] = []
    for index in named:
        word = found[index]
        if words and text[end : word.start] in (" ", "-", "\u00a0"):
            end = word.end
            words.append(word.spelt)
            continue
        if words:
            yield _with_initials(text, start, end, words)
        start, end, words = word.start, word.end, [word.spelt]
    if words:
        yield _with_initials(text, start, end, words)


def _with_initials(text: str, start: int, end: int, words: list[str]) -> Naming:
    after = _INITIALS.match(text, end + 1) if text[end : end + 1] == " " else None
    if after:
        return Naming(start, after.end(), tuple(words))
    front = _INITIALS_BEFORE.search(text[max(0, start - 8) : start])
    if front:
        start -= len(front.group())
    return Naming(start, end, tuple(words))
