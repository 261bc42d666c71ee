"""Addresses of files: signed, short-lived, without anything of the messenger's or of the portal's in them.

The portal downloads a client's file by itself, and a client what the messenger takes from no bot; each only knows the
address, so the address is the permission. It names the account, what finds the file again, and an end, under a key
that never leaves the instance.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any, Final

from ..channels.base import IncomingFile
from ..values import dataclass

KEY_FILE: Final = "channel-files.key"
GOOD_FOR_S: Final = 24 * 3600
SENT_GOOD_FOR_S: Final = 7 * 24 * 3600  # people come back to what they were sent
_SENT: Final = "sent"
_SIGNATURE_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Link:
    account_id: int
    file: IncomingFile


@dataclass(frozen=True, slots=True)
class SentLink:
    """A file of the team: of which message, and which of its files, counted from 0."""

    account_id: int
    portal_message_id: int
    place: int


class FileLinks:
    """`public_url`: of the instance, with a slash at its end. The key is made when it is needed first."""

    def __init__(self, home: Path, public_url: str) -> None:
        self._path = home / KEY_FILE
        self._base = f"{public_url}channel-files/"

    def issue(self, account_id: int, file: IncomingFile, now: float) -> str:
        facts: list[int | str] = [account_id, file.ref, file.name, file.type, file.size, int(now) + GOOD_FOR_S]
        return self._address(facts)

    def issue_sent(self, file: SentLink, now: float) -> str:
        """The same at every try of a message, when `now` is."""
        return self._address([_SENT, file.account_id, file.portal_message_id, file.place, int(now) + SENT_GOOD_FOR_S])

    def _address(self, facts: list[int | str]) -> str:
        payload = _encode(json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode())
        return f"{self._base}{payload}.{self._sign(payload)}"

    def read(self, token: str, now: float) -> Link | SentLink | None:
        """None for what we did not issue, or issued too long ago."""
        payload, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(payload).encode()):
            return None
        facts: list[Any] = json.loads(_decode(payload))
        if facts[-1] <= now:
            return None
        if facts[0] == _SENT:
            return SentLink(*facts[1:-1])
        account_id, ref, name, kind, size, _ = facts
        return Link(account_id, IncomingFile(ref, name, kind, size))

    def _sign(self, payload: str) -> str:
        return _encode(hmac.new(self._key(), payload.encode(), hashlib.sha256).digest()[:_SIGNATURE_BYTES])

    def _key(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            pass
        draft = self._path.with_name(f"{KEY_FILE}.{os.getpid()}-{os.urandom(4).hex()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(os.urandom(32))
            os.fsync(file.fileno())
        try:
            os.link(draft, self._path)  # of two at once the first one's stays
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return self._path.read_bytes()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
