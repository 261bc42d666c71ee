"""The requests that Avito answers: one function each, and the table of paths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from ..http import HttpRequest
from ..multipart import BrokenForm, read_form
from ..pictures import picture_of
from .core import Core
from .errors import NoRoute, Refused, invalid
from .model import Chat, Message, Shop, Subscription

MAX_TEXT = 1000
MAX_IMAGE = 24 << 20
MAX_PIXELS = 75_000_000
DELETE_WINDOW_S = 3600
IMAGE_TYPES = ("image/jpeg", "image/heic", "image/gif", "image/bmp", "image/png")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose token is good. `names`: what the path names, by its place in the pattern."""

    core: Core
    shop: Shop
    request: HttpRequest
    names: tuple[str, ...]

    @property
    def query(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.request.query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.query.get(name, [str(default)])[-1]
        if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
            raise invalid(name, f"must be an integer between {least} and {most}")
        return int(value)

    def words(self, name: str) -> list[str]:
        """Divided by commas, or the name again and again."""
        return [word for value in self.query.get(name, []) for word in value.split(",") if word]

    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.request.body.decode())
        except ValueError:
            raise Refused(400, "Bad request") from None
        if not isinstance(found, dict):
            raise Refused(400, "Bad request")
        return found

    @property
    def account(self) -> Shop:
        """The account of the path, which has to be that of the token, pay for the messenger, and have the right."""
        if self.names[0] != str(self.shop.user_id):
            raise Refused(403)
        self.need_messenger()
        return self.shop

    def need_messenger(self) -> None:
        if not self.shop.paid:
            raise Refused(402, "Payment required: a subscription with access to the messenger is needed")
        if not self.shop.may_read:
            raise Refused(403)

    @property
    def chat(self) -> Chat:
        chat = self.account.chats.get(self.names[1])
        if chat is None:
            raise Refused(404)
        return chat


# accounts and adverts


def profile(asked: Asked) -> Any:
    return asked.shop.profile()


def items(asked: Asked) -> Any:
    per_page, page = asked.integer("per_page", 25, 1, 99), asked.integer("page", 1, 1, 10000)
    found = [
        {
            "id": item.id,
            "title": item.title,
            "price": int("".join(char for char in item.price_string if char.isdigit()) or 0),
            "status": "active" if item.status_id == 10 else "removed",
            "url": item.url,
            "address": "Москва",
            "category": {"id": 1, "name": "Товары"},
        }
        for item in asked.shop.items.values()
    ]
    start = (page - 1) * per_page
    return {"meta": {"page": page, "per_page": per_page}, "resources": found[start : start + per_page]}


def orders(asked: Asked) -> Any:
    if not asked.shop.may_order:
        raise Refused(403)
    return {"orders": [], "hasMore": False}


# chats


def chats(asked: Asked) -> Any:
    kinds = asked.words("chat_types") or ["u2i"]
    if any(kind not in ("u2i", "u2u", "a2u") for kind in kinds):
        raise invalid("chat_types", "must be one of u2i, u2u, a2u")
    limit, offset = asked.integer("limit", 100, 1, 100), asked.integer("offset", 0, 0, 1000)
    item_ids = asked.words("item_ids")
    unread = asked.query.get("unread_only", ["false"])[-1]
    if unread not in ("true", "false"):
        raise invalid("unread_only", "must be a boolean")
    found = [
        chat
        for chat in asked.account.chats.values()
        if chat.kind in kinds
        and (not item_ids or (chat.item is not None and str(chat.item.id) in item_ids))
        and (unread == "false" or chat.unread)
    ]
    found.sort(key=lambda chat: chat.updated, reverse=True)
    return {"chats": [chat.wire() for chat in found[offset : offset + limit]]}


def chat(asked: Asked) -> Any:
    return asked.chat.wire()


def messages(asked: Asked) -> Any:
    limit, offset = asked.integer("limit", 100, 1, 100), asked.integer("offset", 0, 0, 1000)
    newest_first = list(reversed(asked.chat.messages))
    found = [message.rest() for message in newest_first[offset : offset + limit]]
    if asked.core.build.bare_messages:
        return found
    return {"messages": found, "meta": {"has_more": offset + limit < len(newest_first)}}


def read(asked: Asked) -> Any:
    for message in asked.chat.unread:
        message.is_read = True
    return {"ok": True}


# sending


def send(asked: Asked) -> Any:
    chat, body = asked.chat, asked.json()
    if body.get("type") != "text":
        raise invalid("type", "must be text")
    message = body.get("message")
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise invalid("message.text", "must not be empty")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_TEXT:
        raise invalid("message.text", "too long")
    return _posted(asked, chat, "text", {"text": text}).sent()


def send_image(asked: Asked) -> Any:
    chat, image_id = asked.chat, asked.json().get("image_id")
    picture = asked.core.pictures.get(image_id) if isinstance(image_id, str) else None
    if picture is None:
        raise invalid("image_id", "image not found")
    return _posted(asked, chat, "image", {"image": {"sizes": asked.core.sizes_of(picture)}}).sent()


def _posted(asked: Asked, chat: Chat, kind: str, content: dict[str, Any]) -> Message:
    if chat.kind == "a2u":
        raise Refused(400, "wrong chat type")
    if chat.buyer is not None and chat.buyer.user_id in asked.shop.blacklist:
        raise Refused(403)
    return asked.core.post(chat, asked.shop.user_id, kind, content, by_api=True)


def upload(asked: Asked) -> Any:
    _ = asked.account
    if asked.request.headers.get_content_type() != "multipart/form-data":
        raise invalid("uploadfile[]", "must be a file")
    try:
        parts = [
            field.file for field in read_form(asked.request.headers, asked.request.body) if field.name == "uploadfile[]"
        ]
    except BrokenForm as error:
        raise Refused(400, str(error)) from None
    if len(parts) != 1 or parts[0] is None:
        raise invalid("uploadfile[]", "must be one file")
    content = parts[0].content
    picture = picture_of(content)
    if picture is None or picture.type not in IMAGE_TYPES:
        raise invalid("uploadfile[]", "unsupported format of the image")
    if len(content) > MAX_IMAGE or picture.width * picture.height > MAX_PIXELS:
        raise invalid("uploadfile[]", "too big")
    stored = asked.core.store_picture(content, picture.type, picture.width, picture.height)
    return {stored.id: asked.core.sizes_of(stored)}


def delete(asked: Asked) -> Any:
    message = next((message for message in asked.chat.messages if message.id == asked.names[2]), None)
    if message is None:
        raise Refused(404)
    if not message.is_out:
        raise Refused(403)
    if asked.core.now() - message.created > DELETE_WINDOW_S:
        raise invalid("message_id", "the message is too old to be deleted")
    if message.type != "deleted":
        asked.core.delete(message)
    return {}


def voices(asked: Asked) -> Any:
    shop, wanted = asked.account, asked.words("voice_ids")
    if not wanted:
        raise invalid("voice_ids", "is required")
    found = [asked.core.voices[voice_id] for voice_id in wanted if voice_id in asked.core.voices]
    return {"voices_urls": {voice.id: asked.core.voice_url(voice) for voice in found if voice.shop_id == shop.user_id}}


def blacklist(asked: Asked) -> Any:
    shop, users = asked.account, asked.json().get("users")
    if not isinstance(users, list):
        raise invalid("users", "must be an array")
    for user in users:
        if not isinstance(user, dict) or not isinstance(user.get("user_id"), int):
            raise invalid("users", "user_id is required")
        shop.blacklist.append(user["user_id"])
    return None


# webhooks


def subscribe(asked: Asked) -> Any:
    version = asked.names[0]
    if version not in asked.core.build.hook_versions:
        if asked.core.build.missing_hook_status == 404:
            raise NoRoute
        raise Refused(asked.core.build.missing_hook_status)
    asked.need_messenger()
    url = _url(asked)
    old = asked.shop.subscriptions.get(url)
    asked.shop.subscriptions[url] = Subscription(url, version)
    if old is not None and old.version == version and asked.core.build.repeat_is_conflict:
        raise Refused(409, "webhook is already registered")
    return {"ok": True}


def subscriptions(asked: Asked) -> Any:
    asked.need_messenger()
    if asked.request.body.strip() and asked.json():
        raise Refused(400, "Bad request")
    as_number = asked.core.build.version_is_number
    return {
        "subscriptions": [
            {"url": found.url, "version": int(found.version) if as_number else found.version}
            for found in asked.shop.subscriptions.values()
        ]
    }


def unsubscribe(asked: Asked) -> Any:
    asked.need_messenger()
    asked.shop.subscriptions.pop(_url(asked), None)
    return {"ok": True}


def _url(asked: Asked) -> str:
    url = asked.json().get("url")
    if not isinstance(url, str) or not url:
        raise invalid("url", "is required")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname != "127.0.0.1":
        raise invalid("url", "must be a public https URL")
    return url


Method = Callable[[Asked], Any]
_ACCOUNT = r"/messenger/{}/accounts/(\d+)"


def _pattern(verb: str, path: str, method: Method) -> tuple[str, re.Pattern[str], Method]:
    return verb, re.compile(path), method


# Verb and path, as they come on the wire after unquoting each part.
ROUTES: Final = (
    _pattern("GET", r"/core/v1/accounts/self", profile),
    _pattern("GET", r"/core/v1/items", items),
    _pattern("GET", r"/order-management/1/orders", orders),
    _pattern("GET", _ACCOUNT.format("v[12]") + r"/chats", chats),
    _pattern("GET", _ACCOUNT.format("v[12]") + r"/chats/([^/]+)", chat),
    _pattern("GET", _ACCOUNT.format("v[123]") + r"/chats/([^/]+)/messages/?", messages),
    _pattern("POST", _ACCOUNT.format("v1") + r"/chats/([^/]+)/messages", send),
    _pattern("POST", _ACCOUNT.format("v1") + r"/chats/([^/]+)/messages/image", send_image),
    _pattern("POST", _ACCOUNT.format("v1") + r"/chats/([^/]+)/messages/([0-9a-f]{32})", delete),
    _pattern("POST", _ACCOUNT.format("v1") + r"/chats/([^/]+)/read", read),
    _pattern("POST", _ACCOUNT.format("v1") + r"/uploadImages", upload),
    _pattern("GET", _ACCOUNT.format("v1") + r"/getVoiceFiles", voices),
    _pattern("POST", _ACCOUNT.format("v[12]") + r"/blacklist", blacklist),
    _pattern("POST", r"/messenger/v([123])/webhook", subscribe),
    _pattern("POST", r"/messenger/v1/subscriptions", subscriptions),
    _pattern("POST", r"/messenger/v1/webhook/unsubscribe", unsubscribe),
)
