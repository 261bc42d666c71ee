"""From a text to what is looked for in it: words in one spelling, their stems, telephone numbers. Pure.

Snowball cuts endings («доставку», «доставке» -> «доставк»); it leaves the vowel that comes and goes before к and ц
(«доставок», «звонок», «продавец»), so that is taken out afterwards: in every form alike, which joins forms and
never parts any. https://snowballstem.org/algorithms/russian/stemmer.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import Stemmer

# Raised when the words of a text come out in another way than before: every index is then built anew.
VERSION: Final = 1

_WORD: Final = re.compile(r"[^\W_]+")
_PIECE: Final = re.compile(r"(?:[^\W_]|\u0301|\u00ad)+")
_PLAIN: Final = re.compile(r"[0-9a-zа-я]")
_ODD: Final = re.compile(r"[^\W_0-9A-Za-zА-яЁё]|\u0301|\u00ad")  # letters of which normal() may make others, or none
_WRITTEN: Final = {"е": "еЕёЁ"}
_CYRILLIC: Final = re.compile(r"[а-я]")
_PHONE: Final = re.compile(r"(?<![\w+])\+?\d(?:[\s()\-.]{0,3}\d){9,14}(?!\w)")
_LONGEST: Final = 64  # characters of one word; what is longer is no word

# Forms of frequent words that no rule joins.
_IRREGULAR: Final = {
    form: word
    for word, forms in {
        "деньги": "денег",
        "письмо": "писем",
        "окно": "окон",
        "купить": "куплю",
        "день": "дня дню днем дне дни дней дням днями днях",
        "имя": "имени именем имена имен именам именами именах",
        "время": "времени временем времена времен временам",
    }.items()
    for form in forms.split()
}

_russian: Final = Stemmer.Stemmer("russian", 0)
_english: Final = Stemmer.Stemmer("english", 0)


def normal(text: str) -> str:
    """One spelling for all: lower case, ё as е, composed letters, no accents put on for reading («за́мок»)."""
    lowered = unicodedata.normalize("NFKC", text).lower().replace("ё", "е")
    return lowered.replace("\u0301", "").replace("\u00ad", "").replace("\0", " ")


def words(normal_text: str) -> list[str]:
    return [word[:_LONGEST] for word in _WORD.findall(normal_text)]


def pieces(text: str) -> Iterator[re.Match[str]]:
    """What stands between the gaps of a text as it was written: usually a word each."""
    return _PIECE.finditer(text)


@lru_cache(maxsize=256)
def looking_for(letters: frozenset[str]) -> Callable[[str], Iterator[re.Match[str]]]:
    """`pieces` for whoever looks for words that begin with one of these letters; it may leave others out.

    No form of a word begins with another letter than its stem, as long as the text has ordinary letters only.
    """
    if not letters or not all(_PLAIN.fullmatch(letter) for letter in letters):
        return pieces
    first = "".join(sorted({case for letter in letters for case in _WRITTEN.get(letter, letter + letter.upper())}))
    near = re.compile(rf"(?<![^\W_])[{first}][^\W_]*")
    return lambda text: pieces(text) if _ODD.search(text) else near.finditer(text)


def spans(text: str) -> list[tuple[str, int, int]]:
    """The words of a text as it was written, each in its one spelling, with where it stands."""
    return [(word, *piece.span()) for piece in pieces(text) for word in spelled(piece[0])]


@lru_cache(maxsize=20_000)
def spelled(piece: str) -> tuple[str, ...]:
    return tuple(words(normal(piece)))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    if _CYRILLIC.search(word):
        found: str = _russian.stemWord(_IRREGULAR.get(word, word))
        return without_fleeting_vowel(found)
    if word.isascii() and not word.isdigit():
        return str(_english.stemWord(word))
    return word


def without_fleeting_vowel(stemmed: str) -> str:
    """«доставок» -> «доставк», «копеек» -> «копейк», «продавец» -> «продавц»; «срок» stays."""
    if len(stemmed) < 5 or stemmed[-2] not in "ое":
        return stemmed
    if stemmed.endswith("еек"):
        return f"{stemmed[:-3]}ейк"
    if stemmed.endswith(("ок", "ек")) and stemmed[-3] not in "аеиоуыэюя":
        return f"{stemmed[:-2]}к"
    if stemmed.endswith("ец") and stemmed[-3] not in "аеиоуыэюя":
        return f"{stemmed[:-2]}ц"
    return stemmed


def phones(text: str) -> list[str]:
    """Telephone numbers as digits alone, Russian ones with 7 in front: «8 (999) 123-45-67» -> «79991234567»."""
    return [phone(found) for found in _PHONE.findall(text)]


def phone(written: str) -> str:
    digits = "".join(c for c in written if c.isdigit())
    return f"7{digits[1:]}" if len(digits) == 11 and digits[0] == "8" else digits
