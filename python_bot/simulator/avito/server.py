"""The simulated Avito: what tests and the demo hold in their hands."""

from __future__ import annotations

from ..clock import Clock
from ..http import Listener
from ..life import Service
from .actors import Seller
from .core import Build, Core
from .doors import Doors
from .faults import AvitoFaults
from .hooks import Hooks
from .journal import Call, Delivery
from .limits import Limit
from .model import Message, Shop


class AvitoServer(Service):
    """Avito's API on a loopback port, and its shops and buyers. limits: False never says 429 by itself."""

    def __init__(self, port: int = 0, seed: int = 1, limits: bool = True) -> None:
        self.core = Core(seed)
        self.core.limit.enabled = limits
        self._listener = Listener(Doors(self.core), self.core.faults, port)

    # life

    def _open(self) -> None:
        self._listener.open()
        self.core.url = self._listener.url
        self.core.hooks.start()

    def close(self) -> None:
        self.core.faults.hang = False
        self._listener.close()
        self.core.hooks.close()

    # where it is, and what is switched

    @property
    def url(self) -> str:
        return self.core.url

    @property
    def clock(self) -> Clock:
        return self.core.clock

    @property
    def build(self) -> Build:
        """Which of the observed ways Avito has today."""
        return self.core.build

    @property
    def faults(self) -> AvitoFaults:
        return self.core.faults

    @property
    def limit(self) -> Limit:
        return self.core.limit

    @property
    def hooks(self) -> Hooks:
        """How webhooks are brought: deadline, tries, layout."""
        return self.core.hooks

    def route(self, outside: str, inside: str) -> None:
        """Webhooks whose URL begins with `outside` go to `inside` on this machine."""
        self.core.routes[outside] = inside

    def add_shop(self, name: str = "Демо Магазин") -> Seller:
        core = self.core
        with core.lock:
            user_id = core.number("shop", 141900001)
            shop = Shop(user_id, name, core.new_id()[:20], core.new_id())
            core.shops[user_id] = shop
            return Seller(core, shop)

    # the truth

    def message(self, message_id: str) -> Message:
        with self.core.lock:
            return next(
                message
                for shop in self.core.shops.values()
                for chat in shop.chats.values()
                for message in chat.messages
                if message.id == message_id
            )

    def wait_quiet(self, timeout_s: float = 10.0) -> bool:
        """Until every webhook was taken, or given up; False when that took too long."""
        return self.core.hooks.wait_quiet(timeout_s)

    @property
    def tokens_issued(self) -> int:
        return self.core.tokens.issued

    @property
    def calls(self) -> list[Call]:
        return self.core.journal.calls

    def calls_to(self, ending: str) -> list[Call]:
        """Requests whose path ends like this."""
        return [call for call in self.calls if call.path.endswith(ending)]

    @property
    def deliveries(self) -> list[Delivery]:
        return self.core.journal.deliveries
