"""The files of an instance's home: searched for words, and log lines that name somebody made empty.

Links are not followed: the home belongs to the instance.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from ..values import dataclass
from .needles import Matcher

WINDOW: Final = 4 * 1024 * 1024
OVERLAP: Final = 64 * 1024  # a compressed stream is looked at as far as this
DATABASE: Final = b"SQLite format 3\x00"
_LOG: Final = re.compile(r"(?:bot|gunicorn|access|error)[\w.-]*\.(?:log|out)(?:[.-][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Hit:
    """`file`: relative to the home."""

    file: str
    word: str


def files(home: Path) -> Iterator[Path]:
    """Every regular file, however deep."""
    for where, _, names in os.walk(home):
        for name in sorted(names):
            path = Path(where) / name
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path
            except FileNotFoundError:
                continue  # made and gone meanwhile


def databases(home: Path) -> list[Path]:
    """Files that are databases by their first bytes, the archive itself among them."""
    found = []
    for path in files(home):
        try:
            with _open(path) as file:
                if file.read(len(DATABASE)) == DATABASE:
                    found.append(path)
        except OSError:
            continue
    return found


def search(home: Path, matcher: Matcher, looked: Callable[[int], None]) -> list[Hit]:
    """Where any of the words stands, in names of files too. `looked`: told how many bytes a file had."""
    hits: set[Hit] = set()
    for path in files(home):
        name = str(path.relative_to(home))
        words = matcher.words_in(os.fsencode(name))
        try:
            words |= _words_in_file(path, matcher, looked)
        except FileNotFoundError:
            continue
        hits |= {Hit(name, word) for word in words}
    return sorted(hits, key=lambda hit: (hit.file, hit.word))


def _words_in_file(path: Path, matcher: Matcher, looked: Callable[[int], None]) -> set[str]:
    words: set[str] = set()
    tail, size = b"", 0
    with _open(path) as file:
        while part := file.read(WINDOW):
            size += len(part)
            window = tail + part
            words |= matcher.words_in(window) | matcher.words_packed_in(window)
            tail = window[-max(OVERLAP, matcher.longest) :]
    looked(size)
    return words


def blank_log_lines(home: Path, names_them: Callable[[bytes], bool]) -> int:
    """Overwrite the lines of logs that name somebody, in place: whoever writes to the log goes on. Returns how many."""
    count = 0
    for path in files(home):
        if not _LOG.fullmatch(path.name):
            continue
        count += _rewrite_packed(path, names_them) if path.name.endswith(".gz") else _blank(path, names_them)
    return count


def _blank(path: Path, names_them: Callable[[bytes], bool]) -> int:
    count = 0
    with _open(path, os.O_RDWR) as file:
        at = 0
        while line := file.readline():
            if names_them(line):
                kept = line.rstrip(b"\r\n")
                notice = b'{"message": "erased"}'
                blank = notice.ljust(len(kept)) if len(kept) >= len(notice) else b" " * len(kept)
                os.pwrite(file.fileno(), blank, at)
                count += 1
            at += len(line)
        os.fsync(file.fileno())
    return count


def _rewrite_packed(path: Path, names_them: Callable[[bytes], bool]) -> int:
    """A rotated log: nobody writes to it any more."""
    with _open(path) as file, gzip.open(file) as packed:
        lines = packed.readlines()
    kept = [line for line in lines if not names_them(line)]
    if len(kept) == len(lines):
        return 0
    mode = path.stat().st_mode
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as target:
        with gzip.open(target, "wb") as packed_target:
            packed_target.writelines(kept)
        target.flush()
        os.fchmod(target.fileno(), stat.S_IMODE(mode))
        os.fsync(target.fileno())
    Path(name).replace(path)
    return len(lines) - len(kept)


def _open(path: Path, flags: int = os.O_RDONLY) -> IO[bytes]:
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "rb")
