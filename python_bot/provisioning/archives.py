"""Archives of an instance beside the present one, and the places that they take.

The one from before the last upgrade lies in the instance's own home under `upgrade/`, one that is being made anew under
`rebuild/`; they go with it.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from ..db import RESTORED, Frozen, inspect
from ..errors import B24BotError
from .files import fsync_directory
from .owner import acting_as_owner
from .paths import Layout

Place = Literal["upgrade", "rebuild"]

DATABASE: Final = "dialogs.db"
INDEX: Final = "search.db"


def kept(layout: Layout, instance: str, place: Place = "upgrade") -> Path:
    return layout.home(instance) / place


def schema(layout: Layout, instance: str) -> int:
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


def keep(layout: Layout, instance: str) -> None:
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


def must_go_back(layout: Layout, instance: str, opens: int, aside: str) -> bool:
    """The archive is too new for a release that knows schema `opens` (0: not known); or somebody who put the former
    one back for that reason was interrupted."""
    home = layout.home(instance)
    if (home / aside).exists():
        return not (home / DATABASE).exists()
    with suppress(B24BotError):
        return 0 < opens < schema(layout, instance)
    return False


def check_kept(layout: Layout, instance: str, place: Place = "upgrade") -> None:
    """Raises B24BotError when there is no archive to go back to."""
    copy = kept(layout, instance, place) / DATABASE
    if not copy.is_file():
        raise B24BotError(f"{copy} is missing", next_step=f"botctl {instance} restore FILE --replace")


def put_back(layout: Layout, instance: str, aside: str, place: Place = "upgrade") -> None:
    """The archive that lies at `place` takes the place of the present one, which stays beside it as `aside`.

    The instance must not run. Raises B24BotError.
    """
    home, copy = layout.home(instance), kept(layout, instance, place) / DATABASE
    check_kept(layout, instance, place)
    with acting_as_owner(home):
        if not (home / aside).exists():
            _rename(home / DATABASE, home / aside)
        _forget_index(home)
        if place == "upgrade":
            (home / RESTORED).touch(0o600)
        copy.rename(home / DATABASE)
        fsync_directory(home)


def take_again(layout: Layout, instance: str, aside: str, place: Place = "upgrade") -> None:
    """Undo `put_back`, wherever it was interrupted. The instance must not run."""
    home, copy = layout.home(instance), kept(layout, instance, place) / DATABASE
    with acting_as_owner(home):
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        if not copy.exists():
            _rename(home / DATABASE, copy)
        _forget_index(home)
        _rename(home / aside, home / DATABASE)
        (home / RESTORED).unlink(missing_ok=True)
        fsync_directory(home)
        if place == "rebuild":
            shutil.rmtree(copy.parent)  # it can be made again


def _forget_index(home: Path) -> None:
    """The search index has followed the other archive, perhaps further than this one goes; it is built anew."""
    for suffix in ("", "-wal", "-shm"):
        (home / (INDEX + suffix)).unlink(missing_ok=True)


def _rename(path: Path, target: Path) -> None:
    """With what SQLite keeps beside it."""
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
