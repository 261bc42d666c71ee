"""The releases on this server, which one an instance had before, and its archive from before the last upgrade.

A release never changes. What an upgrade keeps lies in the instance's own home under `upgrade/`, and goes with it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..db import Frozen, inspect, name_aside
from ..errors import B24BotError
from . import plan
from .files import fsync_directory
from .owner import acting_as_owner
from .paths import Layout
from .spec import InstanceSpec
from .steps import Absent, Directory, File, Step

VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
DATABASE: Final = "dialogs.db"


# --- releases ------------------------------------------------------------------------------------------------


def installed(layout: Layout) -> list[str]:
    """The releases that can run, the oldest version first."""
    with suppress(OSError):
        return sorted((path.name for path in layout.releases.iterdir() if _is_whole(path)), key=_order)
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


def _order(version: str) -> list[tuple[int, int, str]]:
    """'0.10.0' after '0.9.1'."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|[A-Za-z]+", version)]


# --- what an upgrade keeps -----------------------------------------------------------------------------------


def kept(layout: Layout, instance: str) -> Path:
    return layout.home(instance) / "upgrade"


def former(layout: Layout, instance: str) -> str:
    """The release before the last switch; '' when there was none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        version = json.loads((kept(layout, instance) / "former.json").read_bytes())["release"]
        if isinstance(version, str) and VERSION.fullmatch(version):
            return version
    return ""


def steps(layout: Layout, spec: InstanceSpec, version: str, ports: dict[str, int]) -> list[Step]:
    """The instance on another release: `create`'s plan without nginx, and without the flags that a person may have
    set; what it had before is noted."""
    home, user = layout.home(spec.name), layout.user(spec.name)
    flags = {home / flag for flag in ("ENABLED", "DISABLED")}
    planned = plan.create(layout, replace(spec, release=version), ports, nginx_wanted=False)
    note = json.dumps({"release": spec.release, "left_at": int(time.time())}).encode()
    return [
        Directory(kept(layout, spec.name), 0o700, user),
        File(kept(layout, spec.name) / "former.json", note, 0o600, user),
        *(step for step in planned if not (isinstance(step, File | Absent) and step.path in flags)),
    ]


def database_schema(layout: Layout, instance: str) -> int:
    """The schema of the archive as it lies there; 0 when there is none yet."""
    home = layout.home(instance)
    if not (home / DATABASE).is_file():
        return 0
    with acting_as_owner(home):
        frozen = Frozen(home / DATABASE)
        try:
            return frozen.schema()
        finally:
            frozen.close()


def keep_database(layout: Layout, instance: str) -> None:
    """Copy the archive aside while the instance goes on writing. Raises StorageError, B24BotError."""
    home, directory = layout.home(instance), kept(layout, instance)
    if not (home / DATABASE).is_file():
        return
    try:
        with acting_as_owner(home):
            directory.mkdir(mode=0o700, exist_ok=True)
            part = directory / f".{DATABASE}.new"
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            frozen = Frozen(home / DATABASE)
            try:
                frozen.copy_to(part)
            finally:
                frozen.close()
            inspect(part)
            part.replace(directory / DATABASE)
            fsync_directory(directory)
    except OSError as error:
        raise B24BotError(f"the archive of {instance} could not be copied: {error.strerror}") from None


def put_database_back(layout: Layout, instance: str) -> str:
    """The archive from before the last upgrade takes its place again; the present one stays beside it.

    Returns the name under which it stays. The instance must not run. Raises B24BotError.
    """
    home = layout.home(instance)
    copy = kept(layout, instance) / DATABASE
    if not copy.is_file():
        raise B24BotError(f"{copy} is missing", next_step=f"botctl {instance} restore FILE --replace")
    name = name_aside()
    with acting_as_owner(home):
        _rename_database(home / DATABASE, home / name)
        copy.rename(home / DATABASE)
        fsync_directory(home)
    return name


def take_database_again(layout: Layout, instance: str, name: str) -> None:
    """Undo `put_database_back`, which returned `name`. The instance must not run."""
    home = layout.home(instance)
    with acting_as_owner(home):
        _rename_database(home / DATABASE, kept(layout, instance) / DATABASE)
        _rename_database(home / name, home / DATABASE)
        fsync_directory(home)


def _rename_database(path: Path, target: Path) -> None:
    """With what SQLite keeps beside it."""
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
