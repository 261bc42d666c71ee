"""The doctor and the accounts of messengers: each fault is really made with one bot of a simulated Telegram."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from python_bot.provisioning.paths import Layout
from python_bot.simulator import SimulatedPortal
from python_bot.simulator.telegram import Bot, Client, TelegramServer
from tests.cli.faults import Shop, examined, problems
from tests.cli.tools import StagedServer
from tests.instance.tools import wait_idle
from tests.support import until
from tests.support.server import free_port

CONNECTOR: Final = "b24bot_shop_1_telegram1"
HOOK_SECRET: Final = "hook-secret-of-the-tests-0123456789"
HANDLER_SECRET: Final = "handler-secret-of-the-tests-0123456789"


class Bridge(NamedTuple):
    """An installed instance with a bot that Telegram calls, on line 3."""

    shop: Shop
    telegram: TelegramServer
    bot: Bot
    client: Client


def restart_with(server: StagedServer, **settings: str) -> None:
    server.stop()
    env_file = Layout(server.layout.root).env_file("shop-1")
    env_file.write_text(env_file.read_text() + "".join(f"{name}={value}\n" for name, value in settings.items()))
    server.take_settings()


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    root: Path = tmp_path_factory.mktemp("root")
    with (
        SimulatedPortal(limits=False) as portal,
        TelegramServer(retry_scale=0.2) as telegram,
        StagedServer(root, portal) as server,
    ):
        server.install()
        bot = telegram.add_bot("Bridge")
        restart_with(server, TELEGRAM_API_URL=telegram.url, B24_HANDLER_SECRET=HANDLER_SECRET)
        with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
            db.execute(
                "INSERT INTO channel_accounts (channel, external_id, name, line_id, connector_id, created_at, options)"
                " VALUES ('telegram', ?, 'Bridge', 3, ?, 1785312000, '{\"polling\": false}')",
                (str(bot.id), CONNECTOR),
            )
            secrets = {"token": bot.token, "webhook_secret": HOOK_SECRET}
            db.executemany("INSERT INTO channel_secrets VALUES (1, ?, ?)", secrets.items())
        server.start()
        until(lambda: server.sql("SELECT 1 FROM channel_accounts WHERE state = 'working'"), what="the bot is connected")
        wait_idle(server)
        portal.wait_quiet()
        yield Bridge(Shop(root, portal, server), telegram, bot, telegram.client(bot, "Ольга"))


def test_an_instance_with_an_account_that_works_is_green(bridge: Bridge) -> None:
    found = examined(bridge.shop)
    assert problems(found) == [], json.dumps(found, ensure_ascii=False, indent=1)
    (row,) = [row for row in found["findings"] if row["section"] == "H"]
    assert (row["code"], row["evidence"]) == ("channels_ok", "telegram 1 (Bridge)")
    assert HANDLER_SECRET not in json.dumps(found) and bridge.bot.token not in json.dumps(found)


def test_calls_of_a_messenger_are_in_the_journal_without_the_token(bridge: Bridge) -> None:
    server = bridge.shop.server
    wanted = "SELECT path, status, portal FROM http_journal WHERE kind = 'messenger' AND subject = 'setWebhook'"
    until(lambda: server.sql(wanted), what="the journal is written")
    assert server.sql(wanted)[0] == ("/…", 200, "127.0.0.1")
    for (text,) in server.sql("SELECT path || error_text || subject FROM http_journal"):
        assert bridge.bot.token not in text and HOOK_SECRET not in text


# --- faults, and how each is mended where `--fix` is not to do it -------------------------------------------------


def hook_astray(bridge: Bridge) -> None:
    """Somebody else uses the bot's token."""
    body = json.dumps({"url": f"http://127.0.0.1:{free_port()}/hook"}).encode()
    address = f"{bridge.telegram.url}/bot{bridge.bot.token}/setWebhook"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})

    def is_set() -> bool:
        """Telegram takes one address a second."""
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):
            return True
        return False

    until(is_set, what="Telegram has taken the other address")


def hook_failing(bridge: Bridge) -> None:
    bridge.telegram.route(bridge.shop.server.url, f"http://127.0.0.1:{free_port()}")
    bridge.client.writes("Есть кто?")
    until(lambda: any(row.status != 200 for row in bridge.telegram.deliveries), what="Telegram has tried")


def hook_reached(bridge: Bridge) -> None:
    bridge.telegram.route(bridge.shop.server.url, bridge.shop.server.url)
    assert bridge.telegram.wait_confirmed(bridge.bot, 20), bridge.telegram.deliveries[-3:]
    wait_idle(bridge.shop.server)


def no_line(bridge: Bridge) -> None:
    bridge.shop.write("UPDATE channel_accounts SET line_id = NULL")


def on_its_line(bridge: Bridge) -> None:
    bridge.shop.write("UPDATE channel_accounts SET line_id = 3")


def taken_off_its_line(bridge: Bridge) -> None:
    bridge.shop.portal.core.connectors[CONNECTOR].active_lines.clear()


def refused_by_the_portal(bridge: Bridge) -> None:
    bridge.shop.write("UPDATE channel_accounts SET line_problem = 'imconnector.activate: ACCESS_DENIED'")


def token_revoked(bridge: Bridge) -> None:
    bridge.telegram.revoke(bridge.bot)


FAULTS: Final[dict[str, tuple[Callable[[Bridge], None], Callable[[Bridge], None] | None]]] = {
    "channel_hook_astray": (hook_astray, None),
    "channel_hook_failing": (hook_failing, hook_reached),
    "channel_no_line": (no_line, on_its_line),
    "connector_inactive": (taken_off_its_line, None),
    "connector_refused": (refused_by_the_portal, None),
    "channel_failing": (token_revoked, lambda bridge: None),  # the last one: it stays so
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_an_account_is_named_first_and_mended(bridge: Bridge, code: str) -> None:
    make, mend = FAULTS[code]
    make(bridge)
    found = examined(bridge.shop)
    assert problems(found) == [code], json.dumps(found, ensure_ascii=False, indent=1)
    assert found["findings"][0]["evidence"].startswith("telegram 1 (Bridge)")
    if mend is not None:
        mend(bridge)
    else:
        assert len(examined(bridge.shop, "--fix")["repaired"]) == 1
    if code != "channel_failing":
        until(lambda: problems(examined(bridge.shop)) == [], 20, what="all is green again")
