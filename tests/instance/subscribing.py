"""An instance that calls receivers: subscribe to it, let clients speak, and see what was told."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from python_bot.simulator import SimulatedPortal
from tests.instance.receivers import Call, Receiver
from tests.instance.tools import BEARER, adopt, client_message
from tests.support import Server

EVENTS = ["dialog.opened", "message.created", "message.updated", "message.deleted", "dialog.closed", "dialog.complete"]
new_chats = count(70_000)
new_messages = count(800_000)


@contextlib.contextmanager
def instance(**env: str) -> Iterator[Server]:
    """An instance that may call this machine."""
    with SimulatedPortal() as portal:
        server = Server(portal, env={"B24BOT_LINES": "none", "B24BOT_WEBHOOK_HOSTS": "127.0.0.1", **env})
        adopt(portal, server)
        with server:
            yield server


def ask(server: Server, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    content = None if body is None else json.dumps(body).encode()
    answer = server.request(method, path, content, **BEARER, Content_Type="application/json")
    assert answer.status == status, answer.text
    return answer.json if answer.body else None


def subscribe(server: Server, receiver: Receiver, events: list[str] | None = None, **more: Any) -> Any:
    return ask(server, "POST", "/api/subscriptions", {"url": receiver.url, "events": events or EVENTS, **more}, 201)


def say(server: Server, chat_id: int, text: str = "Добрый день!") -> int:
    number = next(new_messages)
    assert server.post_event(client_message(number, chat_id, chat_id, text)).status == 200
    return number


def told(calls: list[Call]) -> list[tuple[str, int | None]]:
    return [(call.event, call.json["data"].get("message", {}).get("message_id")) for call in calls]
