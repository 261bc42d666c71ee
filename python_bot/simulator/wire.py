"""Blocks that appear in several events and answers."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .clock import iso
from .model import Chat, DiskFile, Message, Session, User

if TYPE_CHECKING:
    from .core import Core


def entity_data_1(chat: Chat) -> str:
    """CRM link, pause, wait action, session id (6th), session start, line, block date and reason."""
    session = chat.session
    crm = f"Y|LEAD|{chat.crm_lead_id}" if chat.crm_lead_id else "N|NONE|0"
    running = 0 if session.closed else session.session_id  # closing a session takes its number away
    return f"{crm}|N|N|{running}|{int(session.started_at)}|{session.line_id}|0|0"


def entity_data_2(chat: Chat) -> str:
    return f"LEAD|{chat.crm_lead_id}|COMPANY|0|CONTACT|0|DEAL|0"


def entity_data_3(chat: Chat) -> str:
    return "Y" if chat.silent else "N"


def user_block(user: User) -> dict[str, Any]:
    return {
        "ID": user.user_id,
        "NAME": user.name,
        "FIRST_NAME": user.first_name,
        "LAST_NAME": user.last_name,
        "WORK_POSITION": user.position,
        "GENDER": user.gender,
        "IS_BOT": _flag(user.bot),
        "IS_CONNECTOR": _flag(user.is_client),
        "IS_NETWORK": "N",
        "IS_EXTRANET": _flag(user.is_client),
    }


def file_block(core: Core, file: DiskFile) -> dict[str, Any]:
    author = core.users.get(file.author_id)
    ajax = f"{core.url}/bitrix/services/main/ajax.php?action=disk.api.file"
    picture: Any = {"width": file.width or 1280, "height": file.height or 960} if file.kind == "image" else 0
    return {
        "id": file.file_id,
        "chatId": file.chat_id,
        "date": iso(file.date),
        "type": file.kind,
        "name": file.name,
        "extension": file.extension,
        "size": len(file.content),
        "image": picture,
        "status": "done",
        "progress": 100,
        "authorId": file.author_id,
        "authorName": author.name if author else "",
        "urlPreview": f"{ajax}.showImage&fileId={file.file_id}&width=640&height=640&signature=0f1e2d",
        "urlShow": f"{ajax}.showImage&fileId={file.file_id}",
        "urlDownload": f"{ajax}.download&fileId={file.file_id}&fileName={quote(file.name)}",
        "isTranscribable": False,
        "isVideoNote": False,
        "isVoiceNote": False,
    }


def connector_file(core: Core, file: DiskFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "type": file.kind,
        "mime": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        "link": f"{core.url}/~{file.file_id:x}",
        "downloadLink": f"{core.url}/pub/im.file.php?FILE_ID={file.file_id}&SIGN={public_sign(core, file)}",
        "size": len(file.content),
    }


def public_sign(core: Core, file: DiskFile) -> str:
    """The signature that opens one file to anybody who has the link."""
    return f"{core.member_id[:8]}{file.file_id:x}"


def connector_message(core: Core, chat: Chat, message: Message) -> dict[str, Any]:
    author = core.users.get(message.author_id)
    text = message.text.replace("\n", "[br]")
    if core.connectors[chat.connector_id].need_signature and author is not None and text:
        text = f"[b]{author.name}:[/b] [br]{text}"
    return {
        "im": {"chat_id": chat.chat_id, "message_id": message.message_id},
        "message": {
            "user_id": message.author_id,
            "text": text,
            "files": [connector_file(core, file) for file in message.files],
        },
        "chat": {"id": chat.external_chat_id},
    }


def session_by_code(chat: Chat, session: Session, line_name: str) -> dict[str, Any]:
    """ONSESSIONSTART/FINISH as the PHP code builds it: no session id."""
    return {
        "connector": _session_connector(chat, session),
        "chat": {"chat_id": chat.chat_id},
        "line": {"id": session.line_id, "name": line_name},
    }


def session_by_docs(chat: Chat, session: Session) -> dict[str, Any]:
    """ONSESSIONSTART/FINISH as the documentation shows it."""
    return {
        "connector": _session_connector(chat, session),
        "session": {
            "id": session.session_id,
            "closed": _flag(session.closed),
            "parent_id": 0,
            "close_term": 60,
        },
        "chat": {"id": chat.chat_id},
        "user": {"id": chat.client_id},
    }


def _session_connector(chat: Chat, session: Session) -> dict[str, Any]:
    return {
        "connector_id": chat.connector_id,
        "line_id": session.line_id,
        "chat_id": chat.chat_id,
        "user_id": chat.client_id,
    }


def user_card(user: User) -> dict[str, Any]:
    """A user as im.user.get shows it."""
    kind = "user" if not user.bot else "bot"
    return {
        "id": user.user_id,
        "active": user.active,
        "name": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "work_position": user.position,
        "color": "#df532d",
        "avatar": user.avatar,
        "avatar_hr": user.avatar,
        "gender": user.gender,
        "birthday": "",
        "extranet": user.is_client,
        "network": False,
        "bot": user.bot,
        "connector": user.is_client,
        "external_auth_id": "imconnector" if user.is_client else "bot" if user.bot else "default",
        "status": "online",
        "idle": False,
        "last_activity_date": False,
        "mobile_last_date": False,
        "desktop_last_date": False,
        "absent": False,
        "departments": [] if user.is_client else [1],
        "phones": False,
        "website": "",
        "email": "",
        "bot_data": None,
        "type": kind,
    }


def dialog_card(chat: Chat) -> dict[str, Any]:
    """A chat as im.dialog.get and imopenlines.dialog.get show it."""
    return {
        "id": chat.chat_id,
        "name": chat.title,
        "owner": chat.owner_id,
        "type": "lines",
        "entity_type": "LINES",
        "entity_id": chat.entity_id,
        "entity_data_1": entity_data_1(chat) if chat.sessions else "",
        "entity_data_2": entity_data_2(chat),
        "entity_data_3": entity_data_3(chat),
        "last_message_id": chat.messages[-1].message_id if chat.messages else 0,
        "message_count": len(chat.messages),
        "user_counter": len(chat.everyone),
        "date_create": iso(chat.created_at),
        "message_type": "L",
        "manager_list": [chat.owner_id] if chat.owner_id else [],
        "dialog_id": chat.dialog_id,
    }


def _flag(value: bool) -> str:
    return "Y" if value else "N"
