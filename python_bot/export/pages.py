"""Pages of many conversations as one ZIP that is sent while it is made: its parts go out, its index comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timezone
from io import RawIOBase
from typing import IO, Any, Final, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from .page import conversation_page, index_page
from .wish import Language

ENOUGH: Final = 64 * 1024  # bytes that are worth sending
# Dates in a ZIP have no zone: a constant one makes equal exports equal files.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def zipped(
    conversations: Iterable[dict[str, Any]],
    messages_of: Callable[[int], Iterable[dict[str, Any]]],
    dialogs: Callable[[], Iterable[dict[str, Any]]],
    zone: timezone,
    language: Language,
) -> Iterator[bytes]:
    """`dialogs`: the same dialogs once more, for the index. Half a kilobyte of memory for each: the ZIP's list."""
    out = _Outgoing()
    with ZipFile(cast(IO[bytes], out), "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for conversation in conversations:
            chat_id = conversation["dialog"]["chat_id"]
            page = conversation_page(conversation, messages_of(chat_id), zone, language)
            yield from _entry(archive, out, _page_name(chat_id), page)
        rows = ((_page_name(dialog["chat_id"]), dialog) for dialog in dialogs())
        yield from _entry(archive, out, "index.html", index_page(rows, zone, language))
    yield out.take()


def _entry(archive: ZipFile, out: _Outgoing, name: str, page: Iterable[str]) -> Iterator[bytes]:
    info = ZipInfo(name, _DATE)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    with archive.open(info, "w", force_zip64=True) as entry:
        for piece in page:
            entry.write(piece.encode("utf-8", "replace"))
            if out.size >= ENOUGH:
                yield out.take()


def _page_name(chat_id: int) -> str:
    return f"dialogs/{chat_id}.html"


class _Outgoing(RawIOBase):
    """A file that only goes forward; what was written waits to be taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return data
