"""Texts of strangers (a path, a user agent, an error of the portal) without anything that opens something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from ..bitrix.php_form import SECRET_KEYS

MASK: Final = "***"
SHORTEST_SECRET: Final = 6

# What follows a name that announces a secret: token=…, "refresh_token": "…", Bearer …
_ANNOUNCED: Final = re.compile(
    r"""((?:token|secret|auth|auth_id|refresh_id|app_sid|code|password|api[_-]?key)["'\]]*\s*[=:]\s*["']?
    |\bbearer\s+|\bbasic\s+)[^\s&"',;}\]]{6,}""",
    re.IGNORECASE | re.VERBOSE,
)
# Long random words: letters with digits from 16 characters on, anything without a break from 32 on, and the
# alphabets of base64 with a digit from 24 on.
_RANDOM: Final = re.compile(
    r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[0-9A-Za-z]{16,}|[0-9A-Za-z]{32,}|(?=[A-Za-z_+/=~-]*\d)[0-9A-Za-z_+=~-]{24,}"
)


@lru_cache(maxsize=512)
def without_random_words(text: str) -> str:
    return _RANDOM.sub(MASK, _ANNOUNCED.sub(rf"\1{MASK}", text))


class Masks:
    """`secrets`: what this instance knows to be secret now: its settings and its tokens."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets

    def text(self, text: str, limit: int) -> str:
        """At most `limit` characters, on one line, nothing secret left in them."""
        if not text:
            return ""
        for secret in self._secrets():
            if len(secret) >= SHORTEST_SECRET and secret in text:
                text = text.replace(secret, MASK)
        # Longer than wanted, so that no word is cut before it was looked at.
        shown = without_random_words(text[: 4 * limit])[:limit]
        return shown if shown.isprintable() else "".join(char if char.isprintable() else "?" for char in shown)

    def is_secret(self, text: str) -> bool:
        return text in self._secrets()

    def value(self, value: Any) -> Any:
        """Parsed JSON for a person to read: the same without what stands under the names of secrets."""
        if isinstance(value, dict):
            return {self.shown(str(key)): self._member(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return self.shown(value) if isinstance(value, str) else value

    def _member(self, key: str, value: Any) -> Any:
        is_secret = key.lower() in SECRET_KEYS or key.lower().endswith(("token", "secret", "password"))
        return MASK if is_secret and isinstance(value, str) and value else self.value(value)

    def shown(self, text: str) -> str:
        for secret in self._secrets():
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, MASK)
        return without_random_words(text) if len(text) < 10_000 else _ANNOUNCED.sub(rf"\1{MASK}", text)
