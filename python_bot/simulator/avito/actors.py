"""Shops and buyers, as tests and the demo play them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from ..pictures import PNG, picture_of
from .core import Core
from .model import AVITO, Chat, ChatType, Item, Message, Person, Shop, Subscription, Voice


class Buyer:
    """Somebody in one chat with a shop."""

    def __init__(self, core: Core, person: Person, chat: Chat) -> None:
        self._core, self.person, self.chat = core, person, chat

    @property
    def shown(self) -> list[Message]:
        """What the chat shows, the oldest first."""
        with self._core.lock:
            return self.chat.shown

    def writes(self, text: str, quoted: Message | None = None) -> Message:
        return self.sends("text", {"text": text}, quoted=quoted)

    def sends(self, kind: str, content: dict[str, Any], **more: Any) -> Message:
        """A message of any type, with its content in the wire shape."""
        with self._core.lock:
            return self._core.post(self.chat, self.person.user_id, kind, content, **more)

    def sends_image(self, content: bytes = PNG) -> Message:
        with self._core.lock:
            found = picture_of(content)
            assert found is not None, "no picture"
            stored = self._core.store_picture(content, found.type, found.width, found.height)
            return self.sends("image", {"image": {"sizes": self._core.sizes_of(stored)}})

    def sends_voice(self, content: bytes = b"voice") -> Message:
        with self._core.lock:
            voice = Voice(str(uuid.UUID(int=self._core.rng.getrandbits(128))), content, self.chat.shop.user_id)
            self._core.voices[voice.id] = voice
            return self.sends("voice", {"voice": {"voice_id": voice.id}})

    def sends_location(self, lat: float = 55.75, lon: float = 37.61) -> Message:
        place = {"lat": lat, "lon": lon, "title": "Москва", "text": "Москва, Примерная ул., 1", "kind": "house"}
        return self.sends("location", {"location": place})

    def calls_in_vain(self) -> Message:
        return self.sends("call", {"call": {"status": "missed", "target_user_id": self.chat.shop.user_id}})

    def deletes(self, message: Message) -> None:
        with self._core.lock:
            self._core.delete(message)

    def reads(self) -> None:
        """Everything that the shop wrote; no webhook tells."""
        with self._core.lock:
            for message in self.chat.messages:
                if message.is_out and message.read_at is None:
                    message.read_at = self._core.now()

    def leaves_the_list(self) -> None:
        """The chat does not name its people any more."""
        with self._core.lock:
            self.chat.shows_buyer = False


class Seller:
    """The people of a shop, in Avito's own program; and what their account is."""

    def __init__(self, core: Core, shop: Shop) -> None:
        self._core, self.shop = core, shop

    @property
    def user_id(self) -> int:
        return self.shop.user_id

    @property
    def secrets(self) -> tuple[str, str]:
        """client_id and client_secret."""
        return self.shop.client_id, self.shop.client_secret

    @property
    def chats(self) -> list[Chat]:
        with self._core.lock:
            return list(self.shop.chats.values())

    @property
    def subscriptions(self) -> list[Subscription]:
        with self._core.lock:
            return list(self.shop.subscriptions.values())

    def item(self, title: str, price_string: str = "12 000 ₽") -> Item:
        with self._core.lock:
            number = self._core.number("item", 3500000001)
            item = Item(number, title, price_string, f"https://avito.ru/demo_{number}", "https://img.example.org/m.jpg")
            self.shop.items[number] = item
            return item

    def buyer(self, name: str, item: Item | None = None) -> Buyer:
        """A new person and their chat: about an advert, or with the profile when there is none."""
        with self._core.lock:
            person = Person(self._core.number("person", 94200002), name)
            self._core.people[person.user_id] = person
            return self._chat(person, item)

    def same_buyer(self, buyer: Buyer, item: Item | None = None) -> Buyer:
        """A person who is known, in another chat, or with another shop."""
        with self._core.lock:
            return self._chat(buyer.person, item)

    def _chat(self, person: Person, item: Item | None) -> Buyer:
        kind: ChatType = "u2i" if item is not None else "u2u"
        return Buyer(self._core, person, self._core.begin_chat(self.shop, kind, person, item))

    def avito_says(self, text: str, chat: Chat | None = None, flow_id: str | None = None) -> Message:
        """A notice of Avito itself: in a chat, or in its own with the shop."""
        with self._core.lock:
            own = next((found for found in self.shop.chats.values() if found.kind == "a2u"), None)
            chat = chat or own or self._core.begin_chat(self.shop, "a2u", None, None)
            return self._core.post(chat, AVITO, "system", {"text": text, "flow_id": flow_id})

    def writes(self, chat: Chat, text: str) -> Message:
        """Staff answers in Avito's own program; everything before is read thereby."""
        with self._core.lock:
            self.reads(chat)
            return self._core.post(chat, self.shop.user_id, "text", {"text": text})

    def reads(self, chat: Chat) -> None:
        with self._core.lock:
            for message in chat.unread:
                message.is_read = True

    # the account

    def changes_secret(self) -> str:
        """A new client_secret; tokens of the old one stop working."""
        with self._core.lock:
            self.shop.client_secret = self._core.new_id()
            self._core.tokens.revoke(self.shop)
            return self.shop.client_secret

    def loses_tokens(self) -> None:
        """Every access token is refused from now on; new ones are given."""
        with self._core.lock:
            self._core.tokens.revoke(self.shop)

    def stops_paying(self, stopped: bool = True) -> None:
        with self._core.lock:
            self.shop.paid = not stopped

    def loses_rights(self, lost: bool = True) -> None:
        """The key is one of an employee: nothing of the messenger is for it."""
        with self._core.lock:
            self.shop.may_read = not lost

    def subscribed_elsewhere(self, urls: Sequence[str]) -> None:
        """Webhooks of other programs."""
        with self._core.lock:
            for url in urls:
                self.shop.subscriptions[url] = Subscription(url, "2")

    def forget_webhooks(self) -> None:
        """Avito drops them without a word."""
        with self._core.lock:
            self.shop.subscriptions.clear()
