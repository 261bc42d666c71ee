"""The simulated messenger: what tests and the demo hold in their hands."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..http import Listener
from ..life import Service
from .actors import Client, Group
from .core import Core
from .doors import Doors
from .faults import TelegramFaults
from .journal import Call, Delivery
from .limits import Flood
from .model import Bot, Chat, Member
from .updates import Update

ADMIN_RIGHTS = ("can_manage_chat", "can_manage_topics", "can_delete_messages", "can_pin_messages", "can_invite_users")


class TelegramServer(Service):
    """The Bot API on a loopback port, and the people on the other side of it.

    local: a Bot API server of one's own, as `--local` makes it: large files, and getFile names a path on this machine.
    limits: False never says 429 by itself. `retry_scale` shortens the pauses between tries of a webhook.
    """

    def __init__(
        self, port: int = 0, seed: int = 1, local: bool = False, limits: bool = True, retry_scale: float = 1.0
    ) -> None:
        self.core = Core(seed, local)
        self.core.flood.enabled = limits
        self.core.webhooks.retry_scale = retry_scale
        self._listener = Listener(Doors(self.core), self.core.faults, port)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # life

    def _open(self) -> None:
        if self.core.local:
            self._folder = tempfile.TemporaryDirectory(prefix="telegram-")
            self.core.folder = Path(self._folder.name)
        self._listener.open()
        self.core.url = self._listener.url
        self.core.webhooks.start()

    def close(self) -> None:
        self.core.faults.hang = False
        for queue in self.core.queues.values():
            queue.close()
        self._listener.close()
        self.core.webhooks.close()
        if self._folder is not None:
            self._folder.cleanup()

    # where it is, and what is switched

    @property
    def url(self) -> str:
        """The base of `<base>/bot<token>/<method>` and of `<base>/file/bot<token>/<path>`."""
        return self.core.url

    @property
    def clock(self) -> Clock:
        return self.core.clock

    @property
    def faults(self) -> TelegramFaults:
        return self.core.faults

    @property
    def flood(self) -> Flood:
        return self.core.flood

    def route(self, outside: str, inside: str) -> None:
        """Addresses that begin with `outside` lead to `inside` on this machine: webhooks, and files by URL."""
        self.core.routes[outside] = inside

    # bots, people, groups

    def add_bot(self, first_name: str = "Bridge", username: str = "", token: str = "", **more: Any) -> Bot:
        """`more`: `privacy=False`, `has_topics=True`."""
        core = self.core
        with core.lock:
            bot_id = int(token.partition(":")[0]) if token else core.number("bot", 7000000001)
            token = token or f"{bot_id}:AA{core.random_text(33)}"
            bot = Bot(bot_id, token, first_name, username or f"bridge_{bot_id}_bot", **more)
            core.bots[token] = bot
            core.add_queue(bot)
            return bot

    def revoke(self, bot: Bot) -> str:
        """The bot gets another token, which is returned; the old one is refused from now on."""
        with self.core.lock:
            del self.core.bots[bot.token]
            bot.token = f"{bot.id}:AA{self.core.random_text(33)}"
            self.core.bots[bot.token] = bot
            return bot.token

    def client(self, bot: Bot, first_name: str, started: bool = True, **more: Any) -> Client:
        """A new person and their private chat with the bot. `more`: last_name, username, language_code.

        `started` False: they are known to the messenger, and the bot may not write to them yet.
        """
        with self.core.lock:
            person = self.core.add_person(first_name, **more)
            chat = Chat(person.id, "private", person=person, bot=bot)
            if started:
                self.core.private[bot.id, person.id] = chat
            return Client(self.core, person, chat)

    def same_client(self, client: Client, bot: Bot) -> Client:
        """The same person with another bot."""
        with self.core.lock:
            chat = self.core.private.setdefault(
                (bot.id, client.id), Chat(client.id, "private", person=client.person, bot=bot)
            )
            return Client(self.core, client.person, chat)

    def group(
        self,
        bot: Bot,
        title: str = "Avito desk",
        forum: bool = True,
        kind: str = "supergroup",
        status: str = "administrator",
        rights: Iterable[str] = ADMIN_RIGHTS,
    ) -> Group:
        """A group with an owner that the bot is in, an administrator when nothing else is said."""
        with self.core.lock:
            number = self.core.number("group", 2000000001)
            chat = Chat(int(f"-100{number}") if kind != "group" else -number, kind, title, is_forum=forum)
            self.core.groups[chat.id] = chat
            owner = self.core.add_person("Owner")
            chat.members[owner.id] = Member(owner, "creator")
            chat.members[bot.id] = Member(bot, status, frozenset(rights))
            return Group(self.core, chat)

    # the truth

    def pending(self, bot: Bot) -> list[Update]:
        """What the bot has not confirmed."""
        return self.core.queues[bot.id].pending

    def wait_confirmed(self, bot: Bot, timeout_s: float = 10.0) -> bool:
        """Until the bot has confirmed everything, or its webhook has taken it; False when that took too long."""
        return self.core.queues[bot.id].wait_empty(timeout_s)

    def skip_to_update(self, bot: Bot, update_id: int) -> None:
        """The next update has this number; after a silent week it may be lower than the last."""
        self.core.queues[bot.id].skip_to(update_id)

    @property
    def calls(self) -> list[Call]:
        return self.core.journal.calls

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method.lower() == method.lower()]

    @property
    def deliveries(self) -> list[Delivery]:
        return self.core.journal.deliveries
