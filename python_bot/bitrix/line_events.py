"""Readers of the open-line events: sessions, the lines' second feed, and our own connectors.

Payloads: https://apidocs.bitrix24.com/api-reference/imopenlines/ (sessions, messages) and
https://apidocs.bitrix24.com/api-reference/imopenlines/imconnector/events/ (connectors).
"""

from __future__ import annotations

from ..model import ChatFacts, Message, User
from .bbcode import plain
from .event_types import (
    ConnectorChanges,
    ConnectorMessages,
    ConnectorStopped,
    Event,
    LineDeleted,
    MessageAdded,
    MessageDeleted,
    MessageEdited,
    Noted,
    SessionFinished,
    SessionStarted,
)
from .notices import notice_of
from .payload import Node, classify, read_file
from .php_form import Tree


def _session_rows(data: Node) -> list[Node]:
    """DATA is one object in the modules' code and a list of them in the documentation: both are read."""
    rows = data.node("DATA")
    return [rows] if "connector" in rows.raw or "chat" in rows.raw else rows.nodes()


def _session_chat(row: Node) -> ChatFacts:
    connector, session = row.node("connector"), row.node("session")
    # `connector[chat_id]` may be the messenger's own id, so the portal's chat goes first.
    chat_id = row.node("chat").number("chat_id", "id") or connector.id("chat_id")
    return ChatFacts(
        chat_id=chat_id,
        dialog_id=f"chat{chat_id}",
        connector_id=connector.text("connector_id"),
        line_id=connector.number("line_id") or row.node("line").number("id"),
        client_id=connector.number("user_id") or row.node("user").number("id") or None,
        session_id=session.number("id") or None,
    )


def session_start(data: Node, ts: int) -> list[Event]:
    return [SessionStarted(_session_chat(row), ts) for row in _session_rows(data)] or [Noted()]


def session_finish(data: Node, ts: int) -> list[Event]:
    return [SessionFinished(_session_chat(row), ts) for row in _session_rows(data)] or [Noted()]


def _line_rows(data: Node) -> list[Node]:
    rows = data.node("DATA")
    return [rows] if rows.raw.keys() & {"message", "im", "connector"} else rows.nodes()


def line_message(data: Node, ts: int) -> list[Event]:
    """ONOPENLINEMESSAGEADD: a second feed of the same messages.

    Only the outgoing shape carries the portal's own ids (`message[chat_id]`); the incoming one speaks in the
    messenger's ids, and the bot's feed and the history have those messages anyway.
    """
    found: list[Event] = []
    for row in _line_rows(data):
        node, connector = row.node("message"), row.node("connector")
        chat_id, message_id = node.number("chat_id"), node.number("id")
        if not chat_id or not message_id:
            found.append(Noted())
            continue
        chat = ChatFacts(
            chat_id=chat_id,
            dialog_id=f"chat{chat_id}",
            connector_id=connector.text("connector_id") or data.text("CONNECTOR"),
            line_id=connector.number("line_id") or data.number("LINE"),
            client_id=connector.number("user_id") or None,
        )
        author_id = node.number("user_id") or 0
        kind = classify(author_id, system=node.yes("system"), connector=False, bot=False, client_id=chat.client_id)
        found.append(MessageAdded(chat, _message(node, chat, message_id, User(author_id, "", kind), ts), "line"))
    return found or [Noted()]


def _message(node: Node, chat: ChatFacts, message_id: int, author: User, ts: int) -> Message:
    text = node.text("text")
    return Message(
        message_id=message_id,
        chat_id=chat.chat_id,
        session_id=None,
        author=author,
        text=text,
        text_plain=plain(text),
        sent_at=ts,
        files=tuple(file for item in node.node("files").nodes() if (file := read_file(item))),
        notice=notice_of(node.node("params"), text, system=author.kind == "system"),
    )


def line_message_update(data: Node, ts: int) -> list[Event]:
    return _line_message_change(data, ts, deleted=False)


def line_message_delete(data: Node, ts: int) -> list[Event]:
    return _line_message_change(data, ts, deleted=True)


def _line_message_change(data: Node, ts: int, *, deleted: bool) -> list[Event]:
    found: list[Event] = []
    for row in _line_rows(data):
        chat_id, message_id = row.node("im").number("chat_id"), row.node("im").number("message_id")
        if not chat_id or not message_id:
            found.append(Noted())
            continue
        chat = ChatFacts(
            chat_id=chat_id,
            dialog_id=f"chat{chat_id}",
            connector_id=data.text("CONNECTOR"),
            line_id=data.number("LINE"),
        )
        text, author = row.node("message").text("text"), User(0, "", "system")
        if deleted:
            found.append(MessageDeleted(chat, message_id, author, text, plain(text), ts))
        else:
            found.append(MessageEdited(chat, message_id, author, text, plain(text), ts))
    return found or [Noted()]


def connector_message(data: Node, ts: int) -> list[Event]:
    """ONIMCONNECTORMESSAGEADD: what an operator wrote in a chat of a channel of ours."""
    connector_id, line_id = data.text("CONNECTOR"), data.id("LINE")
    messages: list[MessageAdded] = []
    items: list[Tree] = []
    for row in data.node("MESSAGES").nodes():
        items.append(row.raw)
        im, node = row.node("im"), row.node("message")
        chat_id, message_id = im.number("chat_id"), im.number("message_id")
        if chat_id and message_id:
            chat = ChatFacts(chat_id, f"chat{chat_id}", connector_id=connector_id, line_id=line_id)
            author_id = node.number("user_id") or 0
            author = User(author_id, "", "operator" if author_id else "system")
            messages.append(MessageAdded(chat, _message(node, chat, message_id, author, ts), "connector"))
    return [ConnectorMessages(connector_id, line_id, tuple(messages), tuple(items))]


def connector_message_update(data: Node, ts: int) -> list[Event]:
    return _connector_changes(data, ts, is_deletion=False)


def connector_message_delete(data: Node, ts: int) -> list[Event]:
    return _connector_changes(data, ts, is_deletion=True)


def _connector_changes(data: Node, ts: int, *, is_deletion: bool) -> list[Event]:
    """For the channel only: the archive hears of the same change from the bot and from the line."""
    rows = data.node("MESSAGES").nodes()
    ims = [row.node("im") for row in rows]
    messages = tuple((im.id("chat_id"), im.id("message_id")) for im in ims)
    items = tuple(row.raw for row in rows)
    return [ConnectorChanges(data.text("CONNECTOR"), data.id("LINE"), is_deletion, items, messages, ts)]


def connector_stop(data: Node, ts: int) -> list[Event]:
    # The one event whose keys are in lower case.
    return [ConnectorStopped(data.text("connector", "CONNECTOR"), data.id("line", "LINE"))]


def line_delete(data: Node, ts: int) -> list[Event]:
    """ONIMCONNECTORLINEDELETE: its `data` is the bare line id."""
    return [LineDeleted(data.id("value"))]
