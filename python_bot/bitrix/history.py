"""`imopenlines.session.history.get`: a whole session as the portal keeps it. Pure reading.

Keys come camelised after lower-casing (`senderid`, `chatId`), ids as strings, empty maps as lists, newest first.
https://apidocs.bitrix24.com/api-reference/imopenlines/openlines/sessions/imopenlines-session-history-get.html
"""

from __future__ import annotations

from typing import Any

from ..errors import BadEvent
from ..model import ChatFacts, FileRef, HistoryMessage, Message, SessionHistory, User
from ..values import dataclass
from .bbcode import plain
from .notices import notice_of
from .payload import Node, classify, entity, external_ids, iso_seconds, number, read_file, session_of


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
    named = tuple(user for user in users.values() if user.id and user.name)
    return SessionHistory(chat_id, session_id, tuple(messages), named, ended_at=_ended_at(messages))


def _ended_at(messages: list[HistoryMessage]) -> int | None:
    """When the last notice of an end was written; None when somebody spoke after it, or there is none.

    Such a notice may also announce a mere pause for a rating.
    """
    ended_at: int | None = None
    for item in messages:
        if item.message.notice is not None and item.message.notice.kind == "ended":
            ended_at = item.message.sent_at or None
        elif item.message.author.kind in ("client", "operator"):
            ended_at = None
    return ended_at


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
    author = users.get(author_id) or User(author_id, "", "operator" if author_id else "system")
    notice = notice_of(params, text, system=author.kind == "system")
    file_ids = [number(value) for value in params.node("fileid", "file_id").raw.values()]
    message = Message(
        message_id=message_id,
        chat_id=chat_id,
        session_id=session_id,
        author=author,
        text=text,
        text_plain=plain(text),
        sent_at=sent_at or 0,
        sent_at_exact=sent_at is not None,
        hidden=notice is not None and notice.kind == "silent",
        notice=notice,
        external_ids=external_ids(params),
        files=tuple(files.get(i) or FileRef(i, "", 0, "file", "") for i in file_ids if i),
    )
    return HistoryMessage(
        message,
        edited=params.yes("isedited") or params.yes("is_edited"),
        deleted=params.yes("isdeleted") or params.yes("is_deleted"),
    )


def running_session(entity_data_1: str) -> int | None:
    """The number of the chat's running session; 0 when none runs, None when the chat does not tell (older builds).

    The portal writes 0 into part 6 when a session is closed.
    """
    parts = entity_data_1.split("|")
    return number(parts[5]) if len(parts) > 5 else None


def chat_of(result: Any) -> tuple[int, dict[str, str]]:
    """`imopenlines.dialog.get` -> chat id and its name, entity_id, entity_data_1, entity_data_2."""
    root = _lower(result)
    chat_id = root.id("id")
    if not chat_id:
        raise BadEvent("the dialog has no id")
    return chat_id, {name: root.text(name) for name in ("name", "entity_id", "entity_data_1", "entity_data_2")}


def chat_facts(result: Any) -> ChatFacts:
    """`imopenlines.dialog.get` as facts of the chat and its running session. Raises BadEvent."""
    chat_id, facts = chat_of(result)
    return ChatFacts(
        chat_id=chat_id,
        dialog_id=f"chat{chat_id}",
        title=facts["name"],
        crm_links=facts["entity_data_2"],
        **entity(facts["entity_id"]),
        **session_of(facts["entity_data_1"]),
    )


@dataclass(frozen=True, slots=True)
class RecentChat:
    """An open-line chat in `im.recent.list`. `session_id`: its latest session, None when the portal does not say."""

    chat_id: int
    line_id: int | None
    session_id: int | None
    last_message_id: int
    last_at: int


def read_recent(result: Any) -> tuple[list[RecentChat], bool]:
    """A page of `im.recent.list`: the chats of open lines in it, and whether more follow.

    https://apidocs.bitrix24.com/api-reference/chats/im-recent-list.html
    """
    page = Node(result)
    found: list[RecentChat] = []
    for item in page.node("items").nodes():
        chat, message, lines = item.node("chat"), item.node("message"), item.node("lines")
        chat_id = item.number("chat_id")
        if not chat_id or not (lines or chat.text("entity_type") == "LINES"):
            continue
        found.append(
            RecentChat(
                chat_id=chat_id,
                line_id=entity(chat.text("entity_id")).get("line_id"),
                session_id=lines.number("id") or None,
                last_message_id=message.number("id") or 0,
                last_at=iso_seconds(message.text("date")) or 0,
            )
        )
    return found, page.yes("hasMore")
