"""Files changed so that a reader sees the old one or the new one, and a power cut loses neither."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def fsync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Write beside, flush, rename over. The mode is set before any content is there."""
    temporary = path.with_name(f".{path.name}.b24bot-new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def write_link(path: Path, target: str) -> None:
    temporary = path.with_name(f".{path.name}.b24bot-new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
    fsync_directory(path.parent)


def copy_aside(path: Path, kept: Path) -> None:
    """A copy with mode and owner, flushed, for the undo."""
    found = path.stat()
    write_file(kept, path.read_bytes(), found.st_mode & 0o7777, (found.st_uid, found.st_gid))


def copy_into_place(kept: Path, path: Path) -> None:
    found = kept.stat()
    write_file(path, kept.read_bytes(), found.st_mode & 0o7777, (found.st_uid, found.st_gid))


def remove(path: Path) -> None:
    """Whatever is there, links not followed; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_parents(path: Path) -> list[Path]:
    """Make the missing directories above `path`; those made, outermost first."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o755)
    return list(reversed(missing))


def make_directory(path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    """Make it, or give it mode and owner. A link in its place is refused: the owner of a home could lay one there."""
    path.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if owner is not None:
            os.fchown(handle, *owner)
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
    fsync_directory(path.parent)


def drop_if_empty(path: Path) -> bool:
    with suppress(OSError):
        path.rmdir()
        return True
    return False
