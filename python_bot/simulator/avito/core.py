"""The inside of Avito: its tables, its counters and the one lock around them."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Any

from ..clock import Clock
from ..journal import Journal
from .faults import AvitoFaults
from .hooks import Hooks
from .journal import Call, Delivery
from .limits import Limit
from .model import Chat, ChatType, Item, Message, Person, Picture, Shop, Voice
from .tokens import Tokens

VOICE_LINK_S = 3600


@dataclass(slots=True)
class Build:
    """What observers of the real Avito disagree about; a client has to live with each."""

    bare_messages: bool = False  # True: the list of messages is an array, as the description says
    expired_status: int = 403  # 401 as the description says
    token_error_status: int = 401  # 200: an error in an answer that looks well
    hook_versions: tuple[str, ...] = ("3", "2", "1")  # addresses of webhooks that exist
    missing_hook_status: int = 404  # 410: of those that do not
    repeat_is_conflict: bool = False  # True: a URL that is registered already is answered 409
    version_is_number: bool = False  # in the list of subscriptions
    echo_first: bool = False  # True: the webhook about a message of ours comes before the answer to it


class Core:
    """Everything a request works on; all of it changes with `lock` held."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.clock = Clock()
        self.limit = Limit()
        self.faults = AvitoFaults()
        self.faults.now = self.clock.now
        self.journal = Journal[Call, Delivery]()
        self.build = Build()
        self.tokens = Tokens(self.clock, self.rng)
        self.hooks = Hooks(self)
        self.routes: dict[str, str] = {}
        self.url = ""
        self.shops: dict[int, Shop] = {}
        self.people: dict[int, Person] = {}
        self.pictures: dict[str, Picture] = {}
        self.voices: dict[str, Voice] = {}
        self._numbers: dict[str, int] = {}

    def now(self) -> int:
        return int(self.clock.now())

    def number(self, what: str, first: int) -> int:
        self._numbers[what] = self._numbers.get(what, first - 1) + 1
        return self._numbers[what]

    def new_id(self) -> str:
        """32 hexadecimal digits, in no order."""
        return f"{self.rng.getrandbits(128):032x}"

    def routed(self, url: str) -> str:
        for outside, inside in self.routes.items():
            if url.startswith(outside):
                return inside + url.removeprefix(outside)
        return url

    def begin_chat(self, shop: Shop, kind: ChatType, buyer: Person | None, item: Item | None) -> Chat:
        tail = f"{self.new_id()[:6]}~{self.new_id()[:6]}_{self.number('chat', 100)}-xyz"
        chat = Chat(f"{kind}-{tail}", kind, shop, buyer, item, self.now(), self.now())
        shop.chats[chat.id] = chat
        return chat

    def post(self, chat: Chat, author_id: int, kind: str, content: dict[str, Any], **more: Any) -> Message:
        """A new message; webhooks hear of it, of those of the shop too."""
        message = Message(self.new_id(), chat, author_id, self.now(), kind, content, **more)
        chat.messages.append(message)
        chat.updated = message.created
        self.hooks.tell(message)
        return message

    def delete(self, message: Message) -> None:
        """Its id stays, and so does its place."""
        message.type, message.content = "deleted", {}
        self.hooks.tell(message)

    def store_picture(self, content: bytes, kind: str, width: int, height: int) -> Picture:
        picture = Picture(f"{self.number('picture', 12345)}.{self.new_id()}", content, kind, width, height)
        self.pictures[picture.id] = picture
        return picture

    def sizes_of(self, picture: Picture) -> dict[str, str]:
        """Where the picture is in each size, the largest first."""
        sizes = ["640x480", "140x105", "32x32"]
        if picture.width > 640:
            sizes.insert(0, "1280x960")
        return {size: f"{self.url}/image/{size}/{picture.id}.jpg" for size in sizes}

    def voice_url(self, voice: Voice) -> str:
        """For one hour."""
        return f"{self.url}/voice/{voice.id}.mp4?e={self.now() + VOICE_LINK_S}&s=x"
