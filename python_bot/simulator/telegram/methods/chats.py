"""Chats, who is in them, and answers to buttons."""

from __future__ import annotations

from typing import Any

from ..core import Core
from ..errors import bad_request
from ..model import Bot, Chat, Member
from ..params import Params
from ..targets import chat_of, known_chat, message_of, need_right

DEFAULT_PERMISSIONS = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos",
    "can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages",
    "can_add_web_page_previews", "can_change_info", "can_invite_users", "can_pin_messages", "can_manage_topics",
)  # fmt: skip


def get_chat(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    """Of a private chat too when the person has blocked the bot; of a group only from inside."""
    chat = known_chat(core, bot, params)
    if chat.kind != "private":
        chat_of(core, bot, params)
    found = chat.wire() | {
        "accent_color_id": 1,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": True, "limited_gifts": True, "unique_gifts": True, "premium_subscription": True,
            "gifts_from_channels": True,
        },
    }  # fmt: skip
    if chat.kind in ("group", "supergroup"):
        found["permissions"] = {name: True for name in DEFAULT_PERMISSIONS}
    return found


def get_chat_member(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    chat = _group(core, bot, params)
    if not params.text("user_id"):
        raise bad_request("user_id is empty" if params.has("user_id") else 'parameter "user_id" is required')
    user_id = params.integer("user_id")
    member = chat.members.get(user_id)
    if member is None:
        who = core.people.get(user_id)
        if who is None:
            raise bad_request("user not found")
        member = Member(who, "left")
    return member.wire()


def get_chat_administrators(core: Core, bot: Bot, params: Params) -> list[dict[str, Any]]:
    chat = _group(core, bot, params)
    return [member.wire() for member in chat.members.values() if member.status in ("creator", "administrator")]


def get_chat_member_count(core: Core, bot: Bot, params: Params) -> int:
    chat = chat_of(core, bot, params)
    return 2 if chat.kind == "private" else sum(1 for member in chat.members.values() if member.is_in)


def _group(core: Core, bot: Bot, params: Params) -> Chat:
    chat = chat_of(core, bot, params)
    if chat.kind == "private":
        raise bad_request("chat is not a group")
    return chat


def leave_chat(core: Core, bot: Bot, params: Params) -> bool:
    chat = _group(core, bot, params)
    chat.members[bot.id] = Member(bot, "left")
    return True


def answer_callback_query(core: Core, bot: Bot, params: Params) -> bool:
    query_id = params.text("callback_query_id")
    if query_id not in core.callback_queries:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    core.callback_queries[query_id] = params.text("text") or "✓"
    return True


def set_reaction(core: Core, bot: Bot, params: Params) -> bool:
    chat = chat_of(core, bot, params)
    message_of(chat, params, "message to react not found")
    reactions = params.list("reaction") or []
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    for reaction in reactions:
        if not isinstance(reaction, dict) or reaction.get("type") not in ("emoji", "custom_emoji"):
            raise bad_request("can't parse ReactionType")
    return True


def pin(core: Core, bot: Bot, params: Params) -> bool:
    chat = chat_of(core, bot, params)
    message = message_of(chat, params, "message to pin not found")
    need_right(chat, bot, "can_pin_messages", "not enough rights to manage pinned messages in the chat")
    core.serve(chat, bot, {"pinned_message": message.wire(inside=True)}, message.thread_id)
    return True


METHODS = {
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getChatAdministrators": get_chat_administrators,
    "getChatMemberCount": get_chat_member_count,
    "leaveChat": leave_chat,
    "answerCallbackQuery": answer_callback_query,
    "setMessageReaction": set_reaction,
    "pinChatMessage": pin,
}
