"""A random key of the instance, in a file of its own (0600): what a browser shows is signed with it.

A key made out of API_SECRET_TOKEN would let whoever has a signature try passwords against it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_NAME: Final = "page.key"
KEY_BYTES: Final = 32


class KeyFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = b""

    def sign(self, *parts: object) -> str:
        """A signature in hex; the first part says what for. Raises OSError when the key cannot be written."""
        self._key = self._key or self._load()
        return hmac.new(self._key, "|".join(map(str, parts)).encode(), hashlib.sha256).hexdigest()

    def _load(self) -> bytes:
        """The key; made once, whichever process is first."""
        with suppress(FileNotFoundError):
            return self._read()
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
            with suppress(FileExistsError):
                os.link(temporary, self._path)
        finally:
            temporary.unlink(missing_ok=True)
        return self._read()

    def _read(self) -> bytes:
        key = self._path.read_bytes()
        if len(key) < KEY_BYTES:
            raise OSError(f"{self._path} is damaged: remove it, a new one is made")
        return key
