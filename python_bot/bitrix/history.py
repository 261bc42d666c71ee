"""`imopenlines.session.history.get`: a whole session as the portal keeps it. Pure reading.

Keys come camelised after lower-casing (`senderid`, `chatId`), ids as strings, empty maps as lists, newest first.
https://apidocs.bitrix24.com/api-reference/imopenlines/openlines/sessions/imopenlines-session-history-get.html
"""

from __future__ import annotations

from typing import Any

from ..errors import BadEvent
from ..model import FileRef, HistoryMessage, Message, SessionHistory, User
from .bbcode import plain
from .payload import Node, classify, iso_seconds, number, read_file


def read_history(result: Any) -> SessionHistory:
    """Raises BadEvent when the answer names neither chat nor session."""
    root = _lower(result)
    chat_id, session_id = root.id("chatid"), root.id("sessionid")
    files = {
        file.id: file for node in root.node("files").nodes() if (file := read_file(_readable_file(node))) is not None
    }
    people = {
        user_id: node for node in map(_lower, root.node("users").nodes()) if (user_id := node.number("id")) is not None
    }
    users = {user_id: _user(user_id, node) for user_id, node in people.items()}
    messages = [
        found
        for node in map(_lower, root.node("message").nodes())
        if (found := _message(node, chat_id, session_id, users, files)) is not None
    ]
    messages.sort(key=lambda item: item.message.message_id)
    return SessionHistory(chat_id, session_id, tuple(messages), tuple(u for u in users.values() if u.id and u.name))


def _lower(value: Any) -> Node:
    raw = value.raw if isinstance(value, Node) else Node(value).raw
    return Node({str(key).lower(): item for key, item in raw.items()})


def _readable_file(node: Node) -> Node:
    low = _lower(node)
    return Node({**low.raw, "urlDownload": low.text("urldownload")})


def _user(user_id: int, node: Node) -> User:
    return User(
        id=user_id,
        name=node.text("name"),
        kind=classify(user_id, system=False, connector=node.yes("connector"), bot=node.yes("bot"), client_id=None),
        first_name=node.text("firstname"),
        last_name=node.text("lastname"),
        work_position=node.text("workposition"),
    )


def _message(
    node: Node, chat_id: int, session_id: int, users: dict[int, User], files: dict[int, FileRef]
) -> HistoryMessage | None:
    message_id = node.number("id")
    if not message_id:
        return None
    params = _lower(node.node("params"))
    author_id = node.number("senderid") or 0
    text = node.text("text")
    sent_at = iso_seconds(node.text("date"))
    file_ids = [number(value) for value in params.node("fileid", "file_id").raw.values()]
    message = Message(
        message_id=message_id,
        chat_id=chat_id,
        session_id=session_id,
        author=users.get(author_id) or User(author_id, "", "operator" if author_id else "system"),
        text=text,
        text_plain=plain(text),
        sent_at=sent_at or 0,
        sent_at_exact=sent_at is not None,
        files=tuple(files.get(i) or FileRef(i, "", 0, "file", "") for i in file_ids if i),
    )
    return HistoryMessage(
        message,
        edited=params.yes("isedited") or params.yes("is_edited"),
        deleted=params.yes("isdeleted") or params.yes("is_deleted"),
    )


def chat_of(result: Any) -> tuple[int, dict[str, str]]:
    """`imopenlines.dialog.get` -> chat id and its name, entity_id, entity_data_1, entity_data_2."""
    root = _lower(result)
    chat_id = root.id("id")
    if not chat_id:
        raise BadEvent("the dialog has no id")
    return chat_id, {name: root.text(name) for name in ("name", "entity_id", "entity_data_1", "entity_data_2")}
