"""Topics of a forum."""

from __future__ import annotations

from typing import Any

from ..core import Core
from ..errors import bad_request
from ..model import Bot, Chat, Topic
from ..params import Params
from ..targets import admit, chat_of, need_right, topic_of

MAX_NAME = 128
COLORS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)
NO_RIGHT = "not enough rights to create a topic"
NOT_MODIFIED = "TOPIC_NOT_MODIFIED"


def create(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    chat = _forum(core, bot, params)
    need_right(chat, bot, "can_manage_topics", NO_RIGHT)
    name = _name(params)
    color = params.integer("icon_color", COLORS[0])
    if color not in COLORS:
        raise bad_request("invalid icon color specified")
    admit(core, bot, chat)
    return core.begin_topic(chat, bot, name, color, params.text("icon_custom_emoji_id")).wire()


def _forum(core: Core, bot: Bot, params: Params) -> Chat:
    chat = chat_of(core, bot, params)
    if not chat.is_forum and not (chat.kind == "private" and bot.has_topics):
        raise bad_request("the chat is not a forum")
    return chat


def _name(params: Params) -> str:
    name = params.text("name").strip()
    if not name:
        raise bad_request("topic name is empty")
    if len(name) > MAX_NAME:
        raise bad_request("TOPIC_TITLE_TOO_LONG")
    return name


def _managed(core: Core, bot: Bot, params: Params) -> tuple[Chat, Topic]:
    chat = chat_of(core, bot, params)
    topic = topic_of(core, bot, chat, params)
    if topic.creator_id != bot.id:
        need_right(chat, bot, "can_manage_topics", "not enough rights to manage the topic")
    return chat, topic


def edit(core: Core, bot: Bot, params: Params) -> bool:
    chat, topic = _managed(core, bot, params)
    name = _name(params) if params.text("name").strip() else topic.name
    icon = params.text("icon_custom_emoji_id") if params.has("icon_custom_emoji_id") else topic.icon_custom_emoji_id
    if (name, icon) == (topic.name, topic.icon_custom_emoji_id):
        raise bad_request(NOT_MODIFIED)
    admit(core, bot, chat)
    changes = {} if name == topic.name else {"name": name}
    changes |= {} if icon == topic.icon_custom_emoji_id else {"icon_custom_emoji_id": icon}
    topic.name, topic.icon_custom_emoji_id = name, icon
    core.serve(chat, bot, {"forum_topic_edited": changes}, topic.thread_id)
    return True


def close(core: Core, bot: Bot, params: Params) -> bool:
    return _switch(core, bot, params, True)


def reopen(core: Core, bot: Bot, params: Params) -> bool:
    return _switch(core, bot, params, False)


def _switch(core: Core, bot: Bot, params: Params, closed: bool) -> bool:
    chat, topic = _managed(core, bot, params)
    if topic.closed == closed:
        raise bad_request(NOT_MODIFIED)
    topic.closed = closed
    core.serve(chat, bot, {"forum_topic_closed" if closed else "forum_topic_reopened": {}}, topic.thread_id)
    return True


def delete(core: Core, bot: Bot, params: Params) -> bool:
    chat = _forum(core, bot, params)
    topic = topic_of(core, bot, chat, params)
    need_right(chat, bot, "can_delete_messages", "not enough rights to delete the topic")
    topic.deleted = True
    return True


def _general(closed: bool) -> Any:
    def switch(core: Core, bot: Bot, params: Params) -> bool:
        chat = _forum(core, bot, params)
        need_right(chat, bot, "can_manage_topics", "not enough rights to manage the topic")
        if chat.general_closed == closed:
            raise bad_request(NOT_MODIFIED)
        chat.general_closed = closed
        core.serve(chat, bot, {"forum_topic_closed" if closed else "forum_topic_reopened": {}}, 0)
        return True

    return switch


def unpin(core: Core, bot: Bot, params: Params) -> bool:
    chat = _forum(core, bot, params)
    topic_of(core, bot, chat, params)
    need_right(chat, bot, "can_pin_messages", "not enough rights to manage pinned messages in the chat")
    return True


def icon_stickers(core: Core, bot: Bot, params: Params) -> list[dict[str, Any]]:
    return [
        {
            "file_id": f"CAACAgIAAxUAAW{number}",
            "file_unique_id": f"AgADicon{number}",
            "type": "custom_emoji",
            "width": 512,
            "height": 512,
            "is_animated": True,
            "is_video": False,
            "emoji": emoji,
            "set_name": "Topics",
            "custom_emoji_id": str(5312536423851630001 + number),
            "needs_repainting": False,
        }
        for number, emoji in enumerate("📰💡⚡🎙🔝")
    ]


METHODS = {
    "createForumTopic": create,
    "editForumTopic": edit,
    "closeForumTopic": close,
    "reopenForumTopic": reopen,
    "deleteForumTopic": delete,
    "unpinAllForumTopicMessages": unpin,
    "closeGeneralForumTopic": _general(True),
    "reopenGeneralForumTopic": _general(False),
    "getForumTopicIconStickers": icon_stickers,
}
