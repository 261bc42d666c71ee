"""Files: what clients and bots have sent, and what may stand where a method wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..multipart import FormFile
from ..pictures import picture_of
from .errors import Refused, bad_request
from .model import Bot, StoredFile
from .params import Params

if TYPE_CHECKING:
    from .core import Core

MAX_DOWNLOAD = 20 << 20
MAX_UPLOAD = 50 << 20
MAX_PHOTO = 10 << 20
MAX_LOCAL = 2000 << 20
MAX_BY_URL = 20 << 20
MAX_PHOTO_BY_URL = 5 << 20
FOLDERS = {
    "photo": "photos", "document": "documents", "video": "videos", "audio": "music", "voice": "voice",
    "animation": "animations", "video_note": "video_notes", "sticker": "stickers",
}  # fmt: skip
# What a document may be that the messenger is to fetch itself.
DOCUMENTS_BY_URL = ("image/gif", "application/pdf", "application/zip")


def argument(core: Core, bot: Bot, params: Params, name: str, kind: str, value: str | None = None) -> StoredFile:
    """The file that a parameter names: a part of the form, a file_id, or a URL. Raises Refused."""
    value = params.text(name) if value is None else value
    if value.startswith("attach://"):
        name = value.removeprefix("attach://")
        if name not in params.files:
            raise bad_request(f"file {name} was not found in the request")
        return uploaded(core, bot, params.files[name], kind)
    if name in params.files:
        return uploaded(core, bot, params.files[name], kind)
    if not value:
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    if "://" in value:
        return _by_url(core, bot, params, value, kind)
    stored = core.files.get(value)
    if stored is None or stored.bot_id != bot.id:
        raise bad_request("wrong remote file identifier specified: Wrong string length")
    if (kind == "photo") != (stored.kind == "photo"):
        raise bad_request(f"can't use file of type {stored.kind.title()} as {kind.title()}")
    return stored


def uploaded(core: Core, bot: Bot, file: FormFile, kind: str) -> StoredFile:
    if not file.content:
        raise bad_request("file must be non-empty")
    limit = MAX_LOCAL if core.local else MAX_UPLOAD
    if len(file.content) > limit:
        raise Refused(413, "Request Entity Too Large")
    return checked(core, bot, file, kind)


def checked(core: Core, bot: Bot, file: FormFile, kind: str) -> StoredFile:
    """Keep it, when its kind allows what it is. Raises Refused."""
    picture = picture_of(file.content)
    if kind == "photo":
        if len(file.content) > MAX_PHOTO:
            raise bad_request(
                f"file of size {len(file.content)} bytes is too big for a photo; the maximum size is {MAX_PHOTO} bytes"
            )
        if picture is None:
            raise bad_request("IMAGE_PROCESS_FAILED")
        sides = sorted((picture.width, picture.height))
        if sum(sides) > 10000 or sides[0] < 1 or sides[1] > 20 * sides[0]:
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return core.store_file(bot, file.name, file.type, file.content, kind, picture)


def _by_url(core: Core, bot: Bot, params: Params, url: str, kind: str) -> StoredFile:
    if not url.lower().startswith(("http://", "https://")):
        raise bad_request("invalid file HTTP URL specified: Unsupported URL protocol")
    found = params.fetched.get(url)
    if found is None or isinstance(found, Refused):
        raise found or bad_request("failed to get HTTP URL content")
    limit = MAX_PHOTO_BY_URL if kind == "photo" else MAX_BY_URL
    if not found.content or len(found.content) > limit:
        raise bad_request("failed to get HTTP URL content")
    fits = found.type.startswith("image/") if kind == "photo" else found.type in DOCUMENTS_BY_URL
    if kind in ("photo", "document") and not fits:
        raise bad_request("wrong type of the web page content")
    return checked(core, bot, found, kind)


def urls_in(params: Params) -> list[str]:
    """What a request wants the messenger to fetch."""
    names = ("photo", "document", "video", "audio", "voice", "animation", "video_note", "sticker")
    found: list[Any] = [params.text(name) for name in names]
    media = params.values.get("media", "")
    if media.startswith("["):
        found += [item.get("media") for item in params.list("media") or [] if isinstance(item, dict)]
    elif media.startswith("{"):
        found.append((params.object("media") or {}).get("media"))
    return [url for url in found if isinstance(url, str) and url.lower().startswith(("http://", "https://"))]
