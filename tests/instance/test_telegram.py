"""A Telegram bot as a channel of an open line: a simulated messenger, a real instance, a simulated portal."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.model import Message
from python_bot.simulator.telegram import Bot, Client, TelegramServer
from tests.instance.tools import at_work, wait_idle
from tests.support import TOKEN, Server, until
from tests.support.server import ROOT, Answer

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
HOOK_SECRET = "S3cret_demo-1"
HANDLER_SECRET = "handler-secret-of-the-tests-01"


class World:
    """One bot of one instance, on line 3."""

    def __init__(self, portal: SimulatedPortal, server: Server, api: TelegramServer, bot: Bot) -> None:
        self.portal, self.server, self.api, self.bot = portal, server, api, bot

    def ask(self, verb: str, path: str = "", body: dict[str, Any] | None = None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        return self.server.request(verb, f"/api/telegram/bots{path}", content, **ADMIN)

    def shown(self, client: Client) -> list[Message]:
        """What the portal shows of the chat of a client, its own notices left out."""
        return [
            message
            for chat in self.portal.chats
            if chat.external_chat_id == f"tg:{client.id}"
            for message in chat.messages
            if not message.system or message.params.get("CONNECTOR_MID")
        ]

    def texts(self, client: Client) -> list[str]:
        return [message.text for message in self.shown(client)]

    def chat_of(self, client: Client) -> int:
        return next(chat.chat_id for chat in self.portal.chats if chat.external_chat_id == f"tg:{client.id}")

    def bot_row(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET").json["bots"][0]
        return found


@contextmanager
def world_of(*, local: bool = False, **env: str) -> Iterator[World]:
    """`local`: a Bot API server of one's own, which calls webhooks without TLS as well."""
    with TelegramServer(limits=False, local=local) as api, SimulatedPortal() as portal:
        bot = api.add_bot("Магазин", "shop_bot")
        settings = {
            "TELEGRAM_API_URL": api.url,
            "B24_HANDLER_SECRET": HANDLER_SECRET,
            **{name: value.format(token=bot.token) for name, value in env.items()},
        }
        with at_work(portal, env=settings) as (_, server):
            yield World(portal, server, api, bot)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A bot that the API has added, and that is asked; each test has clients of its own."""
    with world_of() as found:
        made = found.ask("POST", body={"token": found.bot.token, "line_id": 3, "webhook_secret": HOOK_SECRET})
        assert made.status == 201, made.text
        until(lambda: found.bot_row()["state"] == "working", what="the bot works")
        wait_idle(found.server)
        yield found


def test_a_bot_is_added_listed_and_never_tells_its_token(world: World) -> None:
    row = world.bot_row()
    assert (row["bot_id"], row["name"], row["url"]) == (world.bot.id, "Магазин", "https://t.me/shop_bot")
    assert (row["line_id"], row["state"], row["problem"], row["line_problem"]) == (3, "working", None, None)
    assert row["polling"] is True and row["signature"] is True
    again = world.ask("POST", body={"token": world.bot.token, "line_id": 3, "webhook_secret": HOOK_SECRET})
    assert (again.status, again.json["id"]) == (200, row["id"])
    for answer in (again, world.ask("GET"), world.ask("GET", f"/{row['id']}")):
        assert world.bot.token not in answer.text and HOOK_SECRET not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_parameter"),
        ({"token": 7}, 400, "bad_parameter"),
        ({"token": "7000000001:AAwrong"}, 400, "secrets_refused"),
        ({"token": "x", "line_id": "3"}, 400, "bad_parameter"),
        ({"token": "x", "polling": "yes"}, 400, "bad_parameter"),
        ({"token": "x", "lines": 3}, 400, "unknown_parameter"),
    ],
)
def test_what_is_no_bot_is_not_kept(world: World, body: dict[str, Any], status: int, code: str) -> None:
    answer = world.ask("POST", body=body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert len(world.ask("GET").json["bots"]) == 1


def test_a_client_writes_an_operator_answers_and_both_have_it(world: World) -> None:
    olga = world.api.client(world.bot, "Olga", last_name="Test")
    olga.writes("Здравствуйте!")
    until(lambda: world.texts(olga) == ["Здравствуйте!"], what="the portal has it")
    answer = world.portal.operator(27).writes(world.chat_of(olga), "Да, [b]есть[/b]")
    until(lambda: answer.delivered_as, what="the portal knows that it was delivered")
    assert olga.shown[-1].content["text"] == "Иван Петров: \nДа, есть"
    assert answer.delivered_as == [f"{olga.id}:{olga.shown[-1].message_id}"]
    wait_idle(world.server)
    assert [
        row["text_plain"] for row in world.server.messages(world.chat_of(olga)) if row["author"]["kind"] == "client"
    ] == ["Здравствуйте!"]
    assert world.bot.token not in json.dumps(world.server.log())


def run_example(place: int, **env: str) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/telegram.md").read_text("utf-8"), re.DOTALL)
    command = ["sh", "-euc", blocks[place]]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_examples_for_curl_bring_an_update_and_an_answer(world: World) -> None:
    olga = world.api.client(world.bot, "Olga")
    known = {"URL": world.server.url, "CHAT": str(olga.id), "CONNECTOR": world.bot_row()["connector_id"]}
    for secret, status in (("wrong", "403"), (HOOK_SECRET, "200"), (HOOK_SECRET, "200")):
        assert run_example(0, **known, TG_WEBHOOK_SECRET=secret) == status
    until(lambda: world.texts(olga) == ["Hello from curl"], what="the portal has it")
    for secret, status in (("wrong", "403"), (HANDLER_SECRET, "200"), (HANDLER_SECRET, "200")):
        assert run_example(1, **known, B24_HANDLER_SECRET=secret) == status
    until(lambda: olga.shown, what="the client has it")
    wait_idle(world.server)
    assert [message.content["text"] for message in olga.shown] == ["Ivan:\nHello from the portal"]
    assert world.texts(olga) == ["Hello from curl"]
