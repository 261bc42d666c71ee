"""One part of an answer, sent by whichever method shows it best, and by a plainer one where Telegram refuses that.

https://core.telegram.org/bots/api#sending-files
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...errors import DeliveryFailed
from ..base import Account, Content, OutgoingFile, Part
from ..multipart import Upload, let_go
from .client import BotApi, Refused
from .inbound import message_id_of
from .markup import plain
from .outbound import PHOTO_BYTES, UPLOAD_BYTES, kind_of, link_to

_METHODS: Final = {
    "photo": "sendPhoto",
    "video": "sendVideo",
    "animation": "sendAnimation",
    "audio": "sendAudio",
    "voice": "sendVoice",
    "document": "sendDocument",
}
# Telegram has the file and cannot show it as what it was sent as: as a document it takes anything.
_NO_PICTURE: Final = (
    "photo_invalid_dimensions",
    "image_process_failed",
    "photo_save_file_invalid",
    "photo_ext_invalid",
    "voice_messages_forbidden",
    "wrong type of the",
    "wrong file type",
    "can't use file of type",
    "video_file_invalid",
    "media_invalid",
)
_NO_MARKUP: Final = ("can't parse entities", "can't parse message text", "can't parse caption")

_TOO_LARGE: Final = 413

Open = Callable[[OutgoingFile], Content]


class _TooMuch(Exception):
    """Files that are larger together than the portal had said."""


def send(api: BotApi, open_file: Open, account: Account, to: Mapping[str, int], part: Part) -> tuple[str, ...]:
    """The ids of what it became. `to`: the chat, and its topic, as the Bot API names them. Raises DeliveryFailed."""
    if part.kind == "text":
        return _ids(_words(api, account, "sendMessage", "text", to, part.text))
    as_documents = True
    try:
        if part.kind == "album":
            return _album(api, open_file, account, to, part)
        return _file(api, open_file, account, to, part.files[0], part.kind, part.text)
    except _TooMuch:
        as_documents = False
    except Refused as refused:
        if not any(problem in refused.description for problem in _NO_PICTURE):
            raise
    ids: list[str] = []
    for place, file in enumerate(part.files):
        kind = "document" if as_documents else kind_of(file)
        ids += _file(api, open_file, account, to, file, kind, "" if place else part.text)
    return tuple(ids)


def _words(api: BotApi, account: Account, method: str, field: str, to: Mapping[str, Any], html: str) -> Any:
    token = account.secrets["token"]
    try:
        return api.call(token, method, {**to, field: html, "parse_mode": "HTML"})
    except Refused as refused:
        if not any(problem in refused.description for problem in _NO_MARKUP):
            raise
        return api.call(token, method, {**to, field: plain(html)})


def _file(
    api: BotApi, open_file: Open, account: Account, to: Mapping[str, Any], file: OutgoingFile, kind: str, caption: str
) -> tuple[str, ...]:
    content = open_file(file)
    size = content.size or file.size  # the portal's word for it may be missing
    if size > UPLOAD_BYTES:
        let_go(content)
    else:
        if kind == "photo" and size > PHOTO_BYTES:
            kind = "document"
        params = {**to, **_captioned(caption)}
        try:
            found = api.upload(account.secrets["token"], _METHODS[kind], params, [Upload(kind, file.name, content)])
            return _ids(found)
        except Refused as refused:
            if refused.status != _TOO_LARGE:
                raise
    html = f"{caption}\n{link_to(file, size)}".strip()
    return _ids(_words(api, account, "sendMessage", "text", to, html))


def _album(api: BotApi, open_file: Open, account: Account, to: Mapping[str, Any], part: Part) -> tuple[str, ...]:
    """Several files in one message. Raises _TooMuch when one request may not hold them."""
    token, media, uploads = account.secrets["token"], [], list[Upload]()
    try:
        for place, file in enumerate(part.files):
            name = f"file{place}"
            kind = kind_of(file)
            media.append({"type": kind, "media": f"attach://{name}", **_captioned("" if place else part.text)})
            uploads.append(Upload(name, file.name, open_file(file)))
        if sum(upload.content.size or 0 for upload in uploads) > UPLOAD_BYTES:
            raise _TooMuch
    except (DeliveryFailed, _TooMuch):
        for upload in uploads:
            let_go(upload.content)
        raise
    try:
        return _ids(api.upload(token, "sendMediaGroup", {**to, "media": media}, uploads))
    except Refused as refused:
        if refused.status == _TOO_LARGE:
            raise _TooMuch from None
        raise


def _captioned(html: str) -> dict[str, str]:
    return {"caption": html, "parse_mode": "HTML"} if html else {}


def _ids(result: Any) -> tuple[str, ...]:
    messages: Sequence[Any] = result if isinstance(result, list) else [result]
    return tuple(message_id_of(message["chat"]["id"], message["message_id"]) for message in messages)
