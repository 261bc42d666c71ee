"""What a messenger says of its way to our webhook, when the doctor asks; it changes nothing."""

from __future__ import annotations

from python_bot.channels.avito.channel import create as create_avito
from python_bot.channels.base import Account, HookState, Identity, Setup, TellsHook
from python_bot.channels.telegram.channel import create as create_telegram
from python_bot.simulator.avito import AvitoServer
from python_bot.simulator.telegram import TelegramServer

OURS = "http://127.0.0.1:9/shop-1/"


def test_avito_is_asked_whether_it_knows_our_address() -> None:
    with AvitoServer(limits=False) as avito:
        shop = avito.add_shop("Демо Магазин")
        client_id, client_secret = shop.secrets
        secrets = {"api_client_id": client_id, "api_client_secret": client_secret, "webhook_secret": "hook-secret"}
        account = Account(7, "avito", Identity("1", "Демо"), 3, "working", "", 1785312000, secrets)
        channel = create_avito(Setup("shop-1", OURS, avito.url))
        assert isinstance(channel, TellsHook)
        assert channel.hook_state(account) == HookState("", is_ours=False, is_needed=False)
        channel.attach(account)
        assert channel.hook_state(account) == HookState("127.0.0.1", is_ours=True, is_needed=False)
        assert len(shop.subscriptions) == 1


def test_a_bot_of_telegram_that_is_asked_needs_no_webhook() -> None:
    with TelegramServer() as telegram:
        bot = telegram.add_bot("Bridge")
        secrets = {"token": bot.token, "webhook_secret": "hook-secret"}
        account = Account(1, "telegram", Identity(str(bot.id), "Bridge"), 3, "working", "", 1785312000, secrets)
        channel = create_telegram(Setup("shop-1", OURS, telegram.url))
        assert isinstance(channel, TellsHook) and channel.hook_state(account) is None
        assert {call.method for call in telegram.calls} == {"getWebhookInfo"}
