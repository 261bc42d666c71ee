"""An export from a wish: which parts are put together for which format.

Nothing is held between two pieces: no transaction, no lock. Whoever takes the pieces may be slow, or go away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from ..archive import Archive
from ..db import ScratchFile
from ..errors import NoSuchDialog, StorageError
from ..model import Passage
from ..values import dataclass
from . import reading, tables
from .key import read_key
from .page import conversation_page
from .pages import ENOUGH, zipped
from .reading import Looked
from .sheet import sheet
from .wish import Mask, NoMask, Wish

ROWS: Final = 2000  # of one transaction of a SQLite file
TYPES: Final = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "zip": "application/zip",
    "sqlite": "application/vnd.sqlite3",
}


@dataclass(frozen=True, slots=True)
class Export:
    """`pieces`: the file; an error in the middle of them means that there is no whole file. `close` at the end.

    `suffix`: what its name ends in; `size`: in bytes, when it is known before.
    """

    suffix: str
    pieces: Iterator[bytes]
    size: int | None = None
    close: Callable[[], None] = lambda: None

    @property
    def content_type(self) -> str:
        return TYPES[self.suffix]


class Exporter:
    """`directory`: the instance's home, where a file may be made; `reserve`: bytes that must stay free there."""

    def __init__(self, archive: Archive, directory: Path, reserve: int) -> None:
        self._archive = archive
        self._directory = directory
        self._reserve = reserve

    def _mask(self) -> Mask:
        from .anonymise import Anonymiser  # its lists of names take 2 MiB, which few instances ever need

        return Anonymiser(self._archive, read_key(self._directory))

    def total(self, wish: Wish) -> int:
        """How many messages will be looked at, about."""
        return self._archive.passage(wish.wanted).total

    def export(self, wish: Wish, looked: Looked = lambda count: None) -> Export:
        """What can fail is tried first: an export that begins usually ends. `looked`: told how it goes on.

        Raises StorageError, NoSuchDialog.
        """
        identity = self._archive.identity()
        mask = self._mask() if wish.anonymise else NoMask()
        match wish.format:
            case "jsonl":
                passage = self._archive.passage(wish.wanted)
                lines = _lines(passage, looked) if not wish.anonymise else _masked_lines(passage, mask, looked)
                return Export("jsonl", self._whole(lines, identity))
            case "csv":
                messages = reading.messages(self._archive.passage(wish.wanted), mask, looked)
                return Export("csv", self._whole(sheet(messages, wish.zone, wish.language), identity))
            case "html" if wish.wanted.chat_id is not None:
                return Export("html", self._whole(self._page(wish, mask, looked), identity))
            case "html":
                return Export("zip", self._whole(self._pages(wish, mask, looked), identity))
            case "sqlite":
                file = self._file(wish, mask, looked)
                return Export("sqlite", self._whole(file.pieces(), identity), file.finish(), file.close)

    def _whole(self, pieces: Iterable[bytes], identity: str) -> Iterator[bytes]:
        """The pieces, and an error at their end when the archive became another one meanwhile."""
        yield from pieces
        if self._archive.identity() != identity:
            raise StorageError("the archive was replaced during the export", next_step="export again")

    def _page(self, wish: Wish, mask: Mask, looked: Looked) -> Iterator[bytes]:
        conversation = next(reading.conversations(self._archive, wish.wanted, mask), None)
        if conversation is None:
            raise NoSuchDialog(
                f"no dialog with chat_id {wish.wanted.chat_id} is in the archive, or not with these filters"
            )
        messages = self._messages_of(mask, looked)(conversation["dialog"]["chat_id"])
        return _joined(conversation_page(conversation, messages, wish.zone, wish.language))

    def _pages(self, wish: Wish, mask: Mask, looked: Looked) -> Iterator[bytes]:
        def dialogs() -> Iterator[dict[str, Any]]:
            return (each["dialog"] for each in reading.conversations(self._archive, wish.wanted, mask))

        conversations = reading.conversations(self._archive, wish.wanted, mask)
        return zipped(conversations, self._messages_of(mask, looked), dialogs, wish.zone, wish.language)

    def _messages_of(self, mask: Mask, looked: Looked) -> Callable[[int], Iterator[dict[str, Any]]]:
        def messages(chat_id: int) -> Iterator[dict[str, Any]]:
            for message in reading.messages_of(self._archive, chat_id, mask):
                looked(1)
                yield message

        return messages

    def _file(self, wish: Wish, mask: Mask, looked: Looked) -> ScratchFile:
        file = ScratchFile(self._directory, self._reserve, tables.TABLES)
        try:
            conversations = reading.conversations(self._archive, wish.wanted, mask)
            messages = reading.messages(self._archive.passage(wish.wanted), mask, looked)
            rows = chain(
                chain.from_iterable(map(tables.conversation_rows, conversations)),
                chain.from_iterable(map(tables.message_rows, messages)),
            )
            while some := list(islice(rows, ROWS)):
                file.add(some)
            file.run(tables.INDEXES)
        except BaseException:
            file.close()
            raise
        return file


def _lines(passage: Passage, looked: Looked) -> Iterator[bytes]:
    for part in passage.slices:
        yield part.lines
        looked(part.seen)


def _masked_lines(passage: Passage, mask: Mask, looked: Looked) -> Iterator[bytes]:
    written = (json.dumps(message, ensure_ascii=False) + "\n" for message in reading.messages(passage, mask, looked))
    return _joined(written)


def _joined(texts: Iterable[str]) -> Iterator[bytes]:
    """Small texts as pieces that are worth sending."""
    parts, size = [], 0
    for text in texts:
        parts.append(text)
        size += len(text)
        if size >= ENOUGH:
            yield "".join(parts).encode("utf-8", "replace")
            parts, size = [], 0
    yield "".join(parts).encode("utf-8", "replace")
