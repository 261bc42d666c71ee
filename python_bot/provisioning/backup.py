"""A backup of an instance: one gzipped tar, complete in itself, that proves its own wholeness.

    b24bot-backup.json   what this is: the first member, so that a stranger's file is refused at once
    instance.json        what the instance was asked to be
    settings.json        its settings, secrets included: the file is as secret as they are (0600)
    home/dialogs.db      the archive, copied while the instance went on writing
    home/…               auth.json, tokens.json, files/ and whatever else is data
    manifest.json        size and SHA-256 of every member; the last one: an archive without it is not whole

Reading never trusts a name or a size: members are checked one by one and written below one directory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import stat
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from ..db import Frozen
from ..errors import B24BotError
from ..model import time_text
from ..values import dataclass
from .files import fsync_directory
from .owner import acting_as_owner
from .paths import Layout
from .spec import InstanceSpec, read_spec, write_spec

FORMAT: Final = 1
HEADER, SPEC, SETTINGS, MANIFEST = "b24bot-backup.json", "instance.json", "settings.json", "manifest.json"
HOME: Final = "home/"
DATABASE: Final = "dialogs.db"
CHUNK: Final = 1024 * 1024
SMALL: Final = 1024 * 1024  # what our own descriptions may weigh

# Not data: logs, locks, what belongs to a running process or to this machine, SQLite's files beside a database, and the
# search index, which is built anew.
_NOT_KEPT: Final = re.compile(
    r"\..*|bot\.log.*|gunicorn\..*|.*\.lock|.*\.db-(wal|shm|journal)|search.*\.db|ENABLED|upgrade|rebuild"
)


class BadBackup(B24BotError):
    """The file is no backup of ours, or is damaged; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A verified backup, unpacked below `directory`. `files`: names below the home."""

    directory: Path
    made_at: str
    spec: InstanceSpec
    files: list[str]

    @property
    def home(self) -> Path:
        return self.directory / "home"


@dataclass(slots=True)
class _Listing:
    """What the manifest says of each member: [size, SHA-256]."""

    members: dict[str, list[Any]] = field(default_factory=dict)

    def put(self, name: str, size: int, digest: str) -> None:
        self.members[name] = [size, digest]


# --- writing -------------------------------------------------------------------------------------------------


def write(layout: Layout, spec: InstanceSpec, target: Path, made_by: str) -> int:
    """Back an instance up, whether it runs or not; the size of the file in bytes. Raises B24BotError.

    `made_by`: the program's version. The file appears whole under its name, or not at all.
    """
    home = layout.home(spec.name)
    if not (home / DATABASE).is_file():
        raise B24BotError(f"{home} holds no archive yet", next_step=f"botctl {spec.name} on")
    _refuse_to_overwrite(target)
    part = target.with_name(f".{target.name}.b24bot-new")
    copies: dict[str, Path] = {}
    try:
        for number, name in enumerate(_databases(home)):
            copies[name] = target.with_name(f".{target.name}.b24bot-db{number}")
            copies[name].unlink(missing_ok=True)
            os.close(os.open(copies[name], os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            _copy_database(home, name, copies[name])
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            _write_archive(file, home, spec, copies, made_by)
            file.flush()
            os.fsync(file.fileno())
        size = part.stat().st_size
        part.replace(target)
        fsync_directory(target.parent)
        return size
    except OSError as error:
        raise B24BotError(f"{target} could not be written: {error.strerror}: {error.filename or ''}") from None
    finally:
        for path in (part, *copies.values()):
            path.unlink(missing_ok=True)


def _refuse_to_overwrite(target: Path) -> None:
    """An older backup may be replaced; any other file was hardly meant."""
    if not target.parent.is_dir():
        raise B24BotError(f"{target.parent} is no directory", next_step="make it first")
    if target.exists() and not looks_like_backup(target):
        raise B24BotError(f"{target} exists and is no backup", next_step="give another name")


def looks_like_backup(path: Path) -> bool:
    with suppress(OSError, EOFError, zlib.error, tarfile.TarError), tarfile.open(path, "r:gz") as archive:
        first = archive.next()
        return first is not None and first.name == HEADER
    return False


def _databases(home: Path) -> list[str]:
    """The archive first, then former ones that `reinit_db` kept."""
    others = sorted(path.name for path in home.glob("dialogs-*.db") if path.is_file() and not path.is_symlink())
    return [DATABASE, *others]


def _copy_database(home: Path, name: str, copy: Path) -> None:
    with acting_as_owner(home):
        frozen = Frozen(home / name)
    try:
        frozen.copy_to(copy)
    finally:
        with acting_as_owner(home):
            frozen.close()


def _write_archive(file: IO[bytes], home: Path, spec: InstanceSpec, copies: dict[str, Path], made_by: str) -> None:
    listing = _Listing()
    header = {"format": FORMAT, "instance": spec.name, "made_at": time_text(time.time()), "made_by": made_by}
    with (
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add_bytes(archive, listing, HEADER, _json(header))
        _add_bytes(archive, listing, SPEC, write_spec(spec))
        _add_bytes(archive, listing, SETTINGS, _json(spec.env))  # every value comes back exactly, whatever it holds
        for name, copy in copies.items():
            with copy.open("rb") as database:
                _add(archive, listing, HOME + name, database)
        with acting_as_owner(home):  # our own file is open already
            for name in _data_files(home):
                if name not in copies:
                    _add_if_there(archive, listing, home, name)
        _add_bytes(archive, _Listing(), MANIFEST, _json({"members": listing.members}))


def _data_files(home: Path) -> Iterator[str]:
    """Names of regular files below the home that are data, links never followed."""
    for path in sorted(home.iterdir()):
        if path.is_symlink() or _NOT_KEPT.fullmatch(path.name):
            continue
        if path.is_file():
            yield path.name
        elif path.is_dir():
            for below in sorted(path.rglob("*")):
                if below.is_file() and not below.is_symlink() and not below.name.startswith("."):
                    yield below.relative_to(home).as_posix()


def _add_if_there(archive: tarfile.TarFile, listing: _Listing, home: Path, name: str) -> None:
    """A file that was deleted meanwhile is no loss: the archive copied before it does not need it any more."""
    try:
        handle = os.open(home / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            _add(archive, listing, HOME + name, file)


def _add(archive: tarfile.TarFile, listing: _Listing, name: str, file: IO[bytes]) -> None:
    found = os.fstat(file.fileno())
    reader = _Hashing(file, found.st_size)
    archive.addfile(_member(name, found.st_size, int(found.st_mtime)), reader)
    listing.put(name, found.st_size, reader.digest())


def _add_bytes(archive: tarfile.TarFile, listing: _Listing, name: str, content: bytes) -> None:
    archive.addfile(_member(name, len(content), int(time.time())), io.BytesIO(content))
    listing.put(name, len(content), hashlib.sha256(content).hexdigest())


def _member(name: str, size: int, modified_at: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, modified_at
    return member


class _Hashing:
    """Reads at most `size` bytes (the file may still be growing) and remembers their SHA-256."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left, self._hash = file, size, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()


# --- reading -------------------------------------------------------------------------------------------------


def unpack(path: Path, directory: Path) -> Contents:
    """Check everything while writing it below `directory` (empty, ours). Raises BadBackup with the reason."""
    try:
        return _unpack(path, directory)
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise BadBackup(f"{path} is damaged: {_words(error)}", next_step="take another backup") from None
    except OSError as error:
        raise B24BotError(f"{error.filename or path}: {error.strerror or error}") from None


def _unpack(path: Path, directory: Path) -> Contents:
    if not looks_like_backup(path):
        path.open("rb").close()  # says so when it cannot be read at all
        raise BadBackup(f"{path} is no backup of an instance, or its beginning is damaged")
    seen = _Listing()
    manifest: dict[str, Any] = {}
    with gzip.open(path, "rb") as packed:
        with tarfile.open(fileobj=packed, mode="r|") as archive:
            for member in archive:
                if manifest:
                    raise BadBackup(f"{path} goes on after its end")
                name = _checked_name(path, member, seen)
                content = archive.extractfile(member)
                assert content is not None  # a regular file: checked
                if name == MANIFEST:
                    manifest = _loaded(path, content.read(64 * SMALL))
                    continue
                if name == HEADER:
                    _check_format(path, member)
                seen.put(name, *_write_out(content, directory / name, member))
        while packed.read(CHUNK):  # to the end, where gzip keeps its own checksum
            pass
    if not manifest:
        raise BadBackup(f"{path} is cut off: its list of contents is missing", next_step="take another backup")
    _compare(path, manifest.get("members"), seen.members)
    return _contents(path, directory, seen)


def _checked_name(path: Path, member: tarfile.TarInfo, seen: _Listing) -> str:
    name = member.name
    pure = PurePosixPath(name)
    ours = name in (HEADER, SPEC, SETTINGS, MANIFEST) or (name.startswith(HOME) and len(pure.parts) > 1)
    plain = ".." not in pure.parts and str(pure) == name and "\0" not in name
    if not member.isreg() or not ours or not plain or name in seen.members:
        raise BadBackup(f"{path} holds something that no backup of ours holds: {name!r}")
    return name


def _write_out(content: IO[bytes], target: Path, member: tarfile.TarInfo) -> tuple[int, str]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hasher, size = hashlib.sha256(), 0
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)
            hasher.update(chunk)
            size += len(chunk)
        file.flush()
        os.fsync(file.fileno())
    os.utime(target, (member.mtime, member.mtime))
    return size, hasher.hexdigest()


def _check_format(path: Path, member: tarfile.TarInfo) -> None:
    if member.size > SMALL:
        raise BadBackup(f"{path} is no backup of an instance")


def _compare(path: Path, promised: Any, found: dict[str, list[Any]]) -> None:
    if not isinstance(promised, dict):
        raise BadBackup(f"{path} is damaged: its list of contents cannot be read")
    for name in sorted({*promised, *found}):
        if promised.get(name) != found.get(name):
            what = (
                "is missing" if name not in found else "is not in the list" if name not in promised else "was changed"
            )
            raise BadBackup(f"{path} is damaged: {name} {what}", next_step="take another backup")
    for name in (HEADER, SPEC, SETTINGS, HOME + DATABASE):
        if name not in found:
            raise BadBackup(f"{path} is not whole: {name} is missing")


def _contents(path: Path, directory: Path, seen: _Listing) -> Contents:
    header = _loaded(path, (directory / HEADER).read_bytes())
    if header.get("format") != FORMAT:
        raise BadBackup(
            f"{path} has format {header.get('format')}, this release knows {FORMAT}",
            next_step="restore it with the release that made it, or a newer one",
        )
    env = _loaded(path, (directory / SETTINGS).read_bytes())
    if not all(isinstance(value, str) for value in env.values()):
        raise BadBackup(f"{path}: its settings cannot be read")
    spec = read_spec(directory / SPEC, env)
    if header.get("instance") != spec.name:
        raise BadBackup(f"{path} contradicts itself: {header.get('instance')} or {spec.name}?")
    files = [name.removeprefix(HOME) for name in seen.members if name.startswith(HOME)]
    return Contents(directory, str(header.get("made_at", "")), spec, files)


def _loaded(path: Path, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadBackup(f"{path} is damaged: one of its descriptions cannot be read")
    return found


def _words(error: BaseException) -> str:
    return "it is cut off" if isinstance(error, EOFError) or "unexpected end" in str(error) else str(error)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
