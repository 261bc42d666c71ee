"""A domain as a person pastes it -> the name that DNS and nginx know.

UTS 46 mapping with STD3 rules by the `idna` library (https://www.unicode.org/reports/tr46/); the standard library's
codec is the older standard and accepts spaces, underscores and whole URLs.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import urlsplit

import idna

from ..errors import B24BotError
from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Domain:
    """`ascii`: Punycode, what is stored and served; `unicode`: what people see."""

    ascii: str
    unicode: str


def read_domain(pasted: str, *, allow_mixed_scripts: bool = False) -> Domain:
    """'https://Пример.РФ/путь' -> Domain('xn--e1afmkfd.xn--p1ai', 'пример.рф'). Raises B24BotError."""
    text = pasted.strip().strip("«»\"'")
    name = host_of(text)
    if is_address(name):
        return Domain(name, name)
    try:
        ascii_name = idna.encode(name, uts46=True, std3_rules=True).decode().lower()
        unicode_name = idna.decode(ascii_name)
    except (idna.IDNAError, UnicodeError) as error:
        raise B24BotError(
            f"{pasted!r} is no domain: {error}", next_step="give a name such as bots.example.ru"
        ) from None
    if "." not in ascii_name:
        raise B24BotError(f"{pasted!r} has no dot: Bitrix24 refuses such addresses", next_step="give the full domain")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", ascii_name) or len(ascii_name) > 253:
        raise B24BotError(f"{pasted!r} is no domain", next_step="give a name such as bots.example.ru")
    mixed = [label for label in unicode_name.split(".") if len(_scripts(label)) > 1]
    if mixed and not allow_mixed_scripts:
        raise B24BotError(
            f"{mixed[0]!r} mixes letters of several alphabets ({', '.join(sorted(_scripts(mixed[0])))})",
            next_step="type the name anew; if it is really meant, add --allow-mixed-scripts",
        )
    return Domain(ascii_name, unicode_name)


def host_of(text: str) -> str:
    """'http://user@bots.example.ru:8080/x' -> 'bots.example.ru'; '' when nothing can be read."""
    if "://" not in text:
        text = f"//{text}"
    try:
        host = urlsplit(text).netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return re.sub(r":\d*$", "", host).rstrip(".。")


def is_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).version == 4
    except ValueError:
        return False


def _scripts(label: str) -> set[str]:
    """The alphabets of a label's letters by the first word of their Unicode names: {'LATIN', 'CYRILLIC'}."""
    return {unicodedata.name(char, "UNKNOWN").split()[0] for char in label if char.isalpha()}
