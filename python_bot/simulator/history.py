"""imopenlines.session.history.get: every message of a session, in the odd case of its keys."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import wire
from .model import Chat, Message, Session, User
from .php import json_array

if TYPE_CHECKING:
    from .core import Core


def mangle(key: str) -> str:
    """Lower-case first, then camel case at `_`: SESSION_ID -> sessionId, but senderId -> senderid."""
    head, *tail = key.lower().split("_")
    return head + "".join(part.capitalize() for part in tail)


def mangled(value: Any) -> Any:
    """The same for a whole tree; an empty map is `[]`."""
    if isinstance(value, Mapping):
        return {mangle(str(key)): mangled(inner) for key, inner in value.items()} or []
    return [mangled(inner) for inner in value] if isinstance(value, list) else value


def session_history(core: Core, chat: Chat, session: Session) -> dict[str, Any]:
    newest_first = [message for message in reversed(chat.messages) if message.session_id == session.session_id]
    dialog = chat.dialog_id
    people = {message.author_id for message in newest_first} | {session.operator_id, chat.client_id}
    users = [core.users[user_id] for user_id in sorted(people) if user_id in core.users]
    files = [file for message in newest_first if not message.deleted for file in message.files]
    return {
        "chatId": chat.chat_id,
        "canJoin": "Y",
        "canVoteHead": "N",
        "sessionId": session.session_id,
        "sessionVoteHead": 0,
        "sessionCommentHead": None,
        "userId": dialog,
        "message": {str(message.message_id): _message(message, dialog) for message in newest_first} or [],
        "usersMessage": {dialog: [str(message.message_id) for message in newest_first]},
        "users": json_array({str(user.user_id): _user(user) for user in users}),
        "openlines": [],
        "userInGroup": [],
        "woUserInGroup": [],
        "chat": [],
        "userBlockChat": [],
        "userInChat": [],
        "files": {str(file.file_id): mangled(wire.file_block(core, file)) for file in files} or [],
    }


def _message(message: Message, dialog: str) -> dict[str, Any]:
    return {
        "id": str(message.message_id),
        "chatid": str(message.chat_id),
        "senderid": str(message.author_id),
        "recipientid": dialog,
        "date": message.date_iso,
        "text": message.wire_text,
        "textlegacy": legacy_html(message.wire_text),
        "params": mangled(message.params),
    }


def legacy_html(text: str) -> str:
    escaped = html.escape(text)
    escaped = re.sub(r"\[(/?[bius])\]", lambda tag: f"<{tag.group(1).lower()}>", escaped, flags=re.IGNORECASE)
    return re.sub(r"\n|\[br\]", "<br />", escaped, flags=re.IGNORECASE)


def _user(user: User) -> dict[str, Any]:
    return {
        "id": str(user.user_id),
        "name": user.name,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "workPosition": user.position,
        "avatar": user.avatar,
        "gender": user.gender,
        "bot": user.bot,
        "connector": user.is_client,
    }
