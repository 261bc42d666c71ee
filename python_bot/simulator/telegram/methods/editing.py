"""What was sent, changed or taken back."""

from __future__ import annotations

from typing import Any

from ..core import Core
from ..errors import bad_request
from ..model import Bot, Chat, Message
from ..params import Params
from ..targets import admit, chat_of, has_right, message_of
from ..text import read_caption, read_text
from .media import media_item
from .sending import keyboard

OWN_MESSAGES_S = 48 * 3600
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current"
    " content and reply markup of the message"
)
MAX_AT_ONCE = 100


def _own(core: Core, bot: Bot, params: Params) -> Message:
    chat = chat_of(core, bot, params)
    message = message_of(chat, params, "message to edit not found")
    if message.sender is not bot or message.is_service:
        raise bad_request("message can't be edited")
    return message


def _changed(core: Core, bot: Bot, message: Message, content: dict[str, Any]) -> dict[str, Any]:
    if content == message.content:
        raise bad_request(NOT_MODIFIED)
    admit(core, bot, message.chat)
    message.content, message.edit_date = content, core.now()
    return message.wire()


def _without(message: Message, *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.content.items() if name not in names}


def edit_text(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    message = _own(core, bot, params)
    text = read_text(params)
    if "text" not in message.content:
        raise bad_request("there is no text in the message to edit")
    return _changed(core, bot, message, _without(message, "text", "entities", "reply_markup") | text | keyboard(params))


def edit_caption(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    message = _own(core, bot, params)
    caption = read_caption(params)
    if message.file is None or message.kind in ("sticker", "video_note"):
        raise bad_request("there is no caption in the message to edit")
    kept = _without(message, "caption", "caption_entities", "reply_markup")
    return _changed(core, bot, message, kept | caption | keyboard(params))


def edit_media(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    message = _own(core, bot, params)
    if message.file is None:
        raise bad_request("message must be a media message")
    _, stored, content = media_item(core, bot, params, params.object("media"))
    kept = {name: value for name, value in message.content.items() if name in ("media_group_id", "quote")}
    changed = _changed(core, bot, message, kept | content | keyboard(params))
    message.file = stored
    return changed


def edit_markup(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    message = _own(core, bot, params)
    return _changed(core, bot, message, _without(message, "reply_markup") | keyboard(params))


def delete_message(core: Core, bot: Bot, params: Params) -> bool:
    chat = chat_of(core, bot, params)
    message = message_of(chat, params, "message to delete not found")
    if not _may_delete(core, bot, chat, message):
        raise bad_request("message can't be deleted for everyone")
    message.deleted = True
    return True


def delete_messages(core: Core, bot: Bot, params: Params) -> bool:
    """Those that are not there or not the bot's are passed over."""
    chat = chat_of(core, bot, params)
    asked = params.list("message_ids") or []
    if not asked:
        raise bad_request("message identifiers are not specified")
    if len(asked) > MAX_AT_ONCE:
        raise bad_request("too many message identifiers specified")
    for message_id in asked:
        message = chat.messages.get(message_id)
        if message is not None and _may_delete(core, bot, chat, message):
            message.deleted = True
    return True


def _may_delete(core: Core, bot: Bot, chat: Chat, message: Message) -> bool:
    if has_right(chat, bot, "can_delete_messages"):
        return True
    is_young = core.now() - message.date < OWN_MESSAGES_S
    return is_young and not message.is_service and (message.sender is bot or chat.kind == "private")


METHODS = {
    "editMessageText": edit_text,
    "editMessageCaption": edit_caption,
    "editMessageMedia": edit_media,
    "editMessageReplyMarkup": edit_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
}
