"""Where an instance of this server has its settings and its home."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from ..db import Storage
from ..errors import B24BotError
from ..settings import Settings

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


class NoSuchInstance(B24BotError):
    pass


def root() -> Path:
    """Every path of the product lies under this: '/' on a server, a staging directory in tests and dry runs."""
    return Path(os.environ.get("B24BOT_ROOT") or "/")


def env_file(instance: str) -> Path:
    return root() / "etc/b24bot/env" / f"{instance}.env"


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` lines as systemd reads them: comments, blank lines, optional quotes around the value."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match:
            value = match[2].strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[match[1]] = value
    return found


def environment(instance: str) -> dict[str, str]:
    """The instance's settings as environment variables. Raises NoSuchInstance."""
    path = env_file(instance)
    try:
        return {"B24BOT_INSTANCE": instance, **read_env_file(path)}
    except FileNotFoundError:
        raise NoSuchInstance(
            f"there is no instance {instance!r} on this server ({path} is missing)",
            next_step=f"make that file with the settings of README.md, section 'Settings', for example "
            f"B24BOT_HOME, API_SECRET_TOKEN and B24BOT_PUBLIC_URL; then botctl {instance} run",
        ) from None
    except PermissionError:
        raise B24BotError(f"{path} cannot be read", next_step="run botctl as root (sudo)") from None


def open_storage(instance: str) -> Storage:
    """The archive of an instance, whether it runs or not. Close it after use."""
    storage = Storage(Settings.from_env(environment(instance)).home / "dialogs.db")
    storage.open()
    return storage
