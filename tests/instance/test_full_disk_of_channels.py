"""The disk is full while messengers and the portal call: each is answered 503, and nothing that was said is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer, Buyer
from python_bot.simulator.telegram import Client, TelegramServer
from tests.instance.test_storage_faults import disk, fill, make_room, send
from tests.instance.tools import BEARER, at_work, integrity, wait_idle
from tests.support import Server, until
from tests.support.server import Answer

TG_SECRET, HANDLER_SECRET = "S3cret_demo-1", "handler-secret-of-the-tests-01"
HOOK = {"X_Telegram_Bot_Api_Secret_Token": TG_SECRET, "Content_Type": "application/json"}
HANDLER = f"/b24/handler?secret={HANDLER_SECRET}"
# As docs/telegram.md has it.
EVENT = (
    "event=ONIMCONNECTORMESSAGEADD&data[CONNECTOR]=b24bot_acme_telegram1&data[LINE]=3&data[MESSAGES][0][im][chat_id]=1763"
    "&data[MESSAGES][0][im][message_id]=900001&data[MESSAGES][0][message][user_id]=27"
    "&data[MESSAGES][0][message][text]=hello&data[MESSAGES][0][chat][id]=tg:{}"
)


@dataclass
class World:
    home: Path
    portal: SimulatedPortal
    server: Server
    telegram: TelegramServer
    avito: AvitoServer
    olga: Client  # writes in Telegram, which calls our webhook
    ivan: Buyer  # writes in Avito, which does too
    shop_id: int

    def shown(self, chat: str) -> list[str]:
        """What the portal shows of a chat, without its own notices."""
        return [
            message.text
            for found in self.portal.chats
            if found.external_chat_id == chat
            for message in found.messages
            if not message.system
        ]

    def portal_chat(self, chat: str) -> int:
        return next(found.chat_id for found in self.portal.chats if found.external_chat_id == chat)

    def counts(self) -> list[tuple[object, ...]]:
        tables = ("channel_messages", "channel_seen", "channel_chats", "outbox")
        return [self.server.sql(f"SELECT COUNT(*) FROM {table}")[0] for table in tables]

    def wait_idle(self) -> None:
        """Hand-overs whose end found no place on the disk wait for their turn a minute longer."""
        waiting = "SELECT COUNT(*) FROM outbox WHERE kind LIKE 'channel%'"
        until(lambda: self.server.sql(waiting) == [(0,)], what="nothing of the channels waits")

    def fill(self) -> None:
        """Until not even the smallest event finds a place, be it in the journal of the database."""
        fill(self.home)
        for size in (20_000, 2_000, 10):
            while send(self.server, size)[0] == 200:
                pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        home = stack.enter_context(disk(tmp_path_factory.mktemp("disk") / "home", "8m"))
        telegram = stack.enter_context(TelegramServer(limits=False, local=True))
        avito = stack.enter_context(AvitoServer(limits=False))
        bot, shop = telegram.add_bot("Магазин", "shop_bot"), avito.add_shop()
        env = {"TELEGRAM_API_URL": telegram.url, "AVITO_API_URL": avito.url, "B24_HANDLER_SECRET": HANDLER_SECRET}
        env |= {"TG_BOT_TOKEN": bot.token, "TG_USE_POLLING": "0", "TG_WEBHOOK_SECRET": TG_SECRET, "B24_LINE_ID": "3"}
        portal, server = stack.enter_context(at_work(env=env, home=home))
        client_id, client_secret = shop.secrets
        body = {"api_client_id": client_id, "api_client_secret": client_secret, "line_id": 3}
        made = server.request("POST", "/api/avito/accounts", json.dumps(body).encode(), **BEARER)
        assert made.status == 201, made.text
        wait_idle(server)
        olga, ivan = telegram.client(bot, "Olga"), shop.buyer("Иван", shop.item("Велосипед"))
        found = World(home, portal, server, telegram, avito, olga, ivan, made.json["id"])
        olga.writes("Здравствуйте")
        ivan.writes("Добрый день")
        for chat in (f"tg:{olga.id}", f"av:{ivan.chat.id}"):
            until(lambda chat=chat: found.shown(chat), what="the dialog has begun")  # type: ignore[misc]  # no type is inferred for a lambda's default
        wait_idle(server)
        yield found


def test_every_door_answers_503_and_keeps_nothing_of_it(world: World) -> None:
    server, (secret,) = (
        world.server,
        world.server.sql(
            "SELECT value FROM channel_secrets WHERE account_id = ? AND name = 'webhook_secret'", world.shop_id
        ),
    )
    update = {"update_id": 7_000_000, "message": {"message_id": 4_000, "date": 1_790_000_000, "text": "x" * 4_000}}
    update["message"] |= {"from": {"id": world.olga.id, "is_bot": False, "first_name": "Olga"}}
    update["message"] |= {"chat": {"id": world.olga.id, "type": "private"}}
    told = next(delivery.body for delivery in world.avito.deliveries if delivery.ok)
    again = told.replace("Добрый день".encode(), b"Again").replace(world.ivan.shown[0].id.encode(), b"f" * 32)
    hook = f"/api/webhooks/avito/messages/{world.shop_id}/{secret[0]}"

    def answers() -> list[Answer]:
        return [
            server.request("POST", "/tg/webhook", json.dumps(update).encode(), **HOOK),
            server.request("POST", hook, again, Content_Type="application/json"),
            server.post_event(EVENT.format(world.olga.id).encode(), HANDLER),
        ]

    before = world.counts()
    world.fill()
    try:
        for _ in range(3):
            found = answers()
            assert [answer.status for answer in found] == [503, 503, 503]
            assert [answer.headers.get("Retry-After") for answer in found] == ["5", "5", "5"]
        # Who is not known is refused as always, and what cannot be read is no reason to come again.
        assert server.request("POST", "/tg/webhook", b"{}").status == 403
        assert server.request("POST", f"{hook}x", again).status == 404
        assert server.post_event(b"event=ONIMCONNECTORMESSAGEADD", f"{HANDLER}x").status == 403
        assert server.request("POST", "/tg/webhook", b"{", **HOOK).status == 400
        assert world.counts()[:3] == before[:3]
        assert server.get("/healthz").status == 200 and server.get("/readyz").status == 503
    finally:
        make_room(world.home)
    until(lambda: send(server)[0] == 200, 10, what="it stores again by itself")


def test_what_was_said_meanwhile_arrives_once_when_there_is_room(world: World) -> None:
    portal, server, olga, ivan = world.portal, world.server, world.olga, world.ivan
    chats = (f"tg:{olga.id}", f"av:{ivan.chat.id}")
    world.avito.hooks.pause_s = 0.2
    world.telegram.core.webhooks.retry_scale = 0.2
    taken = len(world.telegram.deliveries), len(world.avito.deliveries), len(portal.deliveries)
    world.fill()
    try:
        olga.writes("Диск полон?")
        ivan.writes("Полон диск?")
        answers = [portal.operator(27).writes(world.portal_chat(chat), "Сейчас узнаю") for chat in chats]
        portal.wait_quiet()
        until(lambda: len(world.telegram.deliveries) > taken[0] + 1, what="Telegram has come twice")
        until(lambda: len(world.avito.deliveries) >= taken[1] + 3, what="Avito has come and given up")
        assert {delivery.status for delivery in world.telegram.deliveries[taken[0] :]} == {503}
        assert {delivery.status for delivery in world.avito.deliveries[taken[1] :]} == {503}
        events = [each for each in portal.deliveries[taken[2] :] if each.event == "ONIMCONNECTORMESSAGEADD"]
        assert [delivery.status for delivery in events] == [503, 503]  # and the portal never comes again
    finally:
        make_room(world.home)
    until(lambda: "Диск полон?" in world.shown(chats[0]), 20, what="Telegram has told it again")
    server.request("PATCH", f"/api/avito/accounts/{world.shop_id}", b"{}", **BEARER)  # it is asked now, not in a minute
    until(lambda: "Полон диск?" in world.shown(chats[1]), 20, what="Avito was asked what was missed")
    for chat in chats:
        server.get(f"/api/dialogs/{world.portal_chat(chat)}?refresh=1", **BEARER)
    until(lambda: all(answer.delivered_as for answer in answers), 20, what="the history told what operators said")
    world.wait_idle()
    server.stop()
    assert integrity(server) == "ok"
    server.start()
    world.wait_idle()
    assert [text for text in world.shown(chats[0]) if "узнаю" not in text] == ["Здравствуйте", "Диск полон?"]
    assert [text for text in world.shown(chats[1]) if "узнаю" not in text] == ["Добрый день", "Полон диск?"]
    assert sum("Сейчас узнаю" in str(message.content.get("text")) for message in olga.shown) == 1
    assert sum("Сейчас узнаю" in message.text for message in ivan.shown) == 1
