"""What Telegram tells, as what happened: updates, polled or by webhook, are the same. Pure.

An update has the same number by either way, so that number is its key. A group is one client, as its title says, and
the words in it begin with who wrote them; a topic of a group is somebody's desk, where each person stays themself.
https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from ...errors import BadEvent
from ..base import Change, ChatChanged, Happened, Incoming, Person
from .content import Body, gist, inner, is_live_location, number, own_phone, read, text

PREFIX: Final = "tg:"  # of people and chats: numbers of another messenger never meet these
KINDS: Final = ("message", "edited_message", "my_chat_member")  # all that is asked for
_START: Final = re.compile(r"/start(?:@\w+)?(?: +(\S{1,128}))?\s*\Z")
_GONE: Final = ("kicked", "left")


def chat_id_of(number: int) -> str:
    return f"{PREFIX}{number}"


def message_id_of(chat: int, message: int) -> str:
    return f"{chat}:{message}"


def read_hook(bot_id: str, body: bytes) -> Sequence[Happened]:
    """One request to the webhook. Raises BadEvent for what is no JSON."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadEvent("Telegram's webhook: the body is not JSON") from None
    return read_update(bot_id, told) if isinstance(told, dict) else ()


def read_update(bot_id: str, update: Body) -> Sequence[Happened]:
    """() for what concerns nobody: kinds that nobody asked for, the bot's own doings."""
    if not isinstance(update.get("update_id"), int):
        return ()
    key = f"u{number(update, 'update_id')}"
    if "my_chat_member" in update:
        return _membership(key, inner(update, "my_chat_member"))
    if "message" in update:
        return _message(key, bot_id, inner(update, "message"), "message")
    if "edited_message" in update:
        return _message(key, bot_id, inner(update, "edited_message"), "edit")
    return ()


def _membership(key: str, change: Body) -> Sequence[Happened]:
    """In a private chat: the client blocked the bot, or takes it back. In a group: the bot came or went."""
    chat, status = inner(change, "chat"), text(inner(change, "new_chat_member"), "status")
    if not number(chat, "id") or not status:
        return ()
    is_gone = status in _GONE
    state = ("blocked" if text(chat, "type") == "private" else "gone") if is_gone else "open"
    return (ChatChanged(key, chat_id_of(number(chat, "id")), state, number(change, "date")),)  # type: ignore[arg-type]  # one of its words


def _message(key: str, bot_id: str, message: Body, change: Change) -> Sequence[Happened]:
    chat = inner(message, "chat")
    chat_number, message_number = number(chat, "id"), number(message, "message_id")
    if not chat_number:
        return ()
    at = number(message, "edit_date") or number(message, "date")
    for name, former, new in (
        ("migrate_to_chat_id", chat_number, number(message, "migrate_to_chat_id")),
        ("migrate_from_chat_id", number(message, "migrate_from_chat_id"), chat_number),
    ):
        if name in message:
            return (ChatChanged(key, chat_id_of(former), "moved", at, moved_to=chat_id_of(new)),)
    if str(number(inner(message, "from"), "id")) == bot_id or not message_number:
        return ()  # the bot's own service messages; messages for one moment, which have no number
    if change == "edit" and is_live_location(message):
        return ()
    found = read(message)
    if found is None:
        return ()
    words, files = found
    is_topic = message.get("is_topic_message") is True
    author = _author(message)
    is_group = text(chat, "type") != "private"
    words = "\n".join(part for part in (_quoted(message), _forwarded(message), _started(words)) if part)
    title = text(chat, "title") or _name(chat)
    sender = author
    if is_group and not is_topic:
        words = f"{author.name} {author.last_name}".strip() + f": {words}".rstrip()
        sender = Person(chat_id_of(chat_number), title)
    return (
        Incoming(
            key=key,
            change=change,
            chat_id=chat_id_of(chat_number),
            message_id=message_id_of(chat_number, message_number),
            sent_at=at,
            sender=sender,
            text=words,
            files=files,
            album=text(message, "media_group_id"),
            thread=str(number(message, "message_thread_id")) if is_topic else "",
            chat_name=title,
            chat_url=_page(chat),
        ),
    )


def _author(message: Body) -> Person:
    """An anonymous administrator or a channel writes as a chat; the user beside it is only its stand-in."""
    stand_in, user = inner(message, "sender_chat"), inner(message, "from")
    if stand_in:
        name = text(message, "author_signature") or text(stand_in, "title") or "Telegram"
        return Person(chat_id_of(number(stand_in, "id")), name, url=_page(stand_in))
    first, last = text(user, "first_name"), text(user, "last_name")
    name = first or text(user, "username") or "Telegram"
    return Person(chat_id_of(number(user, "id")), name, last, url=_page(user), phone=own_phone(message))


def _name(body: Body) -> str:
    return f"{text(body, 'first_name')} {text(body, 'last_name')}".strip() or text(body, "username") or "Telegram"


def _page(body: Body) -> str:
    username = text(body, "username")
    return f"https://t.me/{username}" if username else ""


def _started(words: str) -> str:
    """'/start spring_sale' -> the same with the source named: where the link was that the client came by."""
    match = _START.match(words)
    return f"/start\nИсточник: {match[1]}" if match and match[1] else words


def _quoted(message: Body) -> str:
    """What a reply answers, as a quote. A message in a topic has the topic's first one there, and answers nothing."""
    answered, elsewhere = inner(message, "reply_to_message"), inner(message, "external_reply")
    chosen = " ".join(text(inner(message, "quote"), "text").split())
    if "forum_topic_created" in answered or (
        message.get("is_topic_message") is True
        and answered
        and number(answered, "message_id") == number(message, "message_thread_id")
    ):
        answered = {}
    if answered:
        author = _author(answered)
        if not (chosen or gist(answered)):
            return ">> Сообщение, которого больше нет"
        return f">> {author.name} {author.last_name}".strip() + f": {chosen or gist(answered)}".rstrip()
    if elsewhere:
        return f">> {_origin(inner(elsewhere, 'origin'))}: {chosen or gist(elsewhere)}".rstrip()
    return ">> История" if "reply_to_story" in message else ""


def _forwarded(message: Body) -> str:
    return f"Переслано, {_origin(inner(message, 'forward_origin'))}:" if "forward_origin" in message else ""


def _origin(origin: Body) -> str:
    """https://core.telegram.org/bots/api#messageorigin"""
    chat = inner(origin, "sender_chat") or inner(origin, "chat")
    user = inner(origin, "sender_user")
    name = text(origin, "sender_user_name") or (_name(user) if user else "") or text(chat, "title")
    return name or "Telegram"
