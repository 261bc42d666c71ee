"""A real instance with something of everything in its archive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer
from python_bot.simulator.telegram import TelegramServer
from python_bot.web.api_tokens import ApiToken, hash_of, write_tokens
from tests.api.filling import BOT_TOKEN, SCOPED, SHOP_KEYS, fill
from tests.support import Server


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Server, int]]:
    """The instance and one of its dialogs."""
    with SimulatedPortal() as portal, TelegramServer() as telegram, AvitoServer(limits=False) as avito:
        telegram.add_bot(token=BOT_TOKEN)
        shop = avito.add_shop().shop
        shop.client_id, shop.client_secret = SHOP_KEYS
        env = {"B24BOT_RATE_LIMIT": "100000", "TELEGRAM_API_URL": telegram.url, "AVITO_API_URL": avito.url}
        with Server(portal, env=env) as server:
            tokens = [ApiToken(name, name, "2026-01-01T00:00:00Z", hash_of(token)) for name, token in SCOPED.items()]
            (server.home / "tokens.json").write_bytes(write_tokens(tokens))
            yield server, fill(portal, server)
