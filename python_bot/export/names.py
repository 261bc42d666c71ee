"""Russian names as they stand in texts: in all cases, short, as patronymics, by their endings, in Latin letters. Pure.

The lists hold the names that most people have; rarer ones are known from the archive's own users, from what stands
beside them («меня зовут …»), or not at all: see docs/security.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from . import wordlists

# Forms of names that are words, too: with a capital letter and not at the beginning of a sentence they are names.
ORDINARY: Final = frozenset(wordlists.ORDINARY)
NOT_SURNAMES: Final = frozenset(wordlists.NOT_SURNAMES)
NOBODY: Final = frozenset(wordlists.NOBODY)

_PATRONYMIC: Final = re.compile(
    r"[а-я]{2,}(?:ович|евич)(?:а|у|ем|е|и|ей|ам|ами|ах)?"
    r"|(?:ильич|кузьмич|лукич|фомич|никитич|саввич)(?:а|у|ом|ем|е)?"
    r"|[а-я]{2,}(?:овн|евн)(?:а|ы|е|у|ой|ою)"
    r"|(?:ильинич|кузьминич|лукинич|фоминич|никитич|саввич)н(?:а|ы|е|у|ой|ою)"
)
_NOT_PATRONYMIC: Final = re.compile(
    r"(?:уровн|основн|духовн|верховн|церковн|головн|условн|ровн|деревн|дневн|душевн|плачевн|древн|харчевн|царевн"
    r"|полюбовн|виновн|чиновн|словн|готовн|даровн|кровн|бескровн|любовн|часовн|жаровн|королевн|уголовн|подготовн"
    r"|родовн|плановн)"
)
_SURNAME: Final = re.compile(
    r"[а-я]{2,}(?:(?:ов|ев|ин|ын)(?:а|у|ым|ой|ою|е|ы|ых|ыми|ом)?"
    r"|(?:ск|цк)(?:ий|ая|ого|ому|ой|ую|им|ом|ие|их|ими)|енко|(?:чук|щук|юк)(?:а|у|ом|е)?|(?:ян|янц)(?:а|у|ом|е)?"
    r"|швили|дзе|[аеиоу]ых)"
)
_ADJECTIVE: Final = ("ий", "ый", "ой", "ая", "яя")
_ADJECTIVE_ENDS: Final = (*_ADJECTIVE, *wordlists.ADJECTIVE_ENDS)
_VOWELS: Final = "аеиоуыэюя"


@lru_cache(maxsize=50_000)
def spelt(word: str) -> str:
    """One spelling: lower case, ё as е, no accents, Latin look-alikes inside Cyrillic words as what they look like."""
    word = unicodedata.normalize("NFKC", word).lower().replace("ё", "е")
    if re.search("[а-я]", word) and re.search("[a-z]", word):
        word = word.translate(_LOOKALIKES)
    return word


_LOOKALIKES: Final = str.maketrans("aceopxykmhtbi", "асеорхукмнтви")


def forms(word: str) -> set[str]:
    """A name, as `spelt`, in every case; also some forms that it does not have."""
    found = {word}
    if re.fullmatch(r"[а-я]{3,}(?:ов|ев|ин|ын)а?", word):
        base = word.removesuffix("а")
        found |= {base + end for end in ("", "а", "у", "ым", "ом", "е", "ы", "ых", "ыми", "ой", "ою")}
    if word.endswith(_ADJECTIVE) and len(word) > 4:
        found |= {word[:-2] + end for end in _ADJECTIVE_ENDS}
    base, last = word[:-1], word[-1:]
    if last == "а":
        found |= {base + end for end in ("ы", "и", "е", "у", "ой", "ою", "ей", "ею")}
    elif last == "я":
        found |= {base + end for end in ("и", "е", "ю", "ей", "ею")}
    elif last == "й":
        found |= {base + end for end in ("я", "ю", "ем", "е", "и")}
    elif last == "ь":
        found |= {base + end for end in ("я", "ю", "ем", "е", "и", "ью")}
    elif last and "б" <= last <= "щ" and last not in _VOWELS:
        for stem in {word, _without_fleeting_vowel(word)}:
            found |= {stem + end for end in ("а", "у", "ом", "ем", "е", "ы", "и")}
    return found


def _without_fleeting_vowel(word: str) -> str:
    """«павел» -> «павл», «лев» -> «льв», «соловец» -> «соловц»."""
    if word == "лев":
        return "льв"
    if len(word) > 3 and word[-2] in "ео" and word[-1] in "лкц":
        return word[:-2] + word[-1]
    return word


@lru_cache(maxsize=50_000)
def latin(word: str) -> str:
    """A word, as `spelt`, in Latin letters, however it is transliterated: «пётр», Pyotr, Petr -> petr."""
    word = "".join(_LATIN.get(letter, letter) for letter in word)
    word = "".join(c for c in unicodedata.normalize("NFKD", word) if c.isascii())
    for written, one in _SPELLINGS:
        word = word.replace(written, one)
    return re.sub(r"(.)\1+", r"\1", word)


_LATIN: Final = dict(zip("абвгдеёзийклмнопрстуфхэы", "abvgdeeziiklmnoprstufhei", strict=True)) | {
    "ж": "zh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ь": "", "ю": "iu", "я": "ia",
}  # fmt: skip
_SPELLINGS: Final = (
    ("'", ""), ("shch", "sch"), ("kh", "h"), ("x", "ks"), ("w", "v"), ("yo", "e"), ("jo", "e"), ("ye", "e"),
    ("je", "e"), ("y", "i"), ("j", "i"), ("tz", "ts"), ("ph", "f"),
)  # fmt: skip

BASE_OF: Final[dict[str, str]] = {
    form: name for name in (*wordlists.SHORT_NAMES, *wordlists.FIRST_NAMES) for form in forms(name)
}
_LATIN_BASE_OF: Final[dict[str, str]] = {
    **{latin(form): name for form, name in BASE_OF.items() if len(form) > 3},
    **{latin(spelt(name)): name for name in wordlists.LATIN_NAMES},
}


@lru_cache(maxsize=50_000)
def first_name(word: str) -> str | None:
    """The name of which this, as `spelt`, is a form; None when it is none that we know."""
    if word.isascii():
        return _LATIN_BASE_OF.get(latin(word)) if len(word) > 2 else None
    return BASE_OF.get(word)


@lru_cache(maxsize=50_000)
def is_patronymic(word: str) -> bool:
    return bool(_PATRONYMIC.fullmatch(word)) and not _NOT_PATRONYMIC.match(word)


def ends_like_a_surname(word: str) -> bool:
    if word.isascii():
        return len(word) > 4 and bool(
            re.fullmatch(r"[a-z]+(?:ov|ova|ev|eva|in|ina|sky|skiy|skaya|enko|chuk|yan)", word)
        )
    return len(word) > 4 and word not in NOT_SURNAMES and bool(_SURNAME.fullmatch(word))


def known_forms(names: Iterable[str]) -> set[str]:
    """Every form of the words of these names that may name somebody, in Cyrillic and in Latin letters."""
    found: set[str] = set()
    for name in names:
        for part in re.findall(r"[^\W_]+", name):
            word = spelt(part)
            if len(word) > 1 and word not in NOBODY and not (word.isdigit() and len(word) < 5):
                cases = forms(word)
                found |= cases | {latin(case) for case in cases if len(case) > 3}
    return found
