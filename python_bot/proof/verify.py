"""Compares the manifests with each other and with the archive: what was changed or lost, and what has a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..archive import Manifests
from ..bitrix.bbcode import plain
from ..errors import BadManifest
from ..model import ManifestDay
from ..values import dataclass
from . import lines
from .manifest import CHUNK, name_of

MOST_PROBLEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """`message_id` None: it is about the file."""

    manifest: str
    message_id: int | None
    what: str


@dataclass(slots=True)
class Verified:
    """How many lines of the manifests agree, or differ for a reason; and what has none.

    `head`: the hash of the newest manifest; noted elsewhere, it shows also that all files and the archive were remade.
    """

    manifests: int = 0
    same: int = 0
    edited: int = 0
    repaired: int = 0
    erased: int = 0
    replaced: int = 0
    of_former_archives: int = 0
    head: str = ""
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def report(self, manifest: str, message_id: int | None, what: str) -> None:
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(manifest, message_id, what))


def verify(directory: Path, manifests: Manifests, progress: Callable[[int], None] = lambda count: None) -> Verified:
    """`progress` is told how many manifests were read since it was told last."""
    found = Verified()
    known = {name_of(day.day): day for day in manifests.days()}
    names = {path.name for path in directory.glob("*.jsonl")} if directory.is_dir() else set()
    former: str | None = None
    for name in sorted(names | set(known)):
        day = known.get(name)
        if name not in names:
            found.report(name, None, "the file is missing")
        else:
            _file(directory / name, day, former, manifests, found)
        former = day.digest if day else former
        progress(1)
    found.head = former or ""
    return found


def _file(path: Path, day: ManifestDay | None, former: str | None, manifests: Manifests, found: Verified) -> None:
    found.manifests += 1
    name = path.name
    try:
        digest = _digest(path)
        rows = _rows(path)
        header = next(rows, {})
    except OSError as error:
        found.report(name, None, f"the file cannot be read: {error.strerror}")
        return
    except BadManifest as error:
        found.report(name, None, str(error))
        return
    if day is not None and digest != day.digest:
        found.report(name, None, "the file was altered: its hash is not the one noted in the archive")
        return
    if header.get("former") != former:
        found.report(name, None, "it does not follow the former day's file" if former else "former files are missing")
        if day is None:
            return
    if day is not None and day.former:
        found.of_former_archives += 1
        return
    try:
        while portion := list(islice(rows, CHUNK)):
            _lines(name, day, [row for row in portion if "id" in row], manifests, found)
    except BadManifest as error:
        found.report(name, None, str(error))


def _lines(
    name: str, day: ManifestDay | None, rows: list[dict[str, Any]], manifests: Manifests, found: Verified
) -> None:
    ids, chats = {row["id"] for row in rows}, {row["chat"] for row in rows}
    here, keys, stones = manifests.here(ids), manifests.keys(chats), manifests.erased(chats)
    replaced = manifests.replaced(ids - here.keys())
    for row in rows:
        number, chat_id = row["id"], row["chat"]
        message, key = here.get(number), keys.get(chat_id)
        if message is None:
            if number <= stones.get(chat_id, -(2**63)):
                found.erased += 1
            elif number in replaced:
                found.replaced += 1
            else:
                found.report(name, number, "the message is gone, and no erasure tells why")
            continue
        if key is None or (day is not None and key[1] > day.day):
            # What was said after an erasure in the same dialog is sealed again, with a new key.
            if chat_id in stones:
                found.erased += 1
            else:
                found.report(name, number, "the key of its dialog is gone, and no erasure tells why")
            continue
        verdict, why = lines.judge(row, message, key[0], plain)
        if verdict == "altered":
            found.report(name, number, why)
        else:
            setattr(found, verdict, getattr(found, verdict) + 1)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Raises BadManifest at a line that is none of ours, and when the end is missing."""
    last: dict[str, Any] = {}
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                last = json.loads(raw)
            except ValueError:
                raise BadManifest(f"line {number} cannot be read") from None
            if not isinstance(last, dict) or not (
                ("id" in last and "chat" in last and "seal" in last and "words" in last and "source" in last)
                or last.keys() & {"manifest", "erased", "end"}
            ):
                raise BadManifest(f"line {number} is none of a manifest")
            yield last
    if not last.get("end"):
        raise BadManifest("the file is cut off")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
