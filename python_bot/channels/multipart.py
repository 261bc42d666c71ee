"""A multipart body that streams: fields first, then files, each with its name. Its length is known before it begins.

Messengers need not take a body of unknown length, so a file without a size rests in an unnamed one of our own first.
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from ..values import dataclass
from .base import Content

BLOCK_BYTES: Final = 64 * 1024
IN_MEMORY_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart body: `field` is the name of its part."""

    field: str
    name: str
    content: Content


class Body:
    """Good for one request. What is not sent is closed as well."""

    def __init__(self, fields: Mapping[str, str], files: Sequence[Upload]) -> None:
        self._files = files
        boundary = secrets.token_hex(16)
        self.type = f"multipart/form-data; boundary={boundary}"
        self._start = b"".join(_field(boundary, name, value) for name, value in fields.items())
        self._heads = [_head(boundary, file) for file in files]
        self._end = f"--{boundary}--\r\n".encode()
        self._contents: list[Content] = []
        try:
            for file in files:
                self._contents.append(measured(file.content))
        except BaseException:
            self.close()
            raise
        sizes = sum(content.size or 0 for content in self._contents)
        self.length = len(self._start) + sum(len(head) + 2 for head in self._heads) + sizes + len(self._end)

    def blocks(self) -> Iterator[bytes]:
        yield self._start
        for head, content in zip(self._heads, self._contents, strict=True):
            yield head
            yield from content.blocks
            yield b"\r\n"
        yield self._end

    def close(self) -> None:
        for content in [*self._contents, *(file.content for file in self._files)]:
            let_go(content)


def measured(content: Content) -> Content:
    """The same with its size. Raises what its source raises."""
    if content.size is not None:
        return content
    kept = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 -- closed by whoever reads the blocks
    try:
        size = sum(kept.write(block) for block in content.blocks)
    except BaseException:
        kept.close()
        raise
    kept.seek(0)

    def blocks() -> Iterator[bytes]:
        with kept:
            while block := kept.read(BLOCK_BYTES):
                yield block

    return Content(content.type, size, blocks())


def let_go(content: Content) -> None:
    """Close what may still be open behind a content that is not read to its end."""
    close = getattr(content.blocks, "close", None)
    if close is not None:
        close()


def _field(boundary: str, name: str, value: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + value.encode("utf-8", "replace") + b"\r\n"


def _head(boundary: str, file: Upload) -> bytes:
    """Names as browsers write them."""
    name = file.name.replace("\r", " ").replace("\n", " ").replace('"', "%22")
    content_type = file.content.type if file.content.type.isascii() and file.content.type.isprintable() else ""
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{quote(file.field, safe="[]")}"; filename="{name}"\r\n'
        f"Content-Type: {content_type or 'application/octet-stream'}\r\n\r\n"
    ).encode("utf-8", "replace")
