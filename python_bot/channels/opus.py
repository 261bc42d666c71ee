"""Opus speech out of an MP4 into an Ogg, as messengers play voice messages: other boxes, the same sound. Pure.

MP4: ISO/IEC 14496-12, with Opus: https://opus-codec.org/docs/opus_in_isobmff.html; Ogg: RFC 3533, with Opus: RFC 7845.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

RATE: Final = 48_000  # of Ogg's positions, whatever rate was recorded
SERIAL: Final = 1
_PACKETS_A_PAGE: Final = 50  # a second of speech; a page has at most 255 segments of 255 bytes
_SEGMENTS: Final = 255
_MAX_SAMPLES: Final = 500_000


def to_ogg(content: bytes) -> bytes | None:
    """None when this is no MP4 with Opus whose parts lie where its tables say: then it stays as it is."""
    try:
        moov = _box(content, b"moov")
        for media in _all(moov, b"trak"):
            mdia = _box(media, b"mdia")
            table = _box(_box(mdia, b"minf"), b"stbl")
            if head := _opus_head(_box(table, b"stsd")):
                timescale = _timescale(_box(mdia, b"mdhd"))
                return _ogg(head, list(_packets(content, table)), _durations(_box(table, b"stts")), timescale)
    except (struct.error, LookupError, ValueError, ZeroDivisionError):
        return None
    return None


def _all(content: bytes, kind: bytes) -> Iterator[bytes]:
    """The contents of all boxes of this kind, one level deep."""
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", content, place + 8), 16
        end = len(content) if size == 0 else place + size
        if (size and size < head) or end > len(content):
            raise ValueError("a box of an impossible size")
        if name == kind:
            yield content[place + head : end]
        place = end


def _box(content: bytes, kind: bytes) -> bytes:
    for found in _all(content, kind):
        return found
    raise LookupError(kind)


def _opus_head(stsd: bytes) -> bytes:
    """OpusHead of Ogg from dOps of MP4: the same fields, in the other order of bytes; b"" for another codec."""
    for entry in _all(stsd[8:], b"Opus"):
        dops = _box(entry[28:], b"dOps")
        _, channels, skip, rate, gain, family = struct.unpack_from(">BBHIhB", dops)
        return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, skip, rate, gain, family) + dops[11:]
    return b""


def _timescale(mdhd: bytes) -> int:
    return int(struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)[0])


def _durations(stts: bytes) -> list[int]:
    (count,) = struct.unpack_from(">I", stts, 4)
    found: list[int] = []
    for place in range(8, 8 + 8 * count, 8):
        samples, ticks = struct.unpack_from(">II", stts, place)
        if len(found) + samples > _MAX_SAMPLES:
            raise ValueError("too many samples")
        found += [ticks] * samples
    return found


def _packets(content: bytes, table: bytes) -> Iterator[bytes]:
    """Every sample, in order: sizes from stsz, chunks from stco or co64, samples a chunk from stsc."""
    stsz = _box(table, b"stsz")
    same, count = struct.unpack_from(">II", stsz, 4)
    if count > _MAX_SAMPLES:
        raise ValueError("too many samples")
    sizes = [same] * count if same else list(struct.unpack_from(f">{count}I", stsz, 12))
    offsets = _offsets(table)
    stsc = _box(table, b"stsc")
    (runs,) = struct.unpack_from(">I", stsc, 4)
    starts = [struct.unpack_from(">II", stsc, place) for place in range(8, 8 + 12 * runs, 12)]
    sample, run = 0, 0
    for chunk, place in enumerate(offsets, 1):
        while run + 1 < len(starts) and starts[run + 1][0] <= chunk:
            run += 1
        for _ in range(starts[run][1]):
            if sample == count:
                return
            end = place + sizes[sample]
            if end > len(content):
                raise ValueError("a sample behind the end")
            yield content[place:end]
            place, sample = end, sample + 1


def _offsets(table: bytes) -> Sequence[int]:
    for kind, letter in ((b"stco", "I"), (b"co64", "Q")):
        for box in _all(table, kind):
            (count,) = struct.unpack_from(">I", box, 4)
            return struct.unpack_from(f">{count}{letter}", box, 8)
    raise LookupError("stco")


def _ogg(head: bytes, packets: list[bytes], durations: list[int], timescale: int) -> bytes | None:
    if not packets or len(durations) < len(packets):
        return None
    pages = [_page([head], 0, 0, 2), _page([b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)], 0, 1, 0)]
    ticks, place = 0, 0
    while place < len(packets):
        group: list[bytes] = []
        segments = 0
        while place < len(packets) and len(group) < _PACKETS_A_PAGE:
            needed = len(packets[place]) // 255 + 1
            if needed > _SEGMENTS:
                raise ValueError("a packet longer than a page")
            if segments + needed > _SEGMENTS:
                break
            group.append(packets[place])
            ticks, segments, place = ticks + durations[place], segments + needed, place + 1
        pages.append(_page(group, ticks * RATE // timescale, len(pages), 4 if place == len(packets) else 0))
    return b"".join(pages)


def _page(packets: list[bytes], position: int, number: int, flags: int) -> bytes:
    """One Ogg page: whole packets only. `flags`: 2 begins the stream, 4 ends it."""
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, SERIAL, number, 0) + bytes([len(lacing)]) + lacing
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _checksum(page: bytes) -> int:
    """CRC-32 of Ogg: polynomial 0x04c11db7, from the highest bit on, begun with 0."""
    table, value = _table(), 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value


@cache
def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        value <<= 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        found.append(value & 0xFFFFFFFF)
    return tuple(found)
