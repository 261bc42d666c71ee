"""A Bitrix24 portal to test against: real sockets, and as strict as the real one.

    with SimulatedPortal() as portal:
        app = portal.install_app("http://127.0.0.1:8080/python_bot/")     # ONAPPINSTALL leaves at once
        anna = portal.client("Анна Смирнова", external_id="209607941")
        message = anna.writes("Добрый день!")                             # chat, session, bot, events
        portal.wait_quiet()
        assert portal.handed_over(message.chat_id)
        portal.faults.drop_events(1)                                      # and now something goes wrong

It shares no code with the product: it is the other side of the wire. What happened is read from `calls` and
`deliveries`, the truth about conversations from `history`, and time is pushed forward with `clock.advance`.
"""

from __future__ import annotations

from .actors import Client, Operator
from .apps import App, BrowserRequest
from .faults import Faults
from .journal import Call, Delivery
from .model import Chat, Line, Message, Session, Tokens, Upload, User
from .portal import SimulatedPortal

__all__ = [
    "App",
    "BrowserRequest",
    "Call",
    "Chat",
    "Client",
    "Delivery",
    "Faults",
    "Line",
    "Message",
    "Operator",
    "Session",
    "SimulatedPortal",
    "Tokens",
    "Upload",
    "User",
]
