"""`botctl INSTANCE telegram` with a running instance and a simulated messenger; no token is ever an argument."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.telegram import Bot, TelegramServer
from tests.cli.tools import StagedServer, botctl, ok, shown
from tests.support import until


class Shop(NamedTuple):
    root: Path
    api: TelegramServer
    bot: Bot

    def telegram(self, *words: str, stdin: str = "") -> str:
        return ok(self.root, "shop-1", "telegram", *words, stdin=stdin)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("shop")
    with TelegramServer() as api, SimulatedPortal(limits=False) as portal, StagedServer(root, portal) as server:
        server.stop()
        server.env["TELEGRAM_API_URL"] = api.url
        server.start()
        server.install()
        yield Shop(root, api, api.add_bot("Магазин", "shop_bot"))


def test_a_bot_is_added_shown_and_removed(shop: Shop, tmp_path: Path) -> None:
    assert "There is no bot" in shop.telegram("list")
    said = shop.telegram("add", "--line", "3", stdin=f"{shop.bot.token}\n")
    assert "Магазин (https://t.me/shop_bot), open line 3" in said and shop.bot.token not in said
    until(lambda: shown(shop.root, "shop-1", "telegram", "list")[0]["state"] == "working")
    file = tmp_path / "token.txt"
    file.write_text(shop.bot.token)
    shop.telegram("add", "--file", str(file), "--no-signature")
    with mock.patch.dict("os.environ", {"SHOP_BOT": shop.bot.token}):
        shop.telegram("add", "--env", "SHOP_BOT")
    (row,) = shown(shop.root, "shop-1", "telegram", "list")
    assert (row["line_id"], row["signature"], row["bot_id"]) == (3, False, shop.bot.id)
    until(lambda: "working, open line 3, asks Telegram" in shop.telegram("status"))
    assert "is removed" in shop.telegram("remove", str(row["id"]), "--yes")
    assert shown(shop.root, "shop-1", "telegram", "list") == []


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (("add",), "", 2, "no value came"),
        (("add",), "7000000009:AAwrong", 1, "@BotFather"),
        (("add", "--file", "/nowhere"), "", 2, "cannot be read"),
        (("remove", "99", "--yes"), "", 1, "there is no account 99"),
    ],
)
def test_what_is_wrong_is_said(shop: Shop, words: tuple[str, ...], stdin: str, code: int, says: str) -> None:
    done = botctl(shop.root, "shop-1", "telegram", *words, stdin=stdin)
    assert done.returncode == code and says in done.stderr, done.stderr


def test_a_bot_that_does_not_work_fails_the_status(shop: Shop) -> None:
    bot = shop.api.add_bot("Второй")
    shop.telegram("add", stdin=bot.token)
    shop.api.revoke(bot)
    until(lambda: botctl(shop.root, "shop-1", "telegram", "status").returncode == 1, 60)
    done = botctl(shop.root, "shop-1", "telegram", "status")
    assert "no open line yet" in done.stdout and "токен бота неверен или отозван" in done.stderr
