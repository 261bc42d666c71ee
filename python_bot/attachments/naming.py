"""What a browser is told about a file: a name without tricks, a type that runs nothing."""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_NAME_BYTES: Final = 200  # file systems take 255; a browser may add " (1)"
BINARY: Final = "application/octet-stream"

# Only these are shown in the browser itself; everything else, SVG and HTML above all, could run a script there.
INLINE: Final = {
    "bmp": "image/bmp",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "pdf": "application/pdf",
}


def extension(name: str) -> str:
    """'Чек.JPG' -> 'jpg'; '' when there is none."""
    stem, dot, last = safe_name(name).rpartition(".")
    return last.lower() if dot and stem and last.isascii() and last.isalnum() and len(last) <= 10 else ""


def content_type(name: str) -> str:
    return INLINE.get(extension(name), BINARY)


def safe_name(name: str) -> str:
    """The last part of a path, without controls, marks that turn the direction of writing, and leading dots."""
    last = name.replace("\\", "/").rpartition("/")[2]
    # Cc: controls; Cf: invisible marks, U+202E among them; Cs, Co, Cn: no characters. U+200D joins emoji.
    kept = (
        c for c in last if c == "\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    clean = "".join("_" if c in '"*:<>?|' else c for c in kept).strip().lstrip(".").rstrip(". ")
    return _shortened(clean) or "file"


def _shortened(name: str) -> str:
    """At most MAX_NAME_BYTES, cut between characters; a short extension stays."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, last = name.rpartition(".")
    tail = dot + last if stem and len(last.encode()) <= 20 else ""
    room = MAX_NAME_BYTES - len(tail.encode())
    return (stem if tail else name).encode()[:room].decode(errors="ignore") + tail
