"""im.*: chats, users and messages as any employee sees them."""

from __future__ import annotations

from typing import Any, Final

from .. import wire
from ..call import Ctx, Method, RestError, table
from ..clock import iso
from ..model import Chat, Message
from ..php import as_int, values_of

MAX_MESSAGES = 50
MAX_RECENT = 200


def messages_get(ctx: Ctx) -> dict[str, Any]:
    chat = _chat(ctx)
    for cursor in ("FIRST_ID", "LAST_ID"):
        value = ctx.params.get(cursor)
        if value is not None and not str(value).lstrip("-").isdigit():
            raise RestError(400, f"{cursor}_STRING", f"{cursor} can't be string")
    limit = min(ctx.int("LIMIT") or 20, MAX_MESSAGES)
    if "FIRST_ID" in ctx.params:
        page = [message for message in chat.messages if message.message_id > ctx.int("FIRST_ID")][:limit]
    elif "LAST_ID" in ctx.params:
        page = [message for message in chat.messages if message.message_id < ctx.int("LAST_ID")][-limit:]
    else:
        page = chat.messages[-limit:]
    page = page[::-1]
    if "FIRST_ID" in ctx.params and ctx.core.faults.shuffle:
        ctx.core.rng.shuffle(page)  # the portal sets no order for this cursor
    authors = {message.author_id for message in page} - {0}
    return {
        "chat_id": chat.chat_id,
        "messages": [_message(message) for message in page],
        "users": [wire.user_card(ctx.core.users[user_id]) for user_id in sorted(authors)],
        "files": [wire.file_block(ctx.core, file) for message in page if not message.deleted for file in message.files],
    }


def dialog_get(ctx: Ctx) -> dict[str, Any]:
    return wire.dialog_card(_chat(ctx))


def chat_get(ctx: Ctx) -> dict[str, int] | None:
    """The chat behind an entity; null when there is none."""
    if ctx.text("ENTITY_TYPE") != "LINES":
        return None
    chat = ctx.core.chat_of_entity.get(ctx.text("ENTITY_ID"))
    return {"ID": chat.chat_id} if chat else None


def chat_user_list(ctx: Ctx) -> list[int]:
    chat = ctx.core.chats.get(ctx.int("CHAT_ID"))
    if chat is None or ctx.user.user_id not in chat.everyone:
        raise RestError(403, "ACCESS_ERROR", "You do not have access to the specified dialog")
    return sorted(chat.everyone)


def user_get(ctx: Ctx) -> dict[str, Any]:
    if "ID" in ctx.params and not ctx.int("ID"):
        raise RestError(400, "ID_EMPTY", "User ID can't be empty")
    user = ctx.core.users.get(ctx.int("ID") or ctx.user.user_id)
    if user is None:
        raise RestError(400, "USER_NOT_EXISTS", "User is not exists")
    return wire.user_card(user)


def user_list_get(ctx: Ctx) -> Any:
    ids = [as_int(value) for value in values_of(ctx.params.get("ID"))]
    if not ids:
        raise RestError(400, "INVALID_FORMAT", "A wrong format for the ID field is passed")
    found = {user_id: ctx.core.users.get(user_id) for user_id in ids}
    if ctx.text("RESULT_TYPE") == "array":
        return [wire.user_card(user) for user in found.values() if user]
    return {str(user_id): wire.user_card(user) if user else None for user_id, user in found.items()}


def recent_list(ctx: Ctx) -> dict[str, Any]:
    """Chats that the user is (or was) a member of, newest first; pages by OFFSET and LIMIT."""
    limit, offset = min(ctx.int("LIMIT") or MAX_MESSAGES, MAX_RECENT), max(0, ctx.int("OFFSET"))
    mine = [chat for chat in ctx.core.chats.values() if ctx.user.user_id in chat.members and chat.messages]
    if ctx.text("SKIP_OPENLINES") == "Y":
        mine = []
    mine.sort(key=lambda chat: chat.messages[-1].message_id, reverse=True)
    more = len(mine) > offset + limit
    items = [_recent(ctx, chat) for chat in mine[offset : offset + limit]]
    return {"items": items, "hasMorePages": more, "hasMore": more, "copilot": [], "messagesAutoDeleteConfigs": []}


def file_download(ctx: Ctx) -> dict[str, str]:
    """im.v2.File.download: a link for one download, for members of the chat."""
    if not ctx.int("fileId"):
        raise RestError(400, "FILE_ID_REQUIRED", "fileId is required")
    chat = ctx.chat_of_dialog("dialogId")
    if chat is None or not ctx.sees(chat):
        raise RestError(403, "ACCESS_DENIED", "Access denied")
    file = ctx.core.files.get(ctx.int("fileId"))
    if file is None or file.chat_id != chat.chat_id:
        raise RestError(404, "FILE_NOT_FOUND", "File not found")
    return {"downloadUrl": ctx.core.downloads.chat_link("im", file)}


def message_add(ctx: Ctx) -> int:
    """Speaks as the token's user; in an open line this answers the client."""
    if not ctx.text("DIALOG_ID"):
        raise RestError(400, "DIALOG_ID_EMPTY", "Dialog ID can't be empty")
    if not ctx.text("MESSAGE"):
        raise RestError(400, "MESSAGE_EMPTY", "Message can't be empty")
    chat = _chat(ctx)
    if ctx.user.is_employee:
        ctx.core.open_lines.answer(chat, ctx.user)
        ctx.core.open_lines.operator_spoke(chat)
    return ctx.core.open_lines.add_message(chat, ctx.user.user_id, ctx.text("MESSAGE")).message_id


def _chat(ctx: Ctx) -> Chat:
    if not ctx.text("DIALOG_ID"):
        raise RestError(400, "DIALOG_ID_EMPTY", "Dialog ID can't be empty")
    chat = ctx.chat_of_dialog()
    if chat is None or not ctx.sees(chat):
        raise RestError(403, "ACCESS_ERROR", "You do not have access to the specified dialog")
    return chat


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.message_id,
        "chat_id": message.chat_id,
        "author_id": message.author_id,
        "date": message.date_iso,
        "text": message.wire_text,
        "unread": False,
        "uuid": None,
        "replaces": [],
        "params": message.params or [],
        "disappearing_date": None,
    }


def _recent(ctx: Ctx, chat: Chat) -> dict[str, Any]:
    last, session = chat.messages[-1], chat.session
    return {
        "id": chat.dialog_id,
        "chat_id": chat.chat_id,
        "type": "chat",
        "avatar": {"url": "", "color": "#4ba984"},
        "title": chat.title,
        "message": {
            "id": last.message_id,
            "text": last.wire_text,
            "file": bool(last.files),
            "author_id": last.author_id,
            "attach": False,
            "sticker": None,
            "date": last.date_iso,
            "status": "received",
            "uuid": None,
        },
        "counter": 0,
        "last_id": last.message_id,
        "pinned": False,
        "unread": False,
        "has_reminder": False,
        "date_update": last.date_iso,
        "date_last_activity": last.date_iso,
        "chat": wire.dialog_card(chat),
        "lines": {"id": session.session_id, "status": session.status, "date_create": iso(session.started_at)},
        "user": wire.user_card(ctx.core.users[last.author_id]) if last.author_id in ctx.core.users else {"id": 0},
        "options": [],
    }


METHODS: Final = table(
    Method("im.dialog.messages.get", messages_get, scope="im"),
    Method("im.dialog.get", dialog_get, scope="im"),
    Method("im.chat.get", chat_get, scope="im"),
    Method("im.chat.user.list", chat_user_list, scope="im"),
    Method("im.user.get", user_get, scope="im"),
    Method("im.user.list.get", user_list_get, scope="im"),
    Method("im.recent.list", recent_list, scope="im"),
    Method("im.v2.File.download", file_download, scope="im", upper_keys=False, v2=True),
    Method("im.message.add", message_add, scope="im"),
)
