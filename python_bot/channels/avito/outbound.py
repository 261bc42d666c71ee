"""What the team answers, as requests to Avito: plain text of at most 1,000 units, and pictures one by one. Pure.

Avito takes neither captions nor other files: pictures go first, then the words, and a file that is no picture is
refused, so that its author learns it.
Limits: https://developers.avito.ru/api-catalog/messenger/documentation
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

from ... import bbcode
from ..base import Outgoing, OutgoingFile, Part

TEXT_LIMIT: Final = 1000  # UTF-16 units: Avito does not say which ones it counts, and these are never fewer
IMAGE_BYTES: Final = 24 * 1024 * 1024
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/bmp", "image/heic"})
_ENDINGS: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "heic": "image/heic",
}
_EARLIEST: Final = 0.6  # a word's end is taken for the cut when it lies behind so much of the room


def parts(message: Outgoing) -> Sequence[Part]:
    """Pictures, then the text in pieces, then what is refused: what can arrive has arrived by then."""
    numbers = count()
    pictures = [file for file in message.files if refusal(file) == ""]
    others = [file for file in message.files if refusal(file)]
    return [
        *(Part(next(numbers), "image", files=(file,)) for file in pictures),
        *(Part(next(numbers), "text", text=text) for text in cut(plain(message.text))),
        *(Part(next(numbers), "refused", text=refusal(file), files=(file,)) for file in others),
    ]


def refusal(file: OutgoingFile) -> str:
    """Why Avito does not take this file, and what to do instead; "" when it does."""
    if image_type(file) == "":
        return (
            f"«{file.name}» не отправлен: Avito принимает только изображения JPEG, PNG, GIF, BMP и HEIC. "
            "Отправьте изображение или текст."
        )
    if file.size > IMAGE_BYTES:
        return f"«{file.name}» не отправлен: Avito принимает изображения до 24 МБ. Отправьте уменьшенное."
    return ""


def image_type(file: OutgoingFile) -> str:
    """The MIME type of a picture that Avito takes; "" for everything else."""
    media = file.type.partition(";")[0].strip().lower()
    if media in IMAGE_TYPES:
        return media
    # The portal's own word for the kind of a file is 'image' or 'file'; its name knows more.
    return _ENDINGS.get(file.name.rpartition(".")[2].lower(), "") if media in ("", "image", "file") else ""


def plain(text: str) -> str:
    """BB code as Avito's clients read it: words, links with their address, quotes with a mark before each line."""
    return _plain(bbcode.parse(text)).strip()


def cut(text: str, limit: int = TEXT_LIMIT) -> Iterator[str]:
    """Pieces of at most `limit` UTF-16 units that end with a line or a word where possible; none of blanks alone."""
    rest = text.strip()
    while rest:
        room = _room(rest, limit)
        if room < len(rest):
            head = rest[: room + 1]
            earliest = int(room * _EARLIEST)
            place = max(head.rfind("\n"), 0)
            if place < earliest:
                place = max(head.rfind(" "), place)
            room = place if place >= earliest and place > 0 else room
        if piece := rest[:room].strip():
            yield piece
        rest = rest[room:].lstrip()


def _room(text: str, limit: int) -> int:
    """How many characters of the text fit into `limit` UTF-16 units."""
    if len(text) * 2 <= limit:
        return len(text)
    units = 0
    for place, character in enumerate(text):
        units += 2 if ord(character) > 0xFFFF else 1
        if units > limit:
            return place
    return len(text)


def _plain(nodes: Sequence[bbcode.Node]) -> str:
    return "".join(node.text if isinstance(node, bbcode.Text) else _tag(node) for node in nodes)


def _tag(tag: bbcode.Tag) -> str:
    inner = _plain(tag.children)
    if tag.name in ("url", "img"):
        address = bbcode.link(tag)
        is_shown = not address or address == inner.strip() or address.removeprefix("https://") == inner.strip()
        return (inner or address) if is_shown else f"{inner} ({address})"
    if tag.name == "quote":
        head = f"{tag.value}\n" if tag.value else ""
        lines = (head + inner.rstrip("\n")).split("\n")
        return "\n".join(f"> {line}" for line in lines) + "\n"
    return bbcode.words((tag,)) if tag.name in ("icon", "disk", "timestamp") else inner
