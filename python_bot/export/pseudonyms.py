"""From what is known of somebody to a word that says nothing of them: keyed, so that guessing does not help. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

ALPHABET: Final = "23456789BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no code is a word
LENGTH: Final = 8  # 38 bits: a quarter of a million people share none
NUMBER_BITS: Final = 48  # JavaScript and spreadsheets keep such a number exactly


class Pseudonyms:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def word(self, label: str, kind: str, value: str) -> str:
        """`Участник-7KQ2MX4D`; the same for the same kind and value."""
        number = self._number(kind, value)
        code = []
        for _ in range(LENGTH):
            number, digit = divmod(number, len(ALPHABET))
            code.append(ALPHABET[digit])
        return f"{label}-{''.join(code)}"

    def number(self, kind: str, value: int) -> int:
        """Another number in the place of this one; 0 (nobody, the system) stays."""
        return self._number(kind, str(value)) % (1 << NUMBER_BITS) or 1 if value else 0

    def _number(self, kind: str, value: str) -> int:
        digest = hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return int.from_bytes(digest[:16], "big")
