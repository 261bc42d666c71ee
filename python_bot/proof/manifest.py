"""One file a day under `manifests/`: what was archived or changed, sealed; a job of the worker, after midnight UTC.

Whatever changed until the end of a day is in its file or in a former one, as it was when the file was written. Days
that were missed are caught up, one file each. A file is whole under its name, or not there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from ..archive import Manifests
from ..errors import B24BotError
from ..intake import Intake
from ..model import Job, ManifestDay, NewJob, Sealable, time_text
from . import lines

log = logging.getLogger(__name__)

MANIFEST: Final = "manifest"
DAY_S: Final = 24 * 3600
AFTER_MIDNIGHT_S: Final = 120.0
CHUNK: Final = 500
PAUSE_S: Final = 0.005  # between two portions: the other threads answer the portal
FIRST: Final = (-1, -(2**62))


def manifest_job(due_at: float = 0.0, key: str = MANIFEST) -> NewJob:
    return NewJob(MANIFEST, {}, key, key, due_at=due_at)


def name_of(day: int) -> str:
    return f"{time_text(day * DAY_S)[:10]}.jsonl"


class ManifestWriter:
    """`directory`: made when the first file is written. Raises StorageError, B24BotError; nothing counts then."""

    def __init__(self, directory: Path, manifests: Manifests, now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._manifests = manifests
        self._now = now

    def write_next(self) -> bool:
        """Write the oldest file that is due; False when there was none."""
        days = self._manifests.days()
        yesterday = int(self._now()) // DAY_S - 1
        former = days[-1] if days else None
        day = former.day + 1 if former else yesterday
        if day > yesterday:
            return False
        try:
            told = self._write(day, former)
        except OSError as error:
            raise B24BotError(
                f"the manifest {name_of(day)} cannot be written: {error.strerror}",
                next_step="check room and permissions of the instance's home",
            ) from None
        log.info("the manifest %s is written: %d messages, %d erasures", name_of(day), *told)
        return True

    def _write(self, day: int, former: ManifestDay | None) -> tuple[int, int]:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / name_of(day)
        part = path.with_name(f".{path.name}.new")
        erasures = self._manifests.untold_erasures()
        counts = [0, len(erasures)]
        digest = hashlib.sha256()
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:

            def put(line: dict[str, Any]) -> None:
                raw = lines.dumps(line)
                digest.update(raw)
                file.write(raw)

            put({"manifest": lines.FORMAT, "day": name_of(day)[:10], "former": former.digest if former else None})
            for portion in self._portions(day, former.day + 1 if former else None, erasures):
                keys = self._manifests.keys_for({message.chat_id for message in portion}, day)
                for message in portion:
                    if message.chat_id in keys:
                        put(lines.line_of(message, keys[message.chat_id]))
                        counts[0] += 1
                time.sleep(PAUSE_S)
            for chat_id, message_id in erasures:
                put({"erased": chat_id, "up_to": message_id})
            put({"end": True, "messages": counts[0], "erasures": counts[1]})
            _settle(file)
        _set_aside(path)
        part.rename(path)
        _fsync(self._directory)
        self._manifests.keep(day, digest.hexdigest(), erasures)
        return counts[0], counts[1]

    def _portions(self, day: int, first: int | None, erasures: list[tuple[int, int]]) -> Iterator[list[Sealable]]:
        """What changed in the day; and what is left of erased chats: their former hashes lost their key."""
        after = FIRST if first is None else (first * DAY_S * 1_000_000 - 1, 2**62)
        end = (day + 1) * DAY_S * 1_000_000
        while portion := self._manifests.changed(after, end, CHUNK):
            after = (portion[-1].changed, portion[-1].message_id)
            yield portion
        for chat_id, message_id in erasures:
            last = message_id
            while portion := self._manifests.of_chat(chat_id, last, CHUNK):
                last = portion[-1].message_id
                yield portion


class ManifestJobs:
    """Handles jobs of the kind `manifest`: one file each, then the next day's."""

    limit = 1
    lease_s = 6 * 3600.0  # the first file of a large archive

    def __init__(self, writer: ManifestWriter, intake: Intake, now: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._intake = intake
        self._now = now

    def start(self) -> None:
        self._intake.queue(manifest_job(key=f"{MANIFEST}:start"))  # tomorrow's waits already, and does not count

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        try:
            is_done = not self._writer.write_next()
        except B24BotError as error:
            return [error] * len(jobs)
        tomorrow = (int(self._now()) // DAY_S + 1) * DAY_S + AFTER_MIDNIGHT_S
        self._intake.queue(manifest_job(tomorrow if is_done else 0.0))
        return [None] * len(jobs)

    def buried(self, job: Job, reason: str) -> None:
        self._intake.queue(manifest_job((int(self._now()) // DAY_S + 1) * DAY_S + AFTER_MIDNIGHT_S))


def _set_aside(path: Path) -> None:
    """A file of this day that the archive does not know: an older archive was put back. It stays, beside."""
    with suppress(FileNotFoundError):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(path.with_name(f"{path.name}.{digest[:8]}"))


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _fsync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
