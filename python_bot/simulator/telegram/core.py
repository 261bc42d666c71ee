"""The inside of the messenger: its tables, its counters, the one lock around them, and who hears of what."""

from __future__ import annotations

import mimetypes
import random
import threading
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..clock import Clock
from ..journal import Journal
from ..pictures import Picture
from .faults import TelegramFaults
from .files import FOLDERS
from .journal import Call, Delivery
from .limits import Flood
from .model import Bot, Chat, Member, Message, Person, StoredFile, Topic
from .updates import UpdateQueue
from .webhook import Webhooks


class Core:
    """Everything a method works on; all of it changes with `lock` held."""

    def __init__(self, seed: int, local: bool) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.clock = Clock()
        self.flood = Flood()
        self.faults = TelegramFaults()
        self.faults.now = self.clock.now
        self.journal = Journal[Call, Delivery]()
        self.local = local
        self.folder = Path()  # where a local server leaves files for its bots
        self.closed_topics_bind_admins = True
        self.routes: dict[str, str] = {}  # where addresses of the outer world lead to on this machine
        self.webhooks = Webhooks(self)
        self.url = ""
        self.bots: dict[str, Bot] = {}  # by token
        self.queues: dict[int, UpdateQueue] = {}  # by bot
        self.people: dict[int, Person] = {}
        self.groups: dict[int, Chat] = {}
        self.private: dict[tuple[int, int], Chat] = {}  # by bot and person
        self.files: dict[str, StoredFile] = {}
        self.webhook_set_at: dict[int, float] = {}  # by bot
        self.callback_queries: dict[str, str] = {}  # what the bot has answered
        self._numbers: dict[str, int] = {}

    def now(self) -> int:
        return int(self.clock.now())

    def number(self, what: str, first: int = 1) -> int:
        """The next of a counter."""
        self._numbers[what] = self._numbers.get(what, first - 1) + 1
        return self._numbers[what]

    def add_queue(self, bot: Bot) -> None:
        self.queues[bot.id] = UpdateQueue(self.clock, 700100001)

    def add_person(self, first_name: str, **more: Any) -> Person:
        person = Person(self.number("person", 5200000123), first_name, **more)
        self.people[person.id] = person
        return person

    def migrate(self, chat: Chat) -> Chat:
        """A group becomes a supergroup: two service messages, one in each."""
        owner = next(member.who for member in chat.members.values() if member.status == "creator")
        new = Chat(int(f"-100{self.number('group', 2000000001)}"), "supergroup", chat.title, is_forum=chat.is_forum)
        new.members = dict(chat.members)
        self.groups[new.id] = new
        self.serve(chat, owner, {"migrate_to_chat_id": new.id})
        chat.migrated_to = new.id
        self.serve(new, owner, {"migrate_from_chat_id": chat.id})
        return new

    def random_text(self, length: int) -> str:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
        return "".join(self.rng.choice(alphabet) for _ in range(length))

    def store_file(
        self, bot: Bot, name: str, kind_of_content: str, content: bytes, kind: str, picture: Picture | None = None
    ) -> StoredFile:
        number = self.number("file")
        suffix = PurePosixPath(name).suffix or mimetypes.guess_extension(kind_of_content) or ""
        guessed = kind_of_content or mimetypes.guess_type(name)[0] or "application/octet-stream"
        stored = StoredFile(
            file_id=f"BQACAgIAAxkB{self.random_text(44)}",
            unique_id=f"AgAD{self.random_text(11)}",
            bot_id=bot.id,
            content=content,
            name=name,
            type=guessed,
            path=f"{FOLDERS.get(kind, 'documents')}/file_{number}{suffix}",
            kind=kind,
            width=picture.width if picture else 0,
            height=picture.height if picture else 0,
        )
        self.files[stored.file_id] = stored
        return stored

    def store_small(self, file: StoredFile, longest_side: int) -> StoredFile:
        """A smaller copy of a picture; its content is not that of the original."""
        number = self.number("file")
        small = replace(
            file,
            file_id=f"AgACAgIAAxkB{self.random_text(44)}",
            unique_id=f"AQAD{self.random_text(11)}",
            content=file.content[: 10 * longest_side],
            path=f"photos/file_{number}.jpg",
        )
        self.files[small.file_id] = small
        return small

    # who hears of what

    def serve(self, chat: Chat, who: Person | Bot, content: dict[str, Any], thread_id: int = 0) -> Message:
        """A service message: what somebody has done to the chat."""
        return self.post(chat, who, content, thread_id=thread_id, is_service=True)

    def begin_topic(self, chat: Chat, who: Person | Bot, name: str, color: int, icon: str = "") -> Topic:
        thread_id = chat.next_message_id()
        topic = chat.topics[thread_id] = Topic(thread_id, name, color, icon, creator_id=who.id)
        shown: dict[str, Any] = {"name": name, "icon_color": color}
        shown |= {"icon_custom_emoji_id": icon} if icon else {}
        self.serve(chat, who, {"forum_topic_created": shown}, thread_id)
        return topic

    def post(
        self,
        chat: Chat,
        sender: Person | Bot | None,
        content: dict[str, Any],
        *,
        thread_id: int = 0,
        reply_to: Message | None = None,
        file: StoredFile | None = None,
        is_service: bool = False,
    ) -> Message:
        """A new message, and the updates that it causes."""
        message = Message(
            chat, chat.next_message_id(), self.now(), sender, content, thread_id, reply_to, file=file,
            is_service=is_service,
        )  # fmt: skip
        chat.messages[message.message_id] = message
        self.announce(message, "channel_post" if chat.kind == "channel" else "message")
        return message

    def announce(self, message: Message, kind: str) -> None:
        """Bots hear of what people say and of service messages, their own too; never of what they have sent."""
        for bot in self.bots_in(message.chat):
            if self._sees(bot, message):
                self.tell(bot, kind, message.wire(), message.chat.id)

    def tell(self, bot: Bot, kind: str, payload: dict[str, Any], chat_id: int) -> None:
        if bot.wants(kind):
            self.queues[bot.id].put(kind, payload, chat_id)
            self.webhooks.wake(bot)

    def bots_in(self, chat: Chat) -> list[Bot]:
        if chat.bot is not None:
            return [chat.bot]
        return [member.who for member in chat.members.values() if isinstance(member.who, Bot) and member.is_in]

    def _sees(self, bot: Bot, message: Message) -> bool:
        if message.is_service:
            return True
        if isinstance(message.sender, Bot):
            return False
        if message.chat.kind in ("private", "channel") or not bot.privacy:
            return True
        if message.chat.members[bot.id].status in ("administrator", "creator"):
            return True
        answered = message.reply_to
        return (
            message.text.startswith("/")
            or f"@{bot.username}" in message.text
            or (answered is not None and answered.sender is bot)
        )

    def membership_changed(self, chat: Chat, bot: Bot, by: Person, old: Member, new: Member) -> None:
        payload = {
            "chat": chat.wire(), "from": by.user(), "date": self.now(),
            "old_chat_member": old.wire(), "new_chat_member": new.wire(),
        }  # fmt: skip
        self.tell(bot, "my_chat_member", payload, chat.id)
