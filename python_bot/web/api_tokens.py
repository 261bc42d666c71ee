"""`tokens.json`: further API tokens, stored only as hashes. `botctl INSTANCE token` writes it, the instance reads it.

The tokens are 256 random bits, so a plain SHA-256 cannot be guessed back and needs no salt.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import B24BotError
from ..model import time_text
from ..values import dataclass

log = logging.getLogger(__name__)

Scope = Literal["read", "export", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "export", "admin")
OPENS: Final[dict[Scope, tuple[Scope, ...]]] = {"read": ("read",), "export": ("read", "export"), "admin": SCOPES}
FILE_NAME: Final = "tokens.json"
USES_FACT: Final = "token_uses"
USES_S: Final = 60.0
FORMER: Final = "~former"  # behind the name of a token whose successor is there, until it expires


@dataclass(frozen=True, slots=True)
class ApiToken:
    """`read` opens what only reads the archive, `export` exports too, `admin` everything.

    `created_at`, `expires_at`: ISO 8601, UTC, the latter "" for never. `line_id`: the one open line that it sees.
    """

    name: str
    scope: Scope
    created_at: str
    sha256: str
    expires_at: str = ""
    line_id: int | None = None

    def is_expired(self, now: float) -> bool:
        return bool(self.expires_at) and self.expires_at <= time_text(now)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_tokens(path: Path) -> list[ApiToken]:
    """None without a file. Raises B24BotError when it is damaged."""
    try:
        rows: list[Any] = json.loads(path.read_bytes())["tokens"]
        found = [ApiToken(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise B24BotError(
            f"{path} cannot be read ({type(error).__name__})", next_step="delete it and add the tokens anew"
        ) from None
    return [token for token in found if token.scope in SCOPES]


def write_tokens(tokens: Iterable[ApiToken]) -> bytes:
    return (json.dumps({"tokens": [asdict(token) for token in tokens]}, ensure_ascii=False, indent=1) + "\n").encode()


class Uses:
    """When each further token opened something last, written down at most once a minute for each.

    `write`: keeps {name: ISO time}; its failure is nobody's harm.
    """

    def __init__(self, write: Callable[[dict[str, str]], None], now: Callable[[], float] = time.time) -> None:
        self._write = write
        self._now = now
        self._lock = threading.Lock()
        self._written: dict[str, float] = {}

    def note(self, name: str) -> None:
        now = self._now()
        with self._lock:
            if now - self._written.get(name, 0.0) < USES_S:
                return
            self._written[name] = now
        try:
            self._write({name: time_text(now)})
        except B24BotError as error:
            log.warning("the use of a token was not written down: %s", error)


class TokenFile:
    """The file as the running instance sees it: read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: list[ApiToken] = []

    def find(self, given: str) -> ApiToken | None:
        """The token, expired or not. Every stored hash is compared, each in constant time."""
        wanted, found = hash_of(given), None
        for token in self.current():
            if hmac.compare_digest(token.sha256, wanted):
                found = token
        return found

    def current(self) -> list[ApiToken]:
        """Those that are there now, expired ones too."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116  # once per request
        except OSError:
            return []
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        with self._lock:
            if seen != self._seen:
                try:
                    self._tokens = read_tokens(self._path)
                except B24BotError as error:
                    log.error("no further API token is accepted: %s; %s", error, error.next_step)
                    self._tokens = []
                self._seen = seen
            return self._tokens
