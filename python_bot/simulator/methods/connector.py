"""imconnector.*: an application's own messenger connected to open lines."""

from __future__ import annotations

import re
from typing import Any, Final

from ..call import Ctx, Method, RestError, table
from ..model import Connector, Message, Upload, User
from ..php import as_int, as_text, is_yes, upper_keys, values_of
from .general import url_refusal

BUILT_IN: Final = {"livechat": "Онлайн-чат", "telegrambot": "Telegram"}


def register(ctx: Ctx) -> dict[str, Any]:
    """Refusals come with HTTP 200, inside `result`."""
    connector_id = ctx.text("ID").lower()
    icon = upper_keys(ctx.map("ICON"))
    if not connector_id:
        return _refused("CONNECTOR_ID_REQUIRED", "Connector ID is required")
    if "." in connector_id:
        return _refused("APPLICATION_REGISTRATION_ERROR_POINT", "Connector ID can't contain a dot")
    if not re.fullmatch(r"[a-z0-9_]+", connector_id):
        return _refused("GENERAL_CONNECTOR_REGISTRATION_ERROR", "Connector could not be registered")
    if not ctx.text("NAME"):
        return _refused("NAME_REQUIRED", "Connector name is required")
    if not as_text(icon.get("DATA_IMAGE")):
        return _refused("ICON_REQUIRED", "Connector icon is required")
    handler = ctx.text("PLACEMENT_HANDLER")
    if not handler or url_refusal(handler) is not None:
        return _refused("NO_PLACEMENT_HANDLER", "Placement handler is required")
    known = ctx.core.connectors.get(connector_id)
    if connector_id in BUILT_IN or (known is not None and known.owner != ctx.owner):
        return _refused("GENERAL_CONNECTOR_REGISTRATION_ERROR", "Connector could not be registered")
    connector = known or Connector(connector_id, "", ctx.owner, "")
    connector.name, connector.handler = ctx.text("NAME"), handler
    connector.need_signature = is_yes(ctx.params.get("NEED_SIGNATURE", "Y"))
    ctx.core.connectors[connector_id] = connector
    return {"result": True}


def unregister(ctx: Ctx) -> dict[str, Any]:
    connector = ctx.core.connectors.get(ctx.text("ID").lower())
    if connector is None or connector.owner != ctx.owner:
        return _refused("CONNECTOR_ID_REQUIRED", "Connector ID is required")
    del ctx.core.connectors[connector.connector_id]
    return {"result": True}


def activate(ctx: Ctx) -> bool:
    connector, line_id = _connector(ctx), _line_id(ctx)
    if is_yes(ctx.params.get("ACTIVE")):
        connector.active_lines.add(line_id)
    else:
        connector.active_lines.discard(line_id)
    return True


def data_set(ctx: Ctx) -> bool:
    connector, line_id = _connector(ctx), _line_id(ctx)
    connector.data[line_id] = upper_keys(ctx.map("DATA"))
    return True


def status(ctx: Ctx) -> dict[str, Any]:
    connector, line_id = _connector(ctx), _line_id(ctx)
    active = line_id in connector.active_lines
    return {
        "LINE": line_id,
        "CONNECTOR": connector.connector_id,
        "ERROR": False,
        "CONFIGURED": active,
        "STATUS": active,
    }


def listing(ctx: Ctx) -> dict[str, str]:
    if not ctx.is_admin():
        raise RestError(403, "ACCESS_DENIED", "Access denied!")
    own = {connector.connector_id: connector.name for connector in ctx.core.connectors.values()}
    return BUILT_IN | own


def send_messages(ctx: Ctx) -> dict[str, Any]:
    connector, line_id = _connector(ctx), _line_id(ctx)
    items = _messages(ctx)
    if line_id not in connector.active_lines:
        raise RestError(400, "NOT_ACTIVE_LINE", "Line is not active for this connector")
    return {"SUCCESS": True, "DATA": {"RESULT": [_receive(ctx, connector, line_id, item) for item in items]}}


def update_messages(ctx: Ctx) -> dict[str, Any]:
    connector, _ = _connector(ctx), _line_id(ctx)
    for item in _messages(ctx):
        for message in _by_external_id(ctx, connector, item):
            text = as_text(_map(item.get("message")).get("text"))
            ctx.core.open_lines.edit_message(message, text, message.author_id)
    return {"SUCCESS": True, "DATA": []}


def delete_messages(ctx: Ctx) -> dict[str, Any]:
    connector, _ = _connector(ctx), _line_id(ctx)
    for item in _messages(ctx):
        for message in _by_external_id(ctx, connector, item):
            ctx.core.open_lines.delete_message(message, message.author_id)
    return {"SUCCESS": True, "DATA": []}


def status_delivery(ctx: Ctx) -> dict[str, Any]:
    """Takes effect only when `message.id` is an array. The message then tells the messenger's numbers as its own."""
    _connector(ctx), _line_id(ctx)
    for item in _messages(ctx):
        message = ctx.core.messages.get(as_int(_map(item.get("im")).get("message_id")))
        external = _map(item.get("message")).get("id")
        if message is not None and isinstance(external, list):
            message.delivered_as = [as_text(value) for value in external]
            message.params["CONNECTOR_MID"] = list(message.delivered_as)
    return {"SUCCESS": True, "DATA": []}


def status_reading(ctx: Ctx) -> dict[str, Any]:
    _connector(ctx), _line_id(ctx)
    for item in _messages(ctx):
        message = ctx.core.messages.get(as_int(_map(item.get("im")).get("message_id")))
        if message is not None:
            message.is_read = True
    return {"SUCCESS": True, "DATA": []}


# one incoming message


def _receive(ctx: Ctx, connector: Connector, line_id: int, item: dict[str, Any]) -> dict[str, Any]:
    line = ctx.core.lines.get(line_id)
    sender, message, chat = (_map(item.get(name)) for name in ("user", "message", "chat"))
    files = [_map(file) for file in values_of(message.get("files"))]
    if line is None or not line.active:
        return {"SUCCESS": False, "ERRORS": ["Line is not active"]}
    if not as_text(sender.get("id")) or not as_text(chat.get("id")):
        return {"SUCCESS": False, "ERRORS": ["User or chat is not specified"]}
    fetched = ctx.core.attachments
    uploads = [
        Upload(as_text(file.get("name")) or "file", fetched[as_text(file.get("url"))])
        for file in files
        if as_text(file.get("url")) in fetched
    ]
    if not as_text(message.get("text")) and not uploads:
        return {"SUCCESS": False, "ERRORS": ["Message is empty"]}
    user = _person(ctx, connector, sender)
    stored = ctx.core.open_lines.client_writes(
        user,
        line_id,
        as_text(chat["id"]),
        as_text(message.get("text")),
        uploads,
        as_text(message.get("id")),
        date=float(as_int(message["date"])) if message.get("date") else None,
        author_id=as_int(message["user_id"]) if "user_id" in message else None,
    )
    return {
        "user": str(user.user_id),
        "message": {"id": as_text(message.get("id")), "date": {}, "text": stored.text, "files": []},
        "chat": {"id": as_text(chat["id"]), "name": as_text(chat.get("name")), "description": ""},
        "extra": [],
        "SUCCESS": True,
        "session": {"ID": str(stored.session_id), "CHAT_ID": str(stored.chat_id)},
    }


def _person(ctx: Ctx, connector: Connector, sender: dict[str, Any]) -> User:
    """The connector user behind an external id; the same id is the same person."""
    name = " ".join(filter(None, (as_text(sender.get("name")), as_text(sender.get("last_name")))))
    gender = "F" if as_text(sender.get("gender")) == "female" else "M"
    user = ctx.core.connector_user(connector.connector_id, as_text(sender["id"]), name, gender)
    picture = _map(sender.get("picture"))
    user.avatar = as_text(picture.get("url")) or user.avatar
    return user


def _by_external_id(ctx: Ctx, connector: Connector, item: dict[str, Any]) -> list[Message]:
    wanted = {as_text(value) for value in values_of(_map(item.get("message")).get("id"))}
    return [
        message
        for chat in ctx.core.chats.values()
        if chat.connector_id == connector.connector_id
        for message in chat.messages
        if wanted & set(message.params.get("CONNECTOR_MID", []))
    ]


# the envelope


def _connector(ctx: Ctx) -> Connector:
    connector_id = ctx.text("CONNECTOR").lower()
    if not connector_id:
        raise _missing("CONNECTOR")
    connector = ctx.core.connectors.get(connector_id)
    if connector is None or connector.owner != ctx.owner:
        raise RestError(400, "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR", "The connector is not available")
    return connector


def _line_id(ctx: Ctx) -> int:
    if not ctx.int("LINE"):
        raise _missing("LINE")
    return ctx.int("LINE")


def _messages(ctx: Ctx) -> list[dict[str, Any]]:
    items = values_of(ctx.params.get("MESSAGES"))
    if not items:
        raise _missing("MESSAGES")
    return [_lower(item) for item in items if isinstance(item, dict)]


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).lower(): _lower(inner) for key, inner in value.items()}
    return [_lower(inner) for inner in value] if isinstance(value, list) else value


def _missing(name: str) -> RestError:
    return RestError(400, "ERROR_ARGUMENT", f"Argument '{name}' is null or empty", {"argument": name})


def _refused(code: str, text: str) -> dict[str, Any]:
    return {"result": False, "error": code, "error_description": text}


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _method(name: str, run: Any) -> Method:
    return Method(f"imconnector.{name}", run, scope="imopenlines", app_only="WRONG_AUTH_TYPE")


METHODS: Final = table(
    _method("register", register),
    _method("unregister", unregister),
    _method("activate", activate),
    _method("connector.data.set", data_set),
    _method("status", status),
    _method("list", listing),
    _method("send.messages", send_messages),
    _method("update.messages", update_messages),
    _method("delete.messages", delete_messages),
    _method("send.status.delivery", status_delivery),
    _method("send.status.reading", status_reading),
)
