"""`botctl INSTANCE avito`: shops connected, listed, changed and disconnected; secrets never on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer
from tests.cli.tools import StagedServer, botctl, create, ok, shown
from tests.support import until


def test_a_shop_from_the_first_to_the_last_verb(tmp_path: Path) -> None:
    with AvitoServer(limits=False) as avito, SimulatedPortal(limits=False) as portal:
        server = StagedServer(tmp_path, portal)
        server.env["AVITO_API_URL"] = avito.url
        with server:
            walk(tmp_path, avito, server)


def walk(tmp_path: Path, avito: AvitoServer, server: StagedServer) -> None:
    shop = avito.add_shop("Демо Магазин")
    client_id, client_secret = shop.secrets
    secret = tmp_path / "secret.txt"
    secret.write_text(f"{client_secret}\n", encoding="utf-8")
    add = ("shop-1", "avito", "add", "--client-id", client_id, "--line", "3")
    said = ok(tmp_path, *add, "--secret-file", str(secret))
    assert "Демо Магазин" in said and "line 3" in said and client_secret not in said
    until(lambda: shop.subscriptions, what="the webhook is registered")
    first = shop.subscriptions[0].url
    (row,) = shown(tmp_path, "shop-1", "avito", "list")
    assert (row["line_id"], row["telegram_chat_id"]) == (3, None)
    assert "Демо Магазин" in ok(tmp_path, "shop-1", "avito", "list")

    ok(tmp_path, "shop-1", "avito", "change", str(row["id"]), "--line", "7")
    until(lambda: [found.url for found in shop.subscriptions] not in ([], [first]), what="another secret")
    until(lambda: len(shop.subscriptions) == 1, what="the old address is taken back")

    change = ("shop-1", "avito", "change", str(row["id"]))
    assert "30 requests a minute" in ok(tmp_path, *change, "--requests-per-minute", "30")
    assert [one["requests_per_minute"] for one in shown(tmp_path, "shop-1", "avito", "list")] == [30]
    assert botctl(tmp_path, *change, "--requests-per-minute", "11").returncode == 2

    again = botctl(tmp_path, *add[:5], "--secret-file", "-", stdin="wrong\n")
    assert (again.returncode, "ключи API не подходят" in again.stderr) == (1, True)
    assert "wrong" not in again.stderr
    status = botctl(tmp_path, "shop-1", "avito", "status", str(row["id"]))
    assert "webhook enabled" in status.stdout and "line 7" in status.stdout
    assert status.returncode == 1 and "! " in status.stdout, "no portal has installed the application"

    half = botctl(tmp_path, *change, "--telegram-bot", "5")
    assert (half.returncode, "go together" in half.stderr) == (1, True)
    ok(tmp_path, "shop-1", "avito", "remove", str(row["id"]))
    assert shown(tmp_path, "shop-1", "avito", "list") == []
    until(lambda: not shop.subscriptions, what="what was being connected meanwhile is taken back, too")
    assert client_secret not in json.dumps(server.log())


def test_an_instance_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    create(tmp_path)
    done = botctl(tmp_path, "shop-1", "avito", "list")
    assert (done.returncode, "Next step: botctl shop-1 on" in done.stderr) == (3, True)
    assert botctl(tmp_path, "nobody", "avito", "list").returncode == 4
