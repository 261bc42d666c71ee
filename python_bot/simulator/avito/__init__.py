"""Avito's messenger API to test against: real sockets, strict, with shops that are paid for and buyers who write.

    with AvitoServer() as avito:
        shop = avito.add_shop("Демо Магазин")             # avito.url and shop.secrets go into the account
        ivan = shop.buyer("Иван", shop.item("Велосипед", "12 000 ₽"))
        ivan.writes("Торг уместен?")                      # the webhook gets it, the list of messages has it
        avito.wait_quiet()
        assert [shown.text for shown in ivan.shown] == ["Торг уместен?", "Да, торг есть"]
        avito.build.expired_status = 401                  # what observers disagree about
        avito.faults.lose_webhooks(1)                     # and now something goes wrong

It shares no code with the product. `avito.calls` are the requests it got, `avito.deliveries` its webhooks. Loopback
stands for the Internet: webhooks lead there, or where `avito.route` sends them.
"""

from __future__ import annotations

from .actors import Buyer, Seller
from .core import Build
from .faults import AvitoFaults
from .journal import Call, Delivery
from .model import Chat, Item, Message, Person, Shop, Subscription
from .server import AvitoServer

__all__ = [
    "AvitoFaults",
    "AvitoServer",
    "Build",
    "Buyer",
    "Call",
    "Chat",
    "Delivery",
    "Item",
    "Message",
    "Person",
    "Seller",
    "Shop",
    "Subscription",
]
