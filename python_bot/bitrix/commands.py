"""What an employee may say to the bot in the private chat with it. Pure."""

from __future__ import annotations

from typing import Final

from ..model import BotCommand
from .event_types import BotAsked
from .payload import Node

WORDS: Final[dict[str, BotCommand]] = {
    "ping": "ping",
    "пинг": "ping",
    "status": "status",
    "статус": "status",
    "help": "help",
    "помощь": "help",
}
_PRIVATE_V2: Final = ("P", "PRIVATE")


def command_of(text: str) -> BotCommand | None:
    """'/Ping ' -> 'ping'; None for what is no command: the bot talks to nobody who did not ask."""
    return WORDS.get(text.strip().removeprefix("/").rstrip("!.?").lower())


def asked(params: Node, user: Node, ts: int) -> BotAsked | None:
    """The command in an ONIMBOTMESSAGEADD; None unless an employee gave it in the private chat with the bot itself.

    Both types must say private, no entity may be behind the chat, and the dialog must be the author's own.
    """
    command = command_of(params.text("MESSAGE_ORIGINAL", "MESSAGE"))
    author_id, chat_id = params.number("FROM_USER_ID"), params.number("CHAT_ID", "TO_CHAT_ID")
    kinds = {params.text("CHAT_TYPE"), params.text("MESSAGE_TYPE")} - {""}
    has_entity = bool(params.text("CHAT_ENTITY_TYPE") or params.text("CHAT_ENTITY_ID"))
    if command is None or not author_id or not chat_id or kinds != {"P"} or has_entity:
        return None
    if params.number("DIALOG_ID") != author_id or params.yes("SYSTEM"):
        return None
    if user.yes("IS_BOT") or user.yes("IS_CONNECTOR"):
        return None
    return BotAsked(author_id, chat_id, command, params.text("LANGUAGE"), ts)


def asked_v2(data: Node, ts: int) -> BotAsked | None:
    """The same in an ONIMBOTV2MESSAGEADD."""
    message, chat, user = data.node("message"), data.node("chat"), data.node("user")
    command = command_of(message.text("text"))
    author_id, chat_id = message.number("authorId"), chat.number("id")
    if command is None or not author_id or not chat_id or chat.text("type").upper() not in _PRIVATE_V2:
        return None
    if chat.text("entityType") or chat.text("entityId") or chat.number("dialogId") != author_id:
        return None
    is_person = not (message.yes("isSystem") or user.yes("bot") or user.yes("connector"))
    return BotAsked(author_id, chat_id, command, data.text("language"), ts) if is_person else None
