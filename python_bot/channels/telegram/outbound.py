"""What the team answers, as requests to the Bot API. Pure.

Files go by kind and size; several of a kind that Telegram shows together go as an album. Words go as the caption when
they fit one, else as texts behind the files. What is too large for a bot becomes a line with a link of ours.
https://core.telegram.org/bots/api#sending-files , https://core.telegram.org/bots/api#sendmediagroup
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Final

from ..base import Outgoing, OutgoingFile, Part
from .markup import CAPTION_LIMIT, length, pieces

PHOTO_BYTES: Final = 10 * 1024 * 1024
UPLOAD_BYTES: Final = 50 * 1024 * 1024
ALBUM: Final = 10
_ENDINGS: Final = {
    "jpg": "photo",
    "jpeg": "photo",
    "png": "photo",
    "webp": "photo",
    "gif": "animation",
    "mp4": "video",
    "mp3": "audio",
    "m4a": "audio",
    "ogg": "voice",
    "oga": "voice",
    "opus": "voice",
}
_TYPES: Final = {
    "image/jpeg": "photo",
    "image/png": "photo",
    "image/webp": "photo",
    "image/gif": "animation",
    "video/mp4": "video",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/ogg": "voice",
}
_TOGETHER: Final = {"photo": "photo or video", "video": "photo or video", "document": "document", "audio": "audio"}


def parts(message: Outgoing) -> Sequence[Part]:
    """Numbered from 0; the caption is on the first file, where Telegram shows it under a whole album."""
    files = [file for file in message.files if file.size <= UPLOAD_BYTES]
    text = message.text
    caption = ""
    if files and length(text) <= CAPTION_LIMIT:
        found = pieces(text, CAPTION_LIMIT)
        if len(found) <= 1:
            caption, text = "".join(found), ""
    requests = [
        *((kind, caption if place == 0 else "", together) for place, (kind, together) in enumerate(_requests(files))),
        *(("text", piece, ()) for piece in pieces(text)),
        *(("text", link_to(file, file.size), ()) for file in message.files if file.size > UPLOAD_BYTES),
    ]
    return [Part(number, kind, words, together) for number, (kind, words, together) in enumerate(requests)]


def kind_of(file: OutgoingFile) -> str:
    """'photo', 'video', …: how Telegram is to show it; 'document' for everything that it would not take so."""
    kind = _TYPES.get(file.type.partition(";")[0].strip().lower()) or ""
    if not kind and "/" not in file.type:  # the portal's own word for the kind is 'image' or 'file'
        kind = _ENDINGS.get(file.name.rpartition(".")[2].lower(), "")
    if kind == "photo" and file.size > PHOTO_BYTES:
        return "document"
    return kind or "document"


def _requests(files: Sequence[OutgoingFile]) -> Iterator[tuple[str, tuple[OutgoingFile, ...]]]:
    """Neighbours that Telegram shows together go together, up to ten, and to what one request may hold."""
    for company, group in groupby(files, key=lambda file: _TOGETHER.get(kind_of(file), "")):
        together = tuple(group)
        if not company:
            yield from ((kind_of(file), (file,)) for file in together)
            continue
        for batch in _batches(together):
            yield ("album" if len(batch) > 1 else kind_of(batch[0])), batch


def _batches(files: tuple[OutgoingFile, ...]) -> Iterator[tuple[OutgoingFile, ...]]:
    batch: tuple[OutgoingFile, ...] = ()
    for file in files:
        if batch and (len(batch) == ALBUM or sum(each.size for each in (*batch, file)) > UPLOAD_BYTES):
            yield batch
            batch = ()
        batch += (file,)
    if batch:
        yield batch


def link_to(file: OutgoingFile, size: int) -> str:
    """A line for what no bot may send. `size`: in bytes, 0 when nobody said."""
    name = escape(file.name, quote=False)
    shown = f" ({size / 1_048_576:.0f} МБ)" if size else ""
    return f'<a href="{escape(file.link())}">{name}</a>{shown}' if file.link is not None else f"{name}{shown}"
