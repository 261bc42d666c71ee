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
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import B24BotError

log = logging.getLogger(__name__)

Scope = Literal["read", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "admin")
FILE_NAME: Final = "tokens.json"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """`read` opens what only reads the archive; `admin` everything. `created_at`: ISO 8601, UTC."""

    name: str
    scope: Scope
    created_at: str
    sha256: str


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_tokens(path: Path) -> list[ApiToken]:
    """None without a file. Raises B24BotError when it is damaged."""
    try:
        rows: list[Any] = json.loads(path.read_bytes())["tokens"]
        found = [ApiToken(row["name"], row["scope"], row["created_at"], row["sha256"]) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise B24BotError(
            f"{path} cannot be read ({type(error).__name__})", next_step="delete it and add the tokens anew"
        ) from None
    return [token for token in found if token.scope in SCOPES]


def write_tokens(tokens: Iterable[ApiToken]) -> bytes:
    return (json.dumps({"tokens": [asdict(token) for token in tokens]}, ensure_ascii=False, indent=1) + "\n").encode()


class TokenFile:
    """The file as the running instance sees it: read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: list[ApiToken] = []

    def scope_of(self, given: str) -> Scope | None:
        """What a token opens. Every stored hash is compared, each in constant time."""
        wanted, found = hash_of(given), None
        for token in self._current():
            if hmac.compare_digest(token.sha256, wanted):
                found = token.scope
        return found

    def _current(self) -> list[ApiToken]:
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
