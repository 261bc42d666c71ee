"""Messages that are a file, one or several."""

from __future__ import annotations

import json
from typing import Any

from ..core import Core
from ..errors import bad_request
from ..files import argument
from ..model import Bot, StoredFile
from ..params import Params
from ..shapes import file_content
from ..targets import admit, answered, chat_of, need_voice, thread_of
from ..text import read_caption
from .sending import keyboard, posted

ALBUM_KINDS = frozenset({"photo", "video", "document", "audio"})
NO_CAPTION = frozenset({"video_note", "sticker"})
PLURALS = {
    "photo": "photos", "document": "documents", "video": "videos", "audio": "audios", "voice": "voice notes",
    "animation": "animations", "video_note": "video notes", "sticker": "stickers",
}  # fmt: skip


def _sender(kind: str) -> Any:
    def send(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
        chat_of(core, bot, params)  # a wrong chat is told before a wrong file
        caption = {} if kind in NO_CAPTION else read_caption(params)
        stored = argument(core, bot, params, kind, kind)
        content = file_content(core, stored, kind, params.values) | caption
        return posted(core, bot, params, content, stored, PLURALS[kind])

    return send


def send_media_group(core: Core, bot: Bot, params: Params) -> list[dict[str, Any]]:
    chat = chat_of(core, bot, params)
    media = params.list("media")
    if media is None:
        raise bad_request('parameter "media" is required')
    if not 2 <= len(media) <= 10:
        raise bad_request(
            "too few messages to send as an album" if len(media) < 2 else "too many messages to send as an album"
        )
    items = [_album_item(core, bot, params, item) for item in media]
    kinds = {kind for kind, _, _ in items}
    if len(kinds) > 1 and kinds & {"document", "audio"}:
        raise bad_request("document and audio can't be mixed with other media types in an album")
    need_voice(chat, bot, PLURALS[items[0][0]])
    thread_id = thread_of(core, bot, chat, params)
    reply_to, quote = answered(core, bot, chat, params)
    keyboard(params)
    admit(core, bot, chat, len(items))
    group = {"media_group_id": str(core.number("album", 13900000000000001))}
    return [
        core.post(
            chat, bot, group | content | quote, thread_id=thread_id, reply_to=reply_to, file=stored,
        ).wire()
        for _, stored, content in items
    ]  # fmt: skip


def _album_item(core: Core, bot: Bot, params: Params, item: Any) -> tuple[str, StoredFile, dict[str, Any]]:
    kind, stored, content = media_item(core, bot, params, item)
    if kind not in ALBUM_KINDS:
        raise bad_request(f"can't parse InputMedia: type \"{kind}\" can't be used in sendMediaGroup")
    return kind, stored, content


def media_item(core: Core, bot: Bot, params: Params, item: Any) -> tuple[str, StoredFile, dict[str, Any]]:
    """An InputMedia: its kind, its file, and the content of the message that it makes. Raises Refused."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise bad_request("can't parse InputMedia: Can't find field \"type\"")
    kind = item["type"]
    if kind not in ALBUM_KINDS | {"animation"}:
        raise bad_request(f'can\'t parse InputMedia: type "{kind}" must be in photo, video, document, audio')
    if not isinstance(item.get("media"), str) or not item["media"]:
        raise bad_request("can't parse InputMedia: media not found")
    stored = argument(core, bot, params, "", kind, item["media"])
    values = {name: str(value) for name, value in item.items() if isinstance(value, str | int)}
    caption = read_caption(_caption_params(item))
    return kind, stored, file_content(core, stored, kind, values) | caption


def _caption_params(item: dict[str, Any]) -> Params:
    names = ("caption", "parse_mode", "caption_entities")
    return Params(
        {name: item[name] if isinstance(item[name], str) else json.dumps(item[name]) for name in names if name in item},
        {},
    )


METHODS = {
    "sendPhoto": _sender("photo"),
    "sendDocument": _sender("document"),
    "sendVideo": _sender("video"),
    "sendAudio": _sender("audio"),
    "sendVoice": _sender("voice"),
    "sendAnimation": _sender("animation"),
    "sendVideoNote": _sender("video_note"),
    "sendSticker": _sender("sticker"),
    "sendMediaGroup": send_media_group,
}
