"""Speech as Avito keeps it becomes what Telegram plays; whatever is something else stays as it is."""

from __future__ import annotations

import struct

import pytest

from python_bot.channels.opus import to_ogg
from tests.support.speech import SPEECH


def pages(ogg: bytes) -> list[tuple[int, int, bytes]]:
    """(flags, position, packets in one piece) of each page."""
    found, place = [], 0
    while place < len(ogg):
        magic, _, flags, position, _, number, _, segments = struct.unpack_from("<4sBBqIIIB", ogg, place)
        assert (magic, number) == (b"OggS", len(found))
        lacing = ogg[place + 27 : place + 27 + segments]
        body = place + 27 + segments
        place = body + sum(lacing)
        found.append((flags, position, ogg[body:place]))
    return found


def test_speech_keeps_every_packet_and_its_length() -> None:
    ogg = to_ogg(SPEECH)
    assert ogg is not None
    head, tags, sound = pages(ogg)
    assert (head[0], head[2][:10]) == (2, b"OpusHead\x01\x01")
    assert tags[2].startswith(b"OpusTags")
    assert sound[0] == 4 and sound[2] in SPEECH  # the packets lie in one piece there, too
    assert 0.1 <= sound[1] / 48_000 <= 0.15


def test_a_checksum_is_oggs_own() -> None:
    ogg = to_ogg(SPEECH)
    assert ogg is not None
    assert ogg[22:26] == b"\x1c\x9f\xf5\xd9"  # as ffmpeg reads it without complaint


@pytest.mark.parametrize("content", [b"", b"voice", b"\0" * 100, SPEECH[:400], SPEECH[:-300], b"OggS" + SPEECH])
def test_whatever_else_stays_as_it_is(content: bytes) -> None:
    assert to_ogg(content) is None


def test_broken_tables_are_survived() -> None:
    for place in range(0, len(SPEECH), 3):
        to_ogg(SPEECH[:place] + b"\xff" + SPEECH[place + 1 :])
