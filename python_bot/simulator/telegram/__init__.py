"""Telegram's Bot API to test against: real sockets, strict, with people who write, block and delete.

    with TelegramServer() as telegram:
        bot = telegram.add_bot("Bridge")                 # telegram.url and bot.token go into the settings
        olga = telegram.client(bot, "Ольга")
        message = olga.writes("Здравствуйте!")            # getUpdates has it, or the webhook gets it
        telegram.wait_confirmed(bot)
        assert [shown.text for shown in olga.shown] == ["Здравствуйте!", "Добрый день!"]
        telegram.faults.flood(retry_after=2)              # and now something goes wrong

It shares no code with the product. `telegram.calls` are the requests it got, `telegram.deliveries` its webhooks.
Loopback stands for the Internet: webhooks and files by URL lead there, or where `telegram.route` sends them.
"""

from __future__ import annotations

from ..pictures import PNG, png
from .actors import Attachment, Client, Group, Somebody
from .faults import TelegramFaults
from .journal import Call, Delivery
from .limits import Flood
from .model import Bot, Chat, Member, Message, Person, StoredFile, Topic
from .server import ADMIN_RIGHTS, TelegramServer
from .updates import Update

__all__ = [
    "ADMIN_RIGHTS",
    "PNG",
    "Attachment",
    "Bot",
    "Call",
    "Chat",
    "Client",
    "Delivery",
    "Flood",
    "Group",
    "Member",
    "Message",
    "Person",
    "Somebody",
    "StoredFile",
    "TelegramFaults",
    "TelegramServer",
    "Topic",
    "Update",
    "png",
]
