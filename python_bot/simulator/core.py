"""The inside of the portal: its tables, its counters and the one lock around them."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .apps import App
from .clock import Clock
from .downloads import Downloads
from .events import Events
from .faults import Faults, HttpFaults
from .journal import Call, Delivery, Journal
from .limits import Limits
from .model import (
    Bot,
    Chat,
    Connector,
    DiskFile,
    Handler,
    Line,
    Message,
    PrivateChat,
    Session,
    Upload,
    User,
    Webhook,
)
from .openlines import OpenLines
from .queue import Event, EventQueue
from .tokens import TokenStore


@dataclass(slots=True)
class Build:
    """What differs between portals and between builds of the same portal."""

    session_event_shape: str = "code"  # or "docs": ONSESSIONSTART/FINISH with the session id
    scope_refusal: str = "insufficient_scope"  # or "ERROR_METHOD_NOT_FOUND"
    v2_supported: bool = True  # False: an old build without imbot.v2
    bot_id_as_text: bool = False  # True: a repeated imbot.register answers "597" instead of 597


class Core:
    """Everything a REST method works on. All of it changes only inside `hit()`."""

    def __init__(self, limits: bool, latency_s: float, seed: int, id_step: int) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.clock = Clock()
        self.journal = Journal[Call, Delivery]()
        self.limits = Limits(limits)
        self.faults = Faults(latency_s, seed)
        self.oauth_faults = HttpFaults()
        self.faults.now = self.oauth_faults.now = self.clock.now
        self.tokens = TokenStore(self.clock)
        self.queue = EventQueue(self.journal, self.faults, self.clock)
        self.events = Events(self)
        self.open_lines = OpenLines(self)
        self.downloads = Downloads(self)

        self.member_id = self.tokens.random_hex(32)
        self.url = ""
        self.oauth_url = ""
        self.users: dict[int, User] = {}
        self.lines: dict[int, Line] = {}
        self.bots: dict[int, Bot] = {}
        self.apps: dict[str, App] = {}
        self.handlers: list[Handler] = []
        self.webhooks: list[Webhook] = []
        self.chats: dict[int, Chat] = {}
        self.private_chats: dict[tuple[int, int], PrivateChat] = {}  # by bot and employee
        self.chat_of_entity: dict[str, Chat] = {}
        self.sessions: dict[int, Session] = {}
        self.messages: dict[int, Message] = {}
        self.files: dict[int, DiskFile] = {}
        self.attachments: dict[str, bytes] = {}  # what this hit has downloaded, by URL
        self.connectors: dict[str, Connector] = {}
        self.connector_users: dict[tuple[str, str], User] = {}

        self.build = Build()

        self._step = id_step
        self._next_ids = {
            "bot": 597, "client": 744, "chat": 1763, "session": 321, "message": 85833, "file": 5437,
            "handler": 41, "lead": 1205, "event": 1001,
        }  # fmt: skip
        self._hit: list[Event] | None = None

    def next_id(self, kind: str) -> int:
        value = self._next_ids[kind]
        step = self._step if kind in ("chat", "session", "message") else 1
        self._next_ids[kind] = value + step
        return value

    @property
    def last_message_id(self) -> int:
        return self._next_ids["message"] - self._step

    @property
    def rest_url(self) -> str:
        return f"{self.url}/rest/"

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    @contextmanager
    def hit(self) -> Iterator[list[Event]]:
        """One hit on the portal: events it causes are collected, and sent when it is over."""
        with self.lock:
            if self._hit is not None:
                yield self._hit
                return
            self._hit = []
            try:
                yield self._hit
            finally:
                self._hit = None

    @contextmanager
    def acting(self) -> Iterator[None]:
        """A hit by somebody in a browser or a messenger: nobody waits for an answer."""
        with self.lock:
            outermost = self._hit is None
            with self.hit() as events:
                yield
                if outermost:
                    self.queue.hold(events)
        if outermost:
            self.queue.release(events)

    def emit(self, event: Event) -> None:
        if self._hit is None:
            raise RuntimeError("events are caused inside a hit only")
        self._hit.append(event)

    # small lookups shared by methods and events

    def bots_of(self, owner: str) -> list[Bot]:
        return [bot for bot in self.bots.values() if bot.owner == owner]

    def private_chat(self, bot_id: int, user_id: int) -> PrivateChat:
        """The one chat of a bot with an employee; the bot hears when it begins."""
        chat = self.private_chats.get((bot_id, user_id))
        if chat is None:
            chat = PrivateChat(self.next_id("chat"), bot_id, user_id)
            self.private_chats[bot_id, user_id] = chat
            self.events.private_began(chat)
        return chat

    def remove_bot(self, bot_id: int) -> None:
        del self.bots[bot_id]
        self.users[bot_id].active = False
        for chat in self.chats.values():
            chat.bots.discard(bot_id)

    def connector_user(self, connector_id: str, external_id: str, name: str, gender: str) -> User:
        """The person behind an id in a messenger; a new one when the id is new or empty."""
        known = self.connector_users.get((connector_id, external_id))
        if known is not None:
            known.name = name or known.name
            return known
        user = User(self.next_id("client"), name or "Гость", gender=gender, connector_id=connector_id)
        self.users[user.user_id] = user
        if external_id:
            self.connector_users[connector_id, external_id] = user
        return user

    def store_file(self, upload: Upload, chat: Chat, author_id: int) -> DiskFile:
        stored = DiskFile(
            self.next_id("file"), chat.chat_id, author_id, upload.name, upload.content, self.clock.now(),
            upload.width, upload.height,
        )  # fmt: skip
        self.files[stored.file_id] = stored
        return stored

    def bind(self, owner: str, event: str, url: str, auth_type: int = 0) -> Handler:
        handler = Handler(self.next_id("handler"), owner, event, url, auth_type)
        self.handlers.append(handler)
        return handler

    def unbind(self, owner: str, event: str = "", url: str = "", auth_type: int | None = None) -> int:
        """Drop handlers; empty arguments match anything. Returns how many went."""
        gone = [
            handler
            for handler in self.handlers
            if handler.owner == owner
            and event in ("", handler.event)
            and url in ("", handler.url)
            and auth_type in (None, handler.auth_type)
        ]
        self.handlers = [handler for handler in self.handlers if handler not in gone]
        return len(gone)
