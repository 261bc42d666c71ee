"""What leads to a person by itself: links, e-mails, nicknames, telephone, card and document numbers. Pure.

Dates, times, prices and short numbers (orders, articles) lead nowhere and stay. Where a number may be either, it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """A piece of a text. `value`: in one spelling, however it was written."""

    start: int
    end: int
    label: str
    value: str


_MONTHS: Final = "янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек"
_MONEY: Final = r"(?:₽|\$|€|руб|р\b|р\.|rub|тыс|млн|eur|usd|тенге|тг\b|₸|сум|бел\.?\s?руб|коп|грн|₴)"
_TLD: Final = (
    "ru|рф|su|com|net|org|info|biz|io|me|by|kz|ua|uz|am|ge|az|md|kg|tj|lv|lt|ee|de|uk|us|eu|cn|tr|pro|online|site|"
    "shop|store|club|top|xyz|app|dev|link|cc|tv|ai|page|moscow|москва|рус|онлайн|дети|сайт|ly|gg|gl|co|ws"
)
_AT: Final = r"\s?(?:@|＠|\(\s?(?:at|собака|эт)\s?\)|\[\s?(?:at|собака)\s?\]|\bсобака\b|\bсобачка\b)\s?"
_DOT: Final = r"(?:\s?\.\s?|\s\(?(?:точка|dot)\)?\s|\(dot\)|\[dot\])"

# The order decides: what stands earlier is taken first. What may be long begins at a word's beginning only or has an
# end, or a text could be written that takes minutes.
_PIECES: Final = re.compile(
    rf"""
    (?P<link>(?:\b[a-z][a-z0-9+.-]{{1,15}}://|\bwww\.|\b(?:mailto|tel|tg|skype|whatsapp|viber):)[^\s<>"«»\[\]]+)
    |(?P<email>(?<![\w.+-])[\w.+-]{{1,64}}{_AT}[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{0,8}}{_DOT}(?:[^\W\d_]{{2,12}})\b)
    |(?P<domain>(?<![\w@.-])(?:[\w-]+\.)+(?:{_TLD}|xn--[a-z0-9-]+)(?![\w-])(?:[/?\#:][^\s<>"«»\[\]]*)?)
    |(?P<nick>(?<![\w@])[@＠][\w.]{{2,64}})
    |(?P<account>\b(?:тг|телега|телеграмм?|telegram|инст\w*|insta\w*|скайп|skype|ник(?:нейм)?|логин|login|вк|vk|вайбер|viber|
        ватсап\w*|whatsapp|вотсап\w*)\b\s?[:\-–—]?\s?(?P<name>[a-z][a-z0-9_.]{{3,}}))
    |(?P<date>(?<!\d)(?:\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?
        |(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)?\d\d(?!\d)(?:\s(?:в\s)?\d\d?:\d\d(?::\d\d)?)?
        |(?:0?[1-9]|[12]\d|3[01])[./](?:0[1-9]|1[0-2])(?![\d./-])
        |(?:0?[1-9]|[12]\d|3[01])\s(?:{_MONTHS})[а-я]*(?:\s(?:19|20)\d\d)?
        |\d\d?:\d\d(?::\d\d)?)(?![\d]))
    |(?P<price>(?<![\d+])\d{{1,3}}(?:[\s'’]\d{{3}})*(?:[.,]\d{{1,2}})?\s?{_MONEY}|(?<![\d+])\d+(?:[.,]\d+)?\s?{_MONEY})
    |(?P<number>(?<![\w])[+＋]?\(?\d(?:(?:[^\S\n]|[()\-–—._/]){{0,3}}\d)*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PAPER: Final = re.compile(
    r"паспорт|сери[яию]|снилс|\bинн\b|огрн|\bкпп\b|полис|водительск|удостоверени|свидетельств|\bкарт[аыуе]\b|\bсч[её]т\b|"
    r"passport|\bр/с\b|\bк/с\b|бик\b|\bcard\b",
    re.IGNORECASE,
)
_CALL: Final = re.compile(
    r"тел\.?|телефон\w*|моб\.?|звон\w*|набер\w*|phone|номер\s(?:для|моб)|whats|ватс|вотс|вайбер|viber", re.IGNORECASE
)
_ORDER: Final = re.compile(
    r"(?:заказ\w*|накладн\w*|трек\w*|артикул\w*|order|товар\w*|отправлени\w*|заявк\w*)\W{0,3}(?:номер\w*|№|n|no|#)?\W{0,3}$",
    re.IGNORECASE,
)
_REACH: Final = 60  # characters before a number in which a word still tells what it is


def traces(text: str) -> Iterator[Trace]:
    for found in _PIECES.finditer(text):
        match found.lastgroup:
            case "link" | "domain":
                link = found.group().rstrip(".,;:!?)'\"…")
                yield Trace(found.start(), found.start() + len(link), "ссылка", link.lower())
            case "email":
                spelt = re.sub(_AT, "@", found.group(), count=1, flags=re.IGNORECASE)
                spelt = re.sub(_DOT, ".", spelt, flags=re.IGNORECASE).replace(" ", "")
                yield Trace(*found.span(), "почта", spelt.lower())
            case "nick":
                yield Trace(*found.span(), "ник", found.group()[1:].rstrip(".").lower())
            case "account" | "name":
                yield Trace(*found.span("name"), "ник", found["name"].rstrip(".").lower())
            case "number":
                yield from _number(text, found)


def _number(text: str, found: re.Match[str]) -> Iterator[Trace]:
    """Groups of digits side by side may be several numbers: as one they are taken, or each by itself."""
    written = found.group()
    digits = _digits(written)
    before = text[max(0, found.start() - _REACH) : found.start()]
    label = _meaning(written, digits, before)
    if label:
        yield Trace(*found.span(), label, _one_spelling(label, digits))


def _meaning(written: str, digits: str, before: str) -> str | None:
    size = len(digits)
    if size >= 13 and (luhn(digits[:19]) or luhn(digits[:16]) or size == 16):
        return "карта"
    if size >= 4 and _PAPER.search(before):
        return "документ"
    if _is_phone(written, digits):
        return "телефон"
    if size >= 5 and _CALL.search(before[-20:]):
        return "телефон"
    if size in (10, 12) and is_inn(digits):
        return "документ"
    if size == 11 and is_snils(digits):
        return "документ"
    if size >= 10:
        return None if size <= 20 and _ORDER.search(before) else "номер"
    return "телефон" if re.fullmatch(r"\d{3}-\d\d-\d\d", written) else None


def _is_phone(written: str, digits: str) -> bool:
    if written[0] in "+＋":
        return len(digits) >= 7
    if len(digits) == 11 and digits[0] in "78":
        return True
    if len(digits) == 10 and digits[0] in "3489":
        return digits[0] == "9" or not written.isdigit()
    return len(digits) >= 9 and "(" in written


def _one_spelling(label: str, digits: str) -> str:
    if label == "телефон":
        if len(digits) == 11 and digits[0] == "8":
            return f"7{digits[1:]}"
        if len(digits) == 10:
            return f"7{digits}"
    return digits


def _digits(written: str) -> str:
    return "".join(str(int(c)) for c in written if c.isdecimal())


def luhn(digits: str) -> bool:
    """https://en.wikipedia.org/wiki/Luhn_algorithm"""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_inn(digits: str) -> bool:
    """Checksum of a Russian taxpayer's number: https://ru.wikipedia.org/wiki/Идентификационный_номер_налогоплательщика"""

    def check(*weights: int) -> int:
        return sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False)) % 11 % 10

    if len(digits) == 10:
        return check(2, 4, 10, 3, 5, 9, 4, 6, 8) == int(digits[9])
    first, second = check(7, 2, 4, 10, 3, 5, 9, 4, 6, 8), check(3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    return (first, second) == (int(digits[10]), int(digits[11]))


def is_snils(digits: str) -> bool:
    """Checksum of a Russian insurance number: https://ru.wikipedia.org/wiki/СНИЛС"""
    total = sum(int(d) * (9 - i) for i, d in enumerate(digits[:9]))
    return total % 101 % 100 == int(digits[9:])
