"""Where something is to be sent: chat, topic, answered message; and whether the bot may."""

from __future__ import annotations

from typing import Any

from .core import Core
from .errors import Refused, bad_request, forbidden, too_many_requests
from .model import GENERAL_TOPIC, Bot, Chat, Message, Topic
from .params import Params


def chat_of(core: Core, bot: Bot, params: Params, name: str = "chat_id") -> Chat:
    """The chat that a request names, when the bot is in it. Raises Refused."""
    chat = known_chat(core, bot, params, name)
    if chat.migrated_to:
        raise Refused(
            400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to
        )
    if chat.kind == "private":
        _reachable(chat)
        return chat
    member = chat.members.get(bot.id)
    if member is not None and member.status == "kicked":
        raise forbidden(f"bot was kicked from the {_kind(chat)}")
    if member is None or not member.is_in:
        raise forbidden(f"bot is not a member of the {_kind(chat)}")
    return chat


def known_chat(core: Core, bot: Bot, params: Params, name: str = "chat_id") -> Chat:
    """The chat that a request names, whether or not it takes anything from the bot. Raises Refused."""
    value = params.text(name).strip()
    if not value:
        raise bad_request(f"{name} is empty")
    if value.startswith("@"):
        found = next((chat for chat in core.groups.values() if chat.username == value[1:]), None)
        if found is None:
            raise bad_request("chat not found")
        return found
    try:
        chat_id = int(value)
    except ValueError:
        raise bad_request("chat not found") from None
    chat = core.groups.get(chat_id) or core.private.get((bot.id, chat_id))
    if chat is not None:
        return chat
    if chat_id in core.people:
        raise forbidden("bot can't initiate conversation with a user")
    if any(other.id == chat_id for other in core.bots.values()):
        raise forbidden(
            "bots can't send messages to bots" if chat_id != bot.id else "bot can't send messages to itself"
        )
    raise bad_request("chat not found")


def _reachable(chat: Chat) -> None:
    if chat.person is not None and chat.person.is_deactivated:
        raise forbidden("user is deactivated")
    if chat.blocked:
        raise forbidden("bot was blocked by the user")


def _kind(chat: Chat) -> str:
    return "group chat" if chat.kind == "group" else f"{chat.kind} chat"


def admit(core: Core, bot: Bot, chat: Chat, count: int = 1) -> None:
    """Count it among what the bot sends. Raises Refused (429) when that is too much."""
    wait = core.flood.wait_s(bot.id, chat.id, chat.kind != "private", core.clock.now(), count)
    if wait:
        raise too_many_requests(wait)


def topic_of(core: Core, bot: Bot, chat: Chat, params: Params, name: str = "message_thread_id") -> Topic:
    """The topic that a request names, closed or open. Raises Refused."""
    if not chat.is_forum and not (chat.kind == "private" and bot.has_topics):
        raise bad_request("the chat is not a forum")
    topic = chat.topics.get(params.integer(name))
    if topic is None or topic.deleted:
        raise bad_request("message thread not found")
    return topic


def thread_of(core: Core, bot: Bot, chat: Chat, params: Params) -> int:
    """The thread to send into; 0 is General, or no thread at all. Raises Refused."""
    thread_id = params.integer("message_thread_id")
    if not thread_id:
        if chat.is_forum and chat.general_closed and _is_bound(core, bot, chat):
            raise bad_request("TOPIC_CLOSED")
        return 0
    topic = chat.topics.get(thread_id)
    if thread_id == GENERAL_TOPIC or topic is None or topic.deleted:
        raise bad_request("message thread not found")
    if topic.closed and _is_bound(core, bot, chat):
        raise bad_request("TOPIC_CLOSED")
    return thread_id


def _is_bound(core: Core, bot: Bot, chat: Chat) -> bool:
    """Whether a closed topic keeps this bot out; what happens to administrators is not certain."""
    return core.closed_topics_bind_admins or not has_right(chat, bot, "can_manage_topics")


def has_right(chat: Chat, bot: Bot, right: str) -> bool:
    member = chat.members.get(bot.id)
    return member is not None and (
        member.status == "creator" or (member.status == "administrator" and right in member.rights)
    )


def need_right(chat: Chat, bot: Bot, right: str, what: str) -> None:
    if chat.kind != "private" and not has_right(chat, bot, right):
        raise bad_request(what)


def need_voice(chat: Chat, bot: Bot, what: str = "text messages") -> None:
    """Whether the bot may say something in a group at all. Raises Refused."""
    member = chat.members.get(bot.id)
    if chat.kind == "channel" and not has_right(chat, bot, "can_post_messages"):
        raise bad_request("need administrator rights in the channel chat")
    if member is not None and not member.may_write and member.status != "administrator":
        raise bad_request(f"not enough rights to send {what} to the chat")


def answered(core: Core, bot: Bot, chat: Chat, params: Params) -> tuple[Message | None, dict[str, Any]]:
    """The message that is answered, and the quote out of it. Raises Refused."""
    asked = params.object("reply_parameters")
    if asked is None:
        old_style = params.integer("reply_to_message_id")
        if not old_style:
            return None, {}
        asked = {"message_id": old_style, "allow_sending_without_reply": params.flag("allow_sending_without_reply")}
    message_id = asked.get("message_id")
    if not isinstance(message_id, int):
        raise bad_request("can't parse reply parameters: Can't find field \"message_id\"")
    if "chat_id" in asked and str(asked["chat_id"]) != str(chat.id):
        chat = chat_of(core, bot, Params({"chat_id": str(asked["chat_id"])}, {}))
    message = chat.messages.get(message_id)
    if message is None or message.deleted:
        if asked.get("allow_sending_without_reply"):
            return None, {}
        raise bad_request("message to be replied not found")
    quote = asked.get("quote")
    if not quote:
        return message, {}
    if quote not in message.text:
        raise bad_request("QUOTE_TEXT_INVALID")
    position = len(message.text[: message.text.index(quote)].encode("utf-16-le")) // 2
    return message, {"quote": {"text": quote, "position": position, "is_manual": True}}


def message_of(chat: Chat, params: Params, what: str) -> Message:
    """A message that is there. `what`: 'message to edit not found'. Raises Refused."""
    message = chat.messages.get(params.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request(what)
    return message
