"""How a file looks inside a message, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .core import Core
from .model import StoredFile

# Containers that the messenger plays as a voice message; others become ordinary files.
VOICE_TYPES = ("audio/ogg", "audio/opus", "audio/mpeg", "audio/mp3", "audio/mp4", "audio/x-m4a", "audio/m4a")
DEFAULT_TYPES = {"video": "video/mp4", "animation": "video/mp4", "voice": "audio/ogg", "audio": "audio/mpeg"}


def file_content(core: Core, file: StoredFile, kind: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The field(s) of a message that is this file. `given`: width, duration, title … as the request has them."""
    if kind == "photo":
        return {"photo": _sizes(core, file)}
    if kind == "voice" and file.type not in VOICE_TYPES and file.type != "application/octet-stream":
        kind = "document"
    if kind == "document" and file.type == "image/gif":
        kind = "animation"
    found = file.wire()
    if kind in ("video", "animation", "audio", "voice", "video_note"):
        found["duration"] = _number(given, "duration", 7)
    if kind in ("video", "animation"):
        found |= {
            "width": _number(given, "width", file.width or 1280),
            "height": _number(given, "height", file.height or 720),
        }
    if kind == "video_note":
        return {"video_note": found | {"length": _number(given, "length", 240)}}
    if kind == "sticker":
        return {"sticker": found | _sticker(file, given)}
    content_type = DEFAULT_TYPES.get(kind, "") if file.type == "application/octet-stream" else file.type
    found["mime_type"] = content_type or file.type
    if kind != "voice" and file.name:
        found["file_name"] = file.name
    if kind == "audio":
        found |= {name: given[name] for name in ("performer", "title") if given.get(name)}
    if kind == "animation":
        twin = {name: value for name, value in found.items() if name not in ("duration", "width", "height")}
        return {"animation": found, "document": twin}
    return {kind: found}


def _sizes(core: Core, file: StoredFile) -> list[dict[str, Any]]:
    """The same picture in a few sizes, the largest last; each is a file of its own."""
    sizes = []
    width, height = file.width or 1280, file.height or 960
    for longest in (90, 320, 800):
        if longest >= max(width, height):
            break
        scale = longest / max(width, height)
        small = core.store_small(file, longest)
        sizes.append(small.wire() | {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))})
    return [*sizes, file.wire() | {"width": width, "height": height}]


def _sticker(file: StoredFile, given: Mapping[str, str]) -> dict[str, Any]:
    name = file.name.lower()
    found: dict[str, Any] = {
        "type": "regular", "width": 512, "height": 512,
        "is_animated": name.endswith(".tgs"), "is_video": name.endswith(".webm"),
    }  # fmt: skip
    return found | ({"emoji": given["emoji"]} if given.get("emoji") else {})


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    value = given.get(name, "")
    return int(value) if value.isdigit() and int(value) else default
