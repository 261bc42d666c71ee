"""What the tests of the contract ask with, and an archive with something of everything."""

from __future__ import annotations

import json
from typing import get_args
from urllib.parse import quote

from python_bot.simulator import SimulatedPortal
from python_bot.web.api_tokens import Scope
from tests.instance.tools import wait_idle
from tests.support import TOKEN, Server, until

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
SCOPED: dict[Scope, str] = {scope: f"token-that-may-{scope}-0123456789" for scope in get_args(Scope)}
BOT_TOKEN = "7000000001:AA-bot-of-the-tests-of-the-contract"
HOOK_SECRET = "hook-secret-of-the-tests-01"
BOT = json.dumps({"token": BOT_TOKEN, "line_id": 3, "webhook_secret": HOOK_SECRET}).encode()
NOWHERE = "https://receiver.invalid/hook"


def fill(portal: SimulatedPortal, server: Server) -> int:
    """Conversations of two clients, with an operator, files, an edit and subscriptions; the chat of the first."""
    portal.add_user(31, "Мария Петрова", position="Старший менеджер")
    server.install()
    client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
    chat_id = client.writes("Добрый день, когда доставка?", files=[portal.file("чек.jpg", b"\xff\xd8\xff")]).chat_id
    until(lambda: portal.handed_over(chat_id))
    operator = portal.operator(27)
    operator.answers(chat_id)
    said = operator.writes(chat_id, "Добрый день! Завтра.")
    operator.edits(said, "Добрый день! Послезавтра.")
    operator.transfers(chat_id, to_user=31)
    other = portal.client("Борис", connector="avito", line=3, external_id="2").writes("Доставка завтра?").chat_id
    until(lambda: portal.handed_over(other))
    portal.wait_quiet()
    until(lambda: any(message["edited_at"] for message in server.messages(chat_id)) and server.messages(other))
    wait_idle(server)
    return chat_id


def subscribe(server: Server) -> int:
    body = json.dumps({"url": NOWHERE, "events": ["message.created"]}).encode()
    made = server.request("POST", "/api/subscriptions", body, **ADMIN).json
    server.request("POST", f"/api/subscriptions/{made['id']}/test", b"", **ADMIN)
    number: int = made["id"]
    return number


SHOP_KEYS = ("shop-of-the-tests", "secret-of-the-shop")
SHOP = json.dumps({"api_client_id": SHOP_KEYS[0], "api_client_secret": SHOP_KEYS[1], "line_id": 3}).encode()


def add_shop(server: Server) -> int:
    shop_id: int = server.request("POST", "/api/avito/accounts", SHOP, **ADMIN).json["id"]
    return shop_id


def add_bot(server: Server) -> int:
    """The bot of the simulated messenger; the same number each time."""
    made = server.request("POST", "/api/telegram/bots", BOT, **ADMIN).json
    until(lambda: server.api(f"/api/telegram/bots/{made['id']}")["state"] == "working")
    wait_idle(server)
    number: int = made["id"]
    return number


def write_to_bot(server: Server) -> int:
    """A client asks the bot something; the dialog that this becomes."""
    olga = {"id": 5200000123, "is_bot": False, "first_name": "Olga"}
    chat = {"id": olga["id"], "type": "private", "first_name": "Olga"}
    message = {"message_id": 41, "date": 1790000000, "text": "Доставка есть?", "from": olga, "chat": chat}
    headers = {"X_Telegram_Bot_Api_Secret_Token": HOOK_SECRET, "Content_Type": "application/json"}
    update = json.dumps({"update_id": 1, "message": message}).encode()
    assert server.request("POST", "/tg/webhook", update, **headers).status == 200

    def found() -> list[dict[str, int]]:
        rows: list[dict[str, int]] = server.api(f"/api/search?q={quote('доставка')}")["messages"]
        return [row for row in rows if "external" in row]

    until(found, what="the message is archived and found")
    return found()[0]["chat_id"]
