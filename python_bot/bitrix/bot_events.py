"""Readers of the bot events of version 1 (`imbot.*`).

Payloads: https://apidocs.bitrix24.com/api-reference/chat-bots/outdated/ ; the portal sends more keys than the
pages show. A message has no time of its own: the event's `ts` stands in until history tells the exact one.
"""

from __future__ import annotations

from ..model import ChatFacts, Message, User
from .bbcode import plain
from .commands import asked
from .event_types import BotDeleted, Event, Joined, MessageAdded, MessageDeleted, MessageEdited, Noted
from .notices import notice_of
from .payload import Node, classify, entity, external_ids, read_files, session_line, session_of


def _chat(params: Node, data: Node) -> ChatFacts:
    chat_id = params.id("CHAT_ID", "TO_CHAT_ID")
    # Until the hand-over the chat's "operator" is one of our own bots.
    operator_id = params.number("CHAT_AUTHOR_ID") or None
    if str(operator_id) in data.node("BOT").raw:
        operator_id = None
    return ChatFacts(
        chat_id=chat_id,
        dialog_id=params.text("DIALOG_ID") or f"chat{chat_id}",
        title=params.text("CHAT_TITLE"),
        operator_id=operator_id,
        session_line_id=session_line(params.text("CHAT_ENTITY_DATA_1")),
        crm_links=params.text("CHAT_ENTITY_DATA_2"),
        **entity(params.text("CHAT_ENTITY_ID")),
        **session_of(params.text("CHAT_ENTITY_DATA_1")),
    )


def _author(params: Node, data: Node, chat: ChatFacts) -> User:
    user, own_bots = data.node("USER"), data.node("BOT").raw
    author_id = params.number("FROM_USER_ID", "AUTHOR_ID") or 0
    return User(
        id=author_id,
        name=user.text("NAME"),
        kind=classify(
            author_id,
            system=params.yes("SYSTEM"),
            connector=user.yes("IS_CONNECTOR"),
            bot=user.yes("IS_BOT") or str(author_id) in own_bots,
            client_id=chat.client_id,
        ),
        first_name=user.text("FIRST_NAME"),
        last_name=user.text("LAST_NAME"),
        work_position=user.text("WORK_POSITION"),
    )


def _is_private(params: Node) -> bool:
    """A chat with the bot itself, or a group chat: no conversation of an open line."""
    kind = params.text("CHAT_TYPE", "MESSAGE_TYPE")
    return bool(kind) and kind != "L" and params.text("CHAT_ENTITY_TYPE") != "LINES"


def join(data: Node, ts: int) -> list[Event]:
    params = data.node("PARAMS")
    if _is_private(params):
        return [Noted()]
    return [Joined(_chat(params, data), params.number("BOT_ID"), ts)]


def message_add(data: Node, ts: int) -> list[Event]:
    params = data.node("PARAMS")
    if _is_private(params):
        return [asked(params, data.node("USER"), ts) or Noted()]
    chat = _chat(params, data)
    # MESSAGE has the mentions cut out; MESSAGE_ORIGINAL is what was typed.
    text = params.text("MESSAGE_ORIGINAL", "MESSAGE")
    author = _author(params, data, chat)
    message = Message(
        message_id=params.id("MESSAGE_ID", "ID"),
        chat_id=chat.chat_id,
        session_id=chat.session_id,
        author=author,
        text=text,
        text_plain=plain(text),
        sent_at=ts,
        hidden=params.yes("SKIP_CONNECTOR"),
        files=read_files(params),
        notice=notice_of(params.node("PARAMS"), text, system=author.kind == "system"),
        external_ids=external_ids(params.node("PARAMS")),
    )
    return [MessageAdded(chat, message)]


def message_update(data: Node, ts: int) -> list[Event]:
    return _message_change(data, ts, deleted=data.node("PARAMS").node("PARAMS").yes("IS_DELETED"))


def message_delete(data: Node, ts: int) -> list[Event]:
    return _message_change(data, ts, deleted=True)


def _message_change(data: Node, ts: int, *, deleted: bool) -> list[Event]:
    params = data.node("PARAMS")
    if _is_private(params):
        return [Noted()]
    chat = _chat(params, data)
    text = params.text("MESSAGE_ORIGINAL", "MESSAGE")
    change = MessageDeleted if deleted else MessageEdited
    return [change(chat, params.id("MESSAGE_ID", "ID"), _author(params, data, chat), text, plain(text), ts)]


def bot_delete(data: Node, ts: int) -> list[Event]:
    return [BotDeleted(data.number("BOT_ID") or data.node("bot").number("id"))]


def command(data: Node, ts: int) -> list[Event]:
    """A message that starts with a registered slash command comes here instead of MESSAGEADD."""
    return message_add(data, ts) if data.node("PARAMS").number("MESSAGE_ID") else [Noted()]


def noted(data: Node, ts: int) -> list[Event]:
    return [Noted()]
