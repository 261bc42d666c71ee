"""Readers of the bot events of version 2 (`imbot.v2`), by webhook or fetched.

Payloads: https://apidocs.bitrix24.com/api-reference/chat-bots/chat-bots-v2/imbot.v2/events/events.html
"""

from __future__ import annotations

from ..model import ChatFacts, Message, User
from .bbcode import plain
from .commands import asked_v2
from .event_types import Event, Joined, MessageAdded, MessageDeleted, MessageEdited, Noted
from .notices import notice_of
from .payload import Node, classify, entity, external_ids, iso_seconds, read_files, session_line, session_of


def _chat_v2(data: Node) -> ChatFacts | None:
    """None for a chat that is no open line's. Entity data come with newer builds only."""
    chat = data.node("chat")
    if chat.text("type", "entityType").upper() not in ("", "L", "LINES", "OPENLINE", "LINE") and (
        chat.text("entityType").upper() != "LINES"
    ):
        return None
    chat_id = chat.number("id") or data.node("message").id("chatId", "chat_id")
    # Until the hand-over the chat's owner is our own bot.
    operator_id = chat.number("owner") or None
    if operator_id == data.node("bot").number("id"):
        operator_id = None
    return ChatFacts(
        chat_id=chat_id,
        dialog_id=chat.text("dialogId") or f"chat{chat_id}",
        title=chat.text("name"),
        operator_id=operator_id,
        session_line_id=session_line(chat.text("entityData1")),
        crm_links=chat.text("entityData2"),
        **entity(chat.text("entityId")),
        **session_of(chat.text("entityData1")),
    )


def _author_v2(data: Node, chat: ChatFacts) -> User:
    message, user = data.node("message"), data.node("user")
    author_id = message.number("authorId") or 0
    return User(
        id=author_id,
        name=user.text("name"),
        kind=classify(
            author_id,
            system=message.yes("isSystem"),
            connector=user.yes("connector") or user.text("externalAuthId") == "imconnector",
            bot=user.yes("bot") or author_id == data.node("bot").number("id"),
            client_id=chat.client_id,
        ),
        first_name=user.text("firstName"),
        last_name=user.text("lastName"),
        work_position=user.text("workPosition"),
    )


def _message_v2(data: Node, ts: int) -> tuple[ChatFacts, Message] | None:
    chat = _chat_v2(data)
    if chat is None:
        return None
    node = data.node("message")
    text = node.text("text")
    sent_at = iso_seconds(node.text("date"))
    author = _author_v2(data, chat)
    message = Message(
        message_id=node.id("id"),
        chat_id=chat.chat_id,
        session_id=chat.session_id,
        author=author,
        text=text,
        text_plain=plain(text),
        sent_at=sent_at or ts,
        sent_at_exact=sent_at is not None,
        files=read_files(Node({"PARAMS": node.node("params").raw, "FILES": data.node("files").raw})),
        notice=notice_of(node.node("params"), text, system=author.kind == "system"),
        external_ids=external_ids(node.node("params")),
    )
    return chat, message


def join(data: Node, ts: int) -> list[Event]:
    chat = _chat_v2(data)
    return [Joined(chat, data.node("bot").number("id"), ts)] if chat else [Noted()]


def message_add(data: Node, ts: int) -> list[Event]:
    read = _message_v2(data, ts)
    return [MessageAdded(*read)] if read else [asked_v2(data, ts) or Noted()]


def message_update(data: Node, ts: int) -> list[Event]:
    read = _message_v2(data, ts)
    if not read:
        return [Noted()]
    chat, message = read
    return [MessageEdited(chat, message.message_id, message.author, message.text, message.text_plain, ts)]


def message_delete(data: Node, ts: int) -> list[Event]:
    chat = _chat_v2(data)
    if chat is None:
        return [Noted()]
    node = data.node("message")
    message_id = node.number("id") or data.id("messageId")
    text = node.text("text")
    return [MessageDeleted(chat, message_id, _author_v2(data, chat), text, plain(text), ts)]
