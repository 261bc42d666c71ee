"""The secret of an instance that makes its pseudonyms: the same in every export, and nobody can compute them back."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import B24BotError

FILE_NAME: Final = "anonymise.key"
SIZE: Final = 32


def read_key(home: Path) -> bytes:
    """The key, made (0600) when there is none. Two who make it at once get the same. Raises B24BotError."""
    path = home / FILE_NAME
    try:
        if not path.exists():
            _make(home, path)
        key = path.read_bytes()
    except OSError as error:
        raise B24BotError(
            f"{path} can be neither read nor made ({error.strerror})",
            next_step="check the owner of the instance's home",
        ) from None
    if len(key) != SIZE:
        raise B24BotError(f"{path} is damaged", next_step="restore it from a backup; without it, pseudonyms change")
    return key


def _make(home: Path, path: Path) -> None:
    handle, name = tempfile.mkstemp(".tmp", "export-key-", home)  # for its owner alone
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
