"""What Avito keeps: shops, adverts, chats, messages, and where their webhooks go; and the wire shapes of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

ChatType = Literal["u2i", "u2u", "a2u"]
AVITO = 0  # the author of what Avito itself says


@dataclass(slots=True)
class Item:
    """An advert. `status_id`: 10 is shown, 20 deleted."""

    id: int
    title: str
    price_string: str
    url: str
    image_url: str
    status_id: int = 10

    def context(self, user_id: int) -> dict[str, Any]:
        value = {
            "id": self.id, "title": self.title, "price_string": self.price_string, "status_id": self.status_id,
            "url": self.url, "user_id": user_id, "images": {"count": 1, "main": {"140x105": self.image_url}},
        }  # fmt: skip
        return {"type": "item", "value": value}


@dataclass(slots=True)
class Subscription:
    """`version`: of the address that registered it; it decides what the webhook gets."""

    url: str
    version: str


@dataclass(slots=True)
class Shop:
    """An account of a company. `paid`: its tariff has the messenger; `may_read`: the key may see its chats."""

    user_id: int
    name: str
    client_id: str
    client_secret: str = field(repr=False)
    paid: bool = True
    may_read: bool = True
    may_order: bool = False
    items: dict[int, Item] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)  # by URL
    blacklist: list[int] = field(default_factory=list)

    def profile(self) -> dict[str, Any]:
        phone = f"7999{self.user_id % 10**7:07}"
        return {
            "id": self.user_id, "name": self.name, "email": "shop@example.org", "phone": phone, "phones": [phone],
            "profile_url": f"https://avito.ru/user/{self.user_id}/profile",
        }  # fmt: skip


@dataclass(slots=True)
class Person:
    """A buyer. `name` may be empty."""

    user_id: int
    name: str


@dataclass(slots=True)
class Chat:
    """`shows_buyer`, `shows_context`: whether an answer of Avito names them; it does not always."""

    id: str
    kind: ChatType
    shop: Shop
    buyer: Person | None
    item: Item | None
    created: int
    updated: int
    messages: list[Message] = field(default_factory=list)  # the oldest first
    shows_buyer: bool = True
    shows_context: bool = True

    def wire(self) -> dict[str, Any]:
        users: list[dict[str, Any]] = [{"id": self.shop.user_id, "name": self.shop.name}]
        if self.buyer is not None and self.shows_buyer:
            users.append(self._buyer_card(self.buyer))
        found: dict[str, Any] = {"id": self.id, "created": self.created, "updated": self.updated, "users": users}
        if self.item is not None and self.shows_context:
            found["context"] = self.item.context(self.shop.user_id)
        if self.messages:
            last = self.messages[-1].rest()
            found["last_message"] = {name: last[name] for name in _LAST if name in last}
        return found

    def _buyer_card(self, buyer: Person) -> dict[str, Any]:
        profile = {
            "user_id": buyer.user_id, "item_id": self.item.id if self.item else 0,
            "url": f"https://avito.ru/user/{buyer.user_id}",
            "avatar": {"default": "https://img.example.org/a.png", "images": {"128x128": "https://img.example.org/a.png"}},
        }  # fmt: skip
        return {"id": buyer.user_id, "name": buyer.name, "public_user_profile": profile}

    @property
    def unread(self) -> list[Message]:
        """What came in and nobody of the shop has read."""
        return [message for message in self.messages if not message.is_out and not message.is_read]

    @property
    def shown(self) -> list[Message]:
        """What the buyer sees, the oldest first."""
        return [message for message in self.messages if message.type != "deleted"]


_LAST = ("id", "author_id", "created", "type", "content", "direction")


@dataclass(slots=True)
class Message:
    """`read_at`: when the counterpart read it; `is_read`: whether the shop did. `by_api`: not typed in Avito."""

    id: str
    chat: Chat
    author_id: int
    created: int
    type: str
    content: dict[str, Any]
    is_read: bool = False
    read_at: int | None = None
    quoted: Message | None = None
    by_api: bool = False

    @property
    def is_out(self) -> bool:
        return self.author_id == self.chat.shop.user_id

    @property
    def text(self) -> str:
        return str(self.content.get("text", ""))

    def rest(self) -> dict[str, Any]:
        """As the list of messages has it."""
        found = self._core() | {
            "direction": "out" if self.is_out else "in", "is_read": self.is_read or self.is_out, "read": self.read_at,
        }  # fmt: skip
        return found | ({"quote": self.quoted._core()} if self.quoted else {})

    def _core(self) -> dict[str, Any]:
        return {
            "id": self.id, "author_id": self.author_id, "created": self.created, "type": self.type,
            "content": self.content,
        }  # fmt: skip

    def sent(self) -> dict[str, Any]:
        """As the answer of sending has it: a text without its author, an image with."""
        found = self._core() | {"direction": "out"}
        return found if self.type != "text" else {name: value for name, value in found.items() if name != "author_id"}

    def hook(self, published_at: str) -> dict[str, Any]:
        """As a webhook has it: without a direction and without what is quoted."""
        found = self._core() | {
            "chat_id": self.chat.id, "user_id": self.chat.shop.user_id, "chat_type": self.chat.kind,
            "item_id": self.chat.item.id if self.chat.item else None, "read": self.read_at,
        }  # fmt: skip
        return found | ({"published_at": published_at} if published_at else {})


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was uploaded or sent."""

    id: str
    content: bytes = field(repr=False)
    type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Voice:
    id: str
    content: bytes = field(repr=False)
    shop_id: int
