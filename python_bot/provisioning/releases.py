"""The releases on this server, and which one an instance had before. A release never changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import B24BotError
from .archives import kept
from .paths import Layout

VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
NOTE: Final = "former.json"


def installed(layout: Layout) -> list[str]:
    """The releases that can run, the oldest version first."""
    with suppress(OSError):
        return sorted((path.name for path in layout.releases.iterdir() if _is_whole(path)), key=order)
    return []


def default(layout: Layout) -> str:
    """The release that new instances get; '' when there is none."""
    with suppress(OSError):
        return Path(os.readlink(layout.current)).name  # noqa: PTH115  # its text is enough
    return ""


def check(layout: Layout, version: str) -> None:
    """Raises B24BotError when this release is not here or not whole."""
    if VERSION.fullmatch(version) and version in installed(layout):
        return
    others = ", ".join(installed(layout)) or "none"
    raise B24BotError(
        f"release {version or '(no default)'} is not on this server; here are: {others}",
        next_step="run setup_multi.sh of the wanted release first; it makes the release and moves no instance",
    )


def try_out(layout: Layout, version: str) -> None:
    """The release can be loaded with its own interpreter and packages. Raises B24BotError; nobody was stopped yet."""
    release = layout.release(version)
    command = [str(release / ".venv/bin/python"), "-c", "import gunicorn.app.wsgiapp, python_bot.app"]
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=release, env=env, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise B24BotError(
            f"release {version} does not even load: {why}; nothing was changed",
            next_step="run setup_multi.sh of that release again",
        )


def schema(layout: Layout, version: str) -> int:
    """How many migrations a release knows: the newest schema that it can open."""
    return len(list((layout.release(version) / "python_bot/migrations").glob("[0-9]*.sql")))


def program_version(layout: Layout, version: str) -> str:
    """What the release calls itself in its status; '' when it does not say."""
    with suppress(OSError):
        text = (layout.release(version) / "python_bot/__init__.py").read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
        return found[1] if found else ""
    return ""


def _is_whole(path: Path) -> bool:
    is_link = path.is_symlink() or not VERSION.fullmatch(path.name)
    return not is_link and (path / "python_bot/app.py").is_file() and (path / ".venv/bin/python").exists()


def order(version: str) -> list[tuple[int, int, str]]:
    """'0.10.0' after '0.9.1'."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|[A-Za-z]+", version)]


def former(layout: Layout, instance: str) -> str:
    """The release before the last switch; '' when there was none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        version = json.loads((kept(layout, instance) / NOTE).read_bytes())["release"]
        if isinstance(version, str) and VERSION.fullmatch(version):
            return version
    return ""
