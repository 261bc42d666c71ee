"""Contents on disk: `files/ab/<sha256>`, each once, written beside and renamed when whole.

While a content is renamed but not committed yet, an empty file of its name stands in `files/tmp/`: after a crash
`sweep` finds it there and settles the matter. Contents of deleted rows are noted by the database itself
(`left_contents`). So nothing ever has to compare the whole store with the whole database.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..archive import Archive
from ..db import Storage
from ..errors import FileUnavailable, NoRoomForFiles
from ..values import dataclass

log = logging.getLogger(__name__)

MIB: Final = 1024 * 1024
LOOK_EVERY_BYTES: Final = 8 * MIB
LOCK: Final = ".lock"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes; 0 = none. `reserve`: what must stay free on the disk: events need it more than files do."""

    per_file: int = 0
    total: int = 0
    reserve: int = 0


NO_LIMITS: Final = Limits()


class Incoming:
    """A content that is being written. `write` raises FileUnavailable (too large) or NoRoomForFiles."""

    def __init__(self, path: Path, look: Callable[[int], None]) -> None:
        self.path = path
        self.size = 0
        self._look = look
        self._hash = hashlib.sha256()
        self._next_look = 0
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0)

    def write(self, part: bytes) -> None:
        self.size += len(part)
        if self.size >= self._next_look:
            self._look(self.size)
            self._next_look = self.size + LOOK_EVERY_BYTES
        with _said_as_ours():
            view = memoryview(part)
            while view:
                view = view[self._file.write(view) :]
        self._hash.update(part)

    def finish(self) -> str:
        """The content is whole and on disk. Returns its hash."""
        self._look(self.size)
        with _said_as_ours():
            os.fsync(self._file.fileno())
            self._file.close()
        return self._hash.hexdigest()

    def drop(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class ContentStore:
    """The directory `files/` of an instance. Several processes may use it: adding and removing exclude each other."""

    def __init__(self, root: Path, storage: Storage, archive: Archive, limits: Limits = NO_LIMITS) -> None:
        self.root = root
        self.limits = limits
        self._storage = storage
        self._archive = archive
        self._tmp = root / "tmp"
        self._run = f".{secrets.token_hex(4)}-"  # parts of other runs were left by a crash; no backup takes them

    def path_of(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def room_for(self, size: int) -> None:
        """Raises FileUnavailable when a file of this size is never taken, NoRoomForFiles when not now."""
        limits = self.limits
        if limits.per_file and size > limits.per_file:
            raise FileUnavailable(
                f"the file is larger than B24BOT_FILE_MAX_MB ({limits.per_file // MIB}) permits",
                final=True,
                next_step="raise the limit, then revive the job",
            )
        if limits.total and self._archive.stored_bytes() + size > limits.total:
            raise NoRoomForFiles(
                "the files of the instance have reached B24BOT_FILES_MAX_GB", next_step="raise the limit"
            )
        self._look_at_disk(size)

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Write a content; what was not kept at the end of the block is gone. Raises NoRoomForFiles."""
        with _said_as_ours():
            self._make_root()
            part = Incoming(self._tmp / f"{self._run}{secrets.token_hex(8)}", self._look_while_writing)
        try:
            yield part
        finally:
            part.drop()

    def keep(self, part: Incoming, commit: Callable[[str], bool]) -> None:
        """Give the content its place and tell the database; `commit` returns False when nobody wants it any more."""
        digest = part.finish()
        with _said_as_ours(), self._exclusive():
            marker = self._tmp / digest
            marker.touch(mode=0o600)
            _fsync(self._tmp)
            target = self.path_of(digest)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _fsync(self.root)
            part.path.replace(target)
            _fsync(target.parent)
            if not commit(digest):
                self._remove_unused([digest])
            marker.unlink()

    def remove(self, digests: Collection[str]) -> set[str]:
        """Remove those of these contents that no file refers to any more. Returns them."""
        if not digests:
            return set()
        with _said_as_ours(), self._exclusive():
            return self._remove_unused(digests)

    def remove_left(self) -> int:
        """Remove the contents of files that were deleted from the archive. Returns how many."""
        left = self._archive.left_contents()
        if not left:
            return 0
        removed = self.remove(left)
        self._storage.write(lambda tx: self._archive.forget_contents(tx, removed))
        return len(removed)

    def sweep(self) -> int:
        """Settle what a crash left behind: only for the process that holds the worker's lock. Returns how many
        contents went."""
        if not self._tmp.is_dir():
            return 0
        with _said_as_ours(), self._exclusive():
            left = [path for path in self._tmp.iterdir() if path.name != LOCK and not path.name.startswith(self._run)]
            removed = len(self._remove_unused([path.name for path in left if _DIGEST.fullmatch(path.name)]))
            for path in left:
                path.unlink(missing_ok=True)
        return removed

    def _remove_unused(self, digests: Collection[str]) -> set[str]:
        unused = set(digests) - self._archive.hashes_in_use(digests)
        for digest in unused:
            path = self.path_of(digest)
            if path.exists():
                path.unlink()
                _fsync(path.parent)
        return unused

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._make_root()
        handle = os.open(self._tmp / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make_root(self) -> None:
        for directory in (self.root, self._tmp):
            directory.mkdir(mode=0o700, exist_ok=True)

    def _look_while_writing(self, size: int) -> None:
        if self.limits.per_file and size > self.limits.per_file:
            self.room_for(size)  # raises: the portal had said less, or nothing
        self._look_at_disk(0)

    def _look_at_disk(self, size: int) -> None:
        disk = os.statvfs(self.root if self.root.is_dir() else self.root.parent)
        if disk.f_bavail * disk.f_frsize - size < self.limits.reserve:
            raise NoRoomForFiles(
                f"the disk would have less than B24BOT_DISK_RESERVE_MB ({self.limits.reserve // MIB}) left",
                next_step="make room on the disk",
            )


@contextmanager
def _said_as_ours() -> Iterator[None]:
    """Whatever the disk refuses is a reason to wait: a full one gets room, a wrong owner is corrected."""
    try:
        yield
    except OSError as error:
        raise NoRoomForFiles(
            f"the disk refuses files: {error.strerror}", next_step="check room and owner of the directory files/"
        ) from None


def _fsync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
