"""Bodies of the events, key for key as the queue sends them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import wire
from .apps import App
from .events_v2 import EventsV2
from .model import Bot, Chat, Message, PrivateChat, Session, User
from .queue import Event
from .tokens import ACCESS_S

if TYPE_CHECKING:
    from .core import Core

MENTION = re.compile(r"\[USER=(\d+)(?: REPLACE)?\].*?\[/USER\](?:,\s*)?", re.IGNORECASE | re.DOTALL)

BOT_EVENTS = (
    "ONIMBOTMESSAGEADD",
    "ONIMBOTMESSAGEUPDATE",
    "ONIMBOTMESSAGEDELETE",
    "ONIMBOTJOINCHAT",
    "ONIMBOTDELETE",
    "ONIMBOTCONTEXTGET",
)
LINE_EVENTS = (
    "ONOPENLINEMESSAGEADD",
    "ONOPENLINEMESSAGEUPDATE",
    "ONOPENLINEMESSAGEDELETE",
    "ONSESSIONSTART",
    "ONSESSIONFINISH",
)
CONNECTOR_EVENTS = (
    "ONIMCONNECTORMESSAGEADD",
    "ONIMCONNECTORMESSAGEUPDATE",
    "ONIMCONNECTORMESSAGEDELETE",
    "ONIMCONNECTORDIALOGSTART",
    "ONIMCONNECTORDIALOGFINISH",
    "ONIMCONNECTORSTATUSDELETE",
    "ONIMCONNECTORLINEDELETE",
)
APP_EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPTEST", "ONAPPPAYMENT", "ONAPPMETHODCONFIRM")
EVENTS_OF_SCOPE = {"": APP_EVENTS, "imbot": BOT_EVENTS, "imopenlines": LINE_EVENTS + CONNECTOR_EVENTS}


class Events:
    """Says what happened; every method queues the POSTs that follow from it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.v2 = EventsV2(core)

    # the life of an application

    def app_installed(self, app: App) -> None:
        data = {"VERSION": app.version, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "ru"}
        self._to_handlers("ONAPPINSTALL", data, app.user_id, refresh=True, only=app)

    def app_updated(self, app: App, previous: int) -> None:
        data = {"VERSION": app.version, "PREVIOUS_VERSION": previous, "LANGUAGE_ID": "ru"}
        self._to_handlers("ONAPPUPDATE", data, app.user_id, refresh=True, only=app)

    def app_uninstalled(self, app: App, clean: bool) -> None:
        self._to_handlers("ONAPPUNINSTALL", {"LANGUAGE_ID": "ru", "CLEAN": int(clean)}, None, only=app)

    def app_test(self, app: App, user_id: int, query: dict[str, Any]) -> None:
        data = {"QUERY": query, "LANGUAGE_ID": "ru"}
        self._to_handlers("ONAPPTEST", data, user_id, refresh=True, only=app)

    # bots

    def bot_joined(self, chat: Chat, bot: Bot) -> None:
        params = {
            "CHAT_TYPE": "L",
            "MESSAGE_TYPE": "L",
            "BOT_ID": bot.bot_id,
            "USER_ID": 0,
            "CHAT_ID": chat.chat_id,
            "CHAT_AUTHOR_ID": chat.owner_id,
            "CHAT_ENTITY_TYPE": "LINES",
            "CHAT_ENTITY_ID": chat.entity_id,
            "ACCESS_HISTORY": 1,
            "DIALOG_ID": chat.dialog_id,
            "LANGUAGE": "ru",
        }
        self._to_bots("ONIMBOTJOINCHAT", chat, [bot], params, None, None)
        self.v2.joined(chat, bot)

    def message_added(self, chat: Chat, message: Message) -> None:
        """To member bots, unless a bot wrote it; to line and connector subscribers."""
        author = self._core.users.get(message.author_id)
        if author is None or not author.bot:
            params = self._add_params(chat, message)
            bots = self._bots_in(chat)
            self._to_bots("ONIMBOTMESSAGEADD", chat, bots, params, author, message, refresh=True)
            self.v2.message("ONIMBOTV2MESSAGEADD", chat, message, author)
        if author is not None and author.is_client:
            self._line_incoming(chat, message)
        elif message.to_client:
            self._line_outgoing(chat, message, author)

    def private_began(self, chat: PrivateChat) -> None:
        bot = self._core.bots[chat.bot_id]
        params = {**_private(chat), "BOT_ID": chat.bot_id, "USER_ID": chat.user_id, "ACCESS_HISTORY": 1}
        if bot.api == "v1":
            self._to_bots("ONIMBOTJOINCHAT", None, [bot], params, self._core.users[chat.user_id], None)

    def private_message(self, chat: PrivateChat, text: str) -> None:
        """An employee writes to the bot. There is no MESSAGE_ORIGINAL in private chats."""
        bot, author = self._core.bots[chat.bot_id], self._core.users[chat.user_id]
        message_id = self._core.next_id("message")
        if bot.api == "v2":
            self.v2.private_message(bot, author, chat.chat_id, message_id, text)
            return
        params = {
            **_private(chat),
            "MESSAGE": text,
            "FROM_USER_ID": chat.user_id,
            "AUTHOR_ID": chat.user_id,
            "TO_USER_ID": chat.bot_id,
            "MESSAGE_ID": message_id,
            "SYSTEM": "N",
        }
        self._to_bots("ONIMBOTMESSAGEADD", None, [bot], params, author, None, refresh=True)

    def message_edited(self, chat: Chat, message: Message, by_user_id: int) -> None:
        params = self._change_params(chat, message)
        params["PARAMS"] = {**message.params, "IS_EDITED": "Y"}
        params |= {
            "CHAT_USER_COUNT": len(chat.everyone),
            "PLATFORM_CONTEXT": "web",
            "MESSAGE_ORIGINAL": message.text,
            "TO_USER_ID": 0,
            "CHAT_ENTITY_DATA_2": wire.entity_data_2(chat),
            "CHAT_ENTITY_DATA_3": wire.entity_data_3(chat),
        }
        self._changed("ONIMBOTMESSAGEUPDATE", "ONOPENLINEMESSAGEUPDATE", chat, message, by_user_id, params)

    def message_deleted(self, chat: Chat, message: Message, by_user_id: int) -> None:
        params = self._change_params(chat, message)
        params["PARAMS"] = {**message.params, "IS_DELETED": "Y"}
        self._changed("ONIMBOTMESSAGEDELETE", "ONOPENLINEMESSAGEDELETE", chat, message, by_user_id, params)

    def bot_deleted(self, bot: Bot, by_user_id: int) -> None:
        data = {"BOT_ID": bot.bot_id, "BOT_CODE": bot.code}
        if bot.api == "v1":
            self._to_handlers("ONIMBOTDELETE", data, by_user_id, only=self._core.apps[bot.owner])
        else:
            self.v2.deleted(bot)

    # open lines

    def session_event(self, event: str, chat: Chat, session: Session) -> None:
        """ONSESSIONSTART or ONSESSIONFINISH: an agent does it, so nobody's tokens are in it."""
        name = event.removeprefix("ONSESSION")
        documented = wire.session_by_docs(chat, session)
        line = self._core.lines.get(session.line_id)
        by_code = wire.session_by_code(chat, session, line.name if line else "")
        data = by_code if self._core.build.session_event_shape == "code" else [documented]
        self._to_handlers(event, {"DATA": data}, None, chat=chat)
        connector = self._core.connectors.get(chat.connector_id)
        if connector is not None and connector.owner in self._core.apps:
            body = {"CONNECTOR": chat.connector_id, "LINE": session.line_id, "DATA": [documented]}
            owner = self._core.apps[connector.owner]
            self._to_handlers(f"ONIMCONNECTORDIALOG{name}", body, None, only=owner, chat=chat)

    def connector_disconnected(self, connector_id: str, line_id: int, user_id: int) -> None:
        data = {"connector": connector_id, "line": line_id}
        owner = self._core.apps.get(self._core.connectors[connector_id].owner)
        self._to_handlers("ONIMCONNECTORSTATUSDELETE", data, user_id, only=owner)

    def line_deleted(self, line_id: int, user_id: int) -> None:
        self._to_handlers("ONIMCONNECTORLINEDELETE", line_id, user_id)

    # payloads

    def _add_params(self, chat: Chat, message: Message) -> dict[str, Any]:
        text = message.text
        mentioned = {int(user): int(user) for user in re.findall(r"\[USER=(\d+)", text, re.IGNORECASE)}
        return {
            "MESSAGE": MENTION.sub("", text).strip(),
            "TEMPLATE_ID": "",
            "MESSAGE_TYPE": "L",
            "FROM_USER_ID": message.author_id,
            "DIALOG_ID": chat.dialog_id,
            "TO_CHAT_ID": chat.chat_id,
            "PARAMS": dict(message.params),
            "MENTIONED_LIST": mentioned,
            "AUTHOR_ID": message.author_id,
            "SYSTEM": _flag(message.system),
            "FILES": {file.file_id: wire.file_block(self._core, file) for file in message.files},
            "CHAT_ID": chat.chat_id,
            "CHAT_TITLE": chat.title,
            "CHAT_AUTHOR_ID": chat.owner_id,
            "CHAT_TYPE": "L",
            "CHAT_AVATAR": 0,
            "CHAT_COLOR": "#58cc47",
            "CHAT_ENTITY_TYPE": "LINES",
            "CHAT_ENTITY_ID": chat.entity_id,
            "CHAT_ENTITY_DATA_1": wire.entity_data_1(chat),
            "CHAT_ENTITY_DATA_2": wire.entity_data_2(chat),
            "CHAT_ENTITY_DATA_3": wire.entity_data_3(chat),
            "CHAT_EXTRANET": "N",
            "CHAT_PREV_MESSAGE_ID": message.previous_id,
            "CHAT_CAN_POST": "MEMBER",
            "RID": message.author_id or 1,
            "IS_MANAGER": "N",
            "SILENT_CONNECTOR": _flag(message.whisper),
            "SKIP_CONNECTOR": _flag(not message.to_client),
            "SKIP_COMMAND": "N",
            "COMMAND_CONTEXT": "TEXTAREA",
            "CHAT_USER_COUNT": len(chat.everyone),
            "PLATFORM_CONTEXT": "web",
            "MESSAGE_ORIGINAL": text,
            "TO_USER_ID": 0,
            "MESSAGE_ID": message.message_id,
            "LANGUAGE": "ru",
        }

    def _change_params(self, chat: Chat, message: Message) -> dict[str, Any]:
        return {
            "ID": message.message_id,
            "CHAT_ID": chat.chat_id,
            "AUTHOR_ID": message.author_id,
            "MESSAGE": MENTION.sub("", message.wire_text).strip(),
            "MESSAGE_TYPE": "L",
            "CHAT_AUTHOR_ID": chat.owner_id,
            "CHAT_ENTITY_ID": chat.entity_id,
            "CHAT_ENTITY_TYPE": "LINES",
            "CHAT_ENTITY_DATA_1": wire.entity_data_1(chat),
            "DIALOG_ID": chat.dialog_id,
            "MESSAGE_ID": message.message_id,
            "CHAT_TYPE": "L",
            "LANGUAGE": "ru",
        }

    def _changed(
        self, bot_event: str, line_event: str, chat: Chat, message: Message, by: int, params: dict[str, Any]
    ) -> None:
        actor = self._core.users.get(by)
        bots = self._bots_in(chat)
        self._to_bots(bot_event, chat, bots, params, actor, message, refresh=True, user_block=False)
        self.v2.message(bot_event.replace("ONIMBOT", "ONIMBOTV2"), chat, message, actor)
        if message.system or message.whisper:
            return
        change = {"im": {"chat_id": chat.chat_id, "message_id": message.message_id}}
        details: dict[str, Any] = {"message": {"id": message.delivered_as}, "chat": {"id": chat.external_chat_id}}
        deleted = bot_event.endswith("DELETE")
        if not deleted:
            details["message"]["text"] = message.text
        data = {"CONNECTOR": chat.connector_id, "LINE": chat.session.line_id}
        payload = [change | details] if deleted else change | details
        self._to_handlers(line_event, data | {"DATA": payload}, by or None, chat=chat, message=message)
        if actor is not None and not actor.is_client:
            ours = {"im": change["im"], "message": dict(details["message"]), "chat": details["chat"]}
            if deleted:
                ours["message"]["id"] = next(iter(message.delivered_as), "")
            self._to_connector("ONIMCONNECTOR" + line_event.removeprefix("ONOPENLINE"), chat, message, ours, by)

    def _line_incoming(self, chat: Chat, message: Message) -> None:
        body = {
            "connector": {
                "connector_id": chat.connector_id,
                "line_id": chat.session.line_id,
                "chat_id": chat.external_chat_id,
                "user_id": chat.client_id,
            },
            "chat": {"id": chat.external_chat_id},
            "message": {
                "id": next(iter(message.params.get("CONNECTOR_MID", [])), message.message_id),
                "date": int(message.date),
                "text": message.text,
                "files": [file.file_id for file in message.files],
                "user_id": message.author_id,
            },
            "ref": [],
            "extra": [],
        }
        self._to_handlers("ONOPENLINEMESSAGEADD", {"DATA": body}, None, chat=chat, message=message)

    def _line_outgoing(self, chat: Chat, message: Message, author: User | None) -> None:
        if chat.connector_id == "livechat" and (author is None or not author.bot):
            return
        body = {
            "connector": {
                "connector_id": chat.connector_id,
                "line_id": chat.session.line_id,
                "user_id": chat.client_id,
                "chat_id": chat.external_chat_id,
            },
            "message": {
                "id": message.message_id,
                "chat_id": chat.chat_id,
                "user_id": message.author_id,
                "text": MENTION.sub("", message.text).strip(),
                "files": [wire.connector_file(self._core, file) for file in message.files],
                "attachments": [],
                "params": dict(message.params),
                "system": "N",
            },
            "no_session": "N",
        }
        data = {"CONNECTOR": chat.connector_id, "LINE": chat.session.line_id, "DATA": body}
        by = message.author_id or None
        if not message.system:
            self._to_handlers("ONOPENLINEMESSAGEADD", data, by, chat=chat, message=message)
        if chat.connector_id in self._core.connectors:
            item = wire.connector_message(self._core, chat, message)
            self._to_connector("ONIMCONNECTORMESSAGEADD", chat, message, item, by)

    def _to_connector(self, event: str, chat: Chat, message: Message, item: dict[str, Any], by: int | None) -> None:
        connector = self._core.connectors.get(chat.connector_id)
        if connector is None:
            return
        data = {"CONNECTOR": chat.connector_id, "LINE": chat.session.line_id, "MESSAGES": [item]}
        owner = self._core.apps.get(connector.owner)
        self._to_handlers(event, data, by, only=owner, chat=chat, message=message)

    # envelopes

    def _bots_in(self, chat: Chat) -> list[Bot]:
        bots = (self._core.bots.get(bot_id) for bot_id in sorted(chat.bots))
        return [bot for bot in bots if bot is not None and bot.api == "v1"]

    def _to_bots(
        self,
        event: str,
        chat: Chat | None,
        bots: list[Bot],
        params: dict[str, Any],
        actor: User | None,
        message: Message | None,
        refresh: bool = False,
        user_block: bool = True,
    ) -> None:
        for owner in dict.fromkeys(bot.owner for bot in bots):
            app = self._core.apps[owner]
            ours = {bot.bot_id: self._bot_block(app, bot) for bot in bots if bot.owner == owner}
            data: dict[str, Any] = {"BOT": ours, "PARAMS": params}
            if user_block and actor is not None:
                data["USER"] = wire.user_block(actor)
            by = actor.user_id if actor is not None else None
            self._to_handlers(event, data, by, refresh=refresh, only=app, chat=chat, message=message)

    def _to_handlers(
        self,
        event: str,
        data: Any,
        by_user_id: int | None,
        *,
        refresh: bool = False,
        only: App | None = None,
        chat: Chat | None = None,
        message: Message | None = None,
    ) -> None:
        core = self._core
        for handler in core.handlers:
            app = core.apps.get(handler.owner)
            if handler.event != event or app is None or not app.installed or app.deleted:
                continue
            if only is not None and app is not only:
                continue
            body = {"event": event, "event_handler_id": handler.handler_id, "data": data}
            body["ts"] = int(core.clock.now())
            body["auth"] = self._auth_block(app, handler.auth_type or by_user_id, refresh)
            chat_id = chat.chat_id if chat else 0
            core.emit(Event(event, handler.url, body, chat_id, message.message_id if message else 0))

    def _bot_block(self, app: App, bot: Bot) -> dict[str, Any]:
        if app.webhook:
            tokens = {"domain": self._core.host, "member_id": self._core.member_id}
        else:
            tokens = self._tokens(app, bot.bot_id, refresh=True)
        tokens |= {"client_id": app.client_id, "application_token": app.application_token}
        return {**tokens, "AUTH": tokens, "BOT_ID": bot.bot_id, "BOT_CODE": bot.code}

    def _auth_block(self, app: App, user_id: int | None, refresh: bool) -> dict[str, Any]:
        core = self._core
        if user_id and not app.webhook:
            return {**self._tokens(app, user_id, refresh), "application_token": app.application_token}
        return {
            "domain": core.host,
            "client_endpoint": core.rest_url,
            "server_endpoint": f"{core.oauth_url}/rest/",
            "member_id": core.member_id,
            "application_token": app.application_token,
        }

    def _tokens(self, app: App, user_id: int, refresh: bool) -> dict[str, Any]:
        core = self._core
        tokens = core.tokens.issue(app.client_id, user_id)
        block: dict[str, Any] = {
            "access_token": tokens.access_token,
            "expires": tokens.expires,
            "expires_in": ACCESS_S,
            "scope": ",".join(app.scopes),
            "domain": core.host,
            "server_endpoint": f"{core.oauth_url}/rest/",
            "status": "L",
            "client_endpoint": core.rest_url,
            "member_id": core.member_id,
            "user_id": user_id,
        }
        if refresh:
            block["refresh_token"] = tokens.refresh_token
        return block


def _flag(value: bool) -> str:
    return "Y" if value else "N"


def _private(chat: PrivateChat) -> dict[str, Any]:
    """What says that a chat is private; to the bot its dialog is the employee."""
    return {
        "CHAT_TYPE": "P",
        "MESSAGE_TYPE": "P",
        "CHAT_ID": chat.chat_id,
        "DIALOG_ID": chat.user_id,
        "LANGUAGE": "ru",
    }
