"""Events of imbot.v2: a log that bots fetch, or one POST per bot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .clock import iso
from .model import Bot, Chat, Message, User
from .queue import Event
from .tokens import ACCESS_S

if TYPE_CHECKING:
    from .core import Core

LOG_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Logged:
    event_id: int
    kind: str
    at: float
    data: dict[str, Any]


class EventsV2:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._log: dict[int, list[Logged]] = {}
        self._handler_ids: dict[int, int] = {}

    def joined(self, chat: Chat, bot: Bot) -> None:
        if bot.api == "v2":
            data = {"chat": chat_v2(chat), "dialogId": chat.dialog_id, "language": "ru"}
            self._tell(bot, "ONIMBOTV2JOINCHAT", data, chat)

    def message(self, kind: str, chat: Chat, message: Message, actor: User | None) -> None:
        for bot_id in sorted(chat.bots):
            bot = self._core.bots.get(bot_id)
            if bot is None or bot.api != "v2":
                continue
            data: dict[str, Any] = {"message": message_v2(chat, message), "chat": chat_v2(chat)}
            data |= {"user": user_v2(actor) if actor else None, "language": "ru"}
            self._tell(bot, kind, data, chat, message)

    def private_message(self, bot: Bot, author: User, chat_id: int, message_id: int, text: str) -> None:
        message = {
            "id": message_id,
            "chatId": chat_id,
            "authorId": author.user_id,
            "date": iso(self._core.clock.now()),
            "text": text,
            "isSystem": False,
        }
        chat = {"id": chat_id, "dialogId": str(author.user_id), "type": "private", "name": author.name}
        data = {"message": message, "chat": chat, "user": user_v2(author), "language": "ru"}
        self._tell(bot, "ONIMBOTV2MESSAGEADD", data, None)

    def deleted(self, bot: Bot) -> None:
        self._tell(bot, "ONIMBOTV2DELETE", {}, None)

    def fetch(self, bot: Bot, offset: int, limit: int) -> tuple[list[Logged], bool]:
        """Events from `offset` on; everything below it is confirmed and gone. True: there is more."""
        oldest = self._core.clock.now() - LOG_S
        kept = [row for row in self._log.get(bot.bot_id, []) if row.event_id >= offset and row.at > oldest]
        self._log[bot.bot_id] = kept
        return kept[:limit], len(kept) > limit

    def forget(self, bot: Bot) -> None:
        self._log.pop(bot.bot_id, None)

    def _tell(
        self, bot: Bot, kind: str, data: dict[str, Any], chat: Chat | None, message: Message | None = None
    ) -> None:
        core = self._core
        app = core.apps[bot.owner]
        if bot.event_mode == "fetch":
            row = Logged(core.next_id("event"), kind, core.clock.now(), {"bot": bot_v2(bot), **data})
            self._log.setdefault(bot.bot_id, []).append(row)
            return
        if not bot.webhook_url or not app.installed or app.deleted:
            return
        tokens = core.tokens.issue(app.client_id, bot.bot_id)
        endpoints = {
            "domain": core.host,
            "client_endpoint": core.rest_url,
            "server_endpoint": f"{core.oauth_url}/rest/",
            "member_id": core.member_id,
        }
        own: dict[str, Any] = {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires": tokens.expires,
            "expires_in": ACCESS_S,
            "scope": ",".join(app.scopes),
            **endpoints,
            "status": "L",
            "user_id": bot.bot_id,
            "client_id": app.client_id,
            "application_token": app.application_token,
        }
        if bot.bot_id not in self._handler_ids:
            self._handler_ids[bot.bot_id] = core.next_id("handler")
        body = {
            "event": kind,
            "event_handler_id": self._handler_ids[bot.bot_id],
            "data": {"bot": {"id": bot.bot_id, "code": bot.code, "auth": own}, **data},
            "ts": int(core.clock.now()),
            "auth": {**endpoints, "application_token": app.application_token},
        }
        chat_id, message_id = (chat.chat_id if chat else 0), (message.message_id if message else 0)
        core.emit(Event(kind, bot.webhook_url, body, chat_id, message_id))


def bot_v2(bot: Bot) -> dict[str, Any]:
    kinds = {"O": "openline", "S": "supervisor", "B": "bot", "P": "personal"}
    return {
        "id": bot.bot_id,
        "code": bot.code,
        "type": kinds.get(bot.kind, "bot"),
        "eventMode": bot.event_mode,
        "isHidden": False,
        "isSupportOpenline": bot.openline,
        "isReactionsEnabled": True,
    }


def message_v2(chat: Chat, message: Message) -> dict[str, Any]:
    return {
        "id": message.message_id,
        "chatId": chat.chat_id,
        "authorId": message.author_id,
        "date": iso(message.date),
        "text": message.wire_text,
        "isSystem": message.system,
        "uuid": "",
        "forward": None,
        "params": dict(message.params),
    }


def chat_v2(chat: Chat) -> dict[str, Any]:
    return {
        "id": chat.chat_id,
        "dialogId": chat.dialog_id,
        "type": "lines",
        "name": chat.title,
        "entityType": "LINES",
        "entityId": chat.entity_id,
        "owner": chat.owner_id,
        "avatar": "",
        "color": "#58cc47",
    }


def user_v2(user: User) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "name": user.name,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "workPosition": user.position,
        "gender": user.gender,
        "bot": user.bot,
        "connector": user.is_client,
        "extranet": user.is_client,
        "type": "bot" if user.bot else "user",
    }
