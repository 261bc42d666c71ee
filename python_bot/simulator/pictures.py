"""Pictures: how large one is, and small ones for tests and the demo, real enough for whoever looks."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    width: int
    height: int
    type: str


def picture_of(content: bytes) -> Picture | None:
    """The size and type of a PNG, GIF, BMP, JPEG, WebP or HEIC (of these two not its real size); None for others."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) >= 24:
        return _sized(struct.unpack(">II", content[16:24]), "image/png")
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        return _sized(struct.unpack("<HH", content[6:10]), "image/gif")
    if content[:2] == b"BM" and len(content) >= 26:
        return _sized(struct.unpack("<II", content[18:26]), "image/bmp")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return Picture(512, 512, "image/webp")
    if content[4:12] == b"ftypheic":
        return Picture(512, 512, "image/heic")
    return _jpeg(content) if content[:2] == b"\xff\xd8" else None


def _sized(size: tuple[int, int], kind: str) -> Picture:
    return Picture(size[0], size[1], kind)


def _jpeg(content: bytes) -> Picture | None:
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return Picture(width, height, "image/jpeg")
        at += 2 + length
    return None


def png(width: int, height: int) -> bytes:
    """A black picture of any size."""
    rows = zlib.compress((b"\0" + bytes(-(-width // 8))) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


PNG = png(640, 480)
