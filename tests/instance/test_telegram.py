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
from python_bot.simulator.telegram import PNG, Attachment, Bot, Client, TelegramServer
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
    rows = world.server.messages(world.chat_of(olga))
    assert [row["text_plain"] for row in rows if row["author"]["kind"] == "client"] == ["Здравствуйте!"]
    assert [(row["author"]["kind"], row["external"]["message_ids"]) for row in rows if "external" in row] == [
        ("client", [f"{olga.id}:{olga.shown[0].message_id}"]),
        ("operator", answer.delivered_as),
    ]
    dialog = world.server.api(f"/api/dialogs/{world.chat_of(olga)}")["dialog"]
    place = {"channel": "telegram", "account_id": 1, "chat_id": f"tg:{olga.id}"}
    assert dialog["external"] == {**place, "url": None, "state": "open"}
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


def open_dialog(world: World, name: str) -> tuple[Client, int]:
    """A new client whose dialog is open in the portal, and the portal's chat."""
    client = world.api.client(world.bot, name)
    client.writes("Добрый день!")
    until(lambda: world.texts(client) == ["Добрый день!"], what="the portal has it")
    return client, world.chat_of(client)


def test_every_kind_of_a_clients_message_is_in_the_portal_and_in_the_archive(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    answer = world.portal.operator(27).writes(chat_id, "Покажите")
    until(lambda: answer.delivered_as, what="it is delivered")
    olga.writes("Вот", reply_to=olga.shown[-1])
    olga.sends_photo(b"\x89PNG photo", "фото")
    olga.sends_document("смета.xlsx", b"PK sheet")
    olga.sends_voice(b"OggS voice")
    olga.sends_video(b"video")
    olga.sends_video_note(b"round")
    olga.sends_sticker(emoji="👍")
    olga.sends_location()
    olga.sends_contact("79990000000")
    olga.sends_album(Attachment("photo", b"\x89PNG one", "", "image/png", "две"), Attachment("photo", b"\x89PNG two"))
    until(lambda: len(world.shown(olga)) == 12, what="the portal has everything")
    files = [tuple(file.name.partition("_")[0] for file in message.files) for message in world.shown(olga)]
    texts = world.texts(olga)
    assert texts[2].startswith(">> Магазин: Иван Петров: Покажите\nВот")
    assert texts[3:5] == ["фото", ""] and files[3:9] == [
        ("photo",),
        ("смета.xlsx",),
        ("voice",),
        ("clip.mp4",),
        ("video",),
        ("sticker",),
    ]
    assert texts[8] == "Стикер 👍" and texts[9].startswith("Геопозиция\nhttps://yandex.ru/maps/")
    assert texts[10].startswith("Контакт: Olga, +79990000000 (номер самого клиента)")
    assert texts[11] == "две" and len(files[11]) == 2
    wait_idle(world.server)
    archive = world.server.messages(chat_id)
    kept = {row["text_plain"] for row in archive}
    assert {"фото", "Стикер 👍", "две"} <= kept
    assert sum(len(row["files"]) for row in archive) == 8


def test_files_of_the_team_arrive_as_what_they_are(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    portal, operator = world.portal, world.portal.operator(27)
    before = len(world.api.calls)
    pictures = [portal.file("a.png", PNG), portal.file("b.png", PNG)]
    for files in ([portal.file("договор.pdf", b"%PDF-1.4")], pictures):
        answer = operator.writes(chat_id, "Вот", files=files)
        until(lambda a=answer: a.delivered_as, what="it is delivered")  # type: ignore[misc]  # no type is inferred for a lambda's default
        assert len(answer.delivered_as) == len(files)
    assert [call.method for call in world.api.calls[before:] if call.method in ("sendDocument", "sendMediaGroup")] == [
        "sendDocument",
        "sendMediaGroup",
    ]
    assert olga.shown[1].content["document"]["file_name"] == "договор.pdf"


def test_edits_and_deletions_are_carried_over_both_ways(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    question = olga.shown[0]
    olga.edits(question, "Добрый вечер!")
    until(lambda: world.texts(olga) == ["Добрый вечер!"], what="the portal has the correction")
    answer = world.portal.operator(27).writes(chat_id, "Слушаю")
    until(lambda: answer.delivered_as, what="it is delivered")
    world.portal.operator(27).edits(answer, "Слушаю Вас")
    until(lambda: "Слушаю Вас" in olga.shown[-1].content["text"], what="the client has the correction")
    world.portal.operator(27).deletes(answer)
    until(lambda: len(olga.shown) == 1, what="it is taken back")


def test_a_client_who_blocks_the_bot_is_seen_and_the_operator_is_told_what_to_do(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    olga.blocks_bot()
    until(lambda: any("заблокировал бота" in text for text in world.texts(olga)), what="the dialog says so")
    answer = world.portal.operator(27).writes(chat_id, "Вы здесь?")
    until(lambda: any("Клиенту не доставлено" in text for text in world.texts(olga)), what="the operator is told")
    assert not answer.delivered_as
    olga.unblocks_bot()
    until(lambda: any("снова можно писать" in text for text in world.texts(olga)), what="the dialog says so")
    again = world.portal.operator(27).writes(chat_id, "А теперь?")
    until(lambda: again.delivered_as, what="it is delivered")


def test_another_program_that_asks_for_the_bot_is_explained(world: World) -> None:
    description = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    world.api.faults.refuse("getUpdates", 409, description)
    client = world.api.client(world.bot, "Olga")
    client.writes("Слышно?")  # ends the question that is waiting; the next one is refused
    until(lambda: "ещё одна программа" in (world.bot_row()["problem"] or ""), what="the account says so")
    bot = world.bot_row()["id"]
    assert world.ask("PATCH", f"/{bot}", {"active": False}).json["state"] == "off"
    assert world.ask("PATCH", f"/{bot}", {"active": True}).status == 200
    until(lambda: world.bot_row()["state"] == "working", what="it works again")
    until(lambda: world.texts(client) == ["Слышно?"], what="nothing was lost")


def test_the_operators_name_goes_along_unless_the_bot_is_told_otherwise(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    bot = world.bot_row()["id"]
    try:
        for signature, shown in ((False, "Без подписи"), (True, "Иван Петров: \nС подписью")):
            changed = world.ask("PATCH", f"/{bot}", {"signature": signature})
            assert (changed.status, changed.json["signature"]) == (200, signature)
            wait_idle(world.server)  # the portal has been told
            answer = world.portal.operator(27).writes(chat_id, shown.rpartition("\n")[2])
            until(lambda a=answer: a.delivered_as, what="it is delivered")  # type: ignore[misc]  # no type is inferred for a lambda's default
            assert olga.shown[-1].content["text"] == shown
    finally:
        world.ask("PATCH", f"/{bot}", {"signature": True})


def test_a_client_whose_account_is_gone_is_told_to_the_operator(world: World) -> None:
    olga, chat_id = open_dialog(world, "Olga")
    olga.deletes_account()
    answer = world.portal.operator(27).writes(chat_id, "Вы здесь?")
    until(lambda: any("клиент удалил свой аккаунт" in text for text in world.texts(olga)), what="the operator is told")
    assert not answer.delivered_as


def test_a_group_that_moves_and_a_bot_that_is_thrown_out_are_seen_in_the_dialog(world: World) -> None:
    group = world.api.group(world.bot, "Соседи", forum=False, kind="group")
    group.member("Olga").writes("Вы здесь?")

    def shown(chat_id: int) -> list[str]:
        address = f"tg:{chat_id}"
        return [m.text for chat in world.portal.chats if chat.external_chat_id == address for m in chat.messages]

    until(lambda: any("Вы здесь?" in text for text in shown(group.id)), what="the portal has it")
    moved = group.becomes_supergroup()
    until(lambda: any("получил другой номер" in text for text in shown(group.id)), what="the dialog says so")
    chat_id = next(chat.chat_id for chat in world.portal.chats if chat.external_chat_id == f"tg:{group.id}")
    answer = world.portal.operator(27).writes(chat_id, "Здесь")
    until(lambda: answer.delivered_as, what="the answer goes to the group under its new number")
    assert "Здесь" in moved.shown()[-1].content["text"]
    moved.set_bot(world.bot, "kicked")
    places = (group.id, moved.id)
    until(lambda: any("не доходят" in text for place in places for text in shown(place)), what="the dialog says so")


def test_every_kind_of_an_operators_message_is_with_the_client_and_in_the_archive(world: World) -> None:
    """Each in a chat of its own: Telegram takes one message a second in a chat."""
    portal, operator = world.portal, world.portal.operator(27)
    long_text = "\n".join(f"Строка {number:03} прайса, цена {number} руб." for number in range(200))
    pictures = ("a.png", "b.png")
    kinds = {
        "схема.png": "photo",
        "обзор.mp4": "video",
        "ответ.ogg": "voice",
        "песня.mp3": "audio",
        "счёт.xlsx": "document",
    }
    wanted: list[tuple[str, tuple[str, ...], int]] = [
        ("Да, [b]есть[/b], [url=https://shop.example/1]вот[/url]", (), 1),
        *(("Вот" if kind == "photo" else "", (name,), 1) for name, kind in kinds.items()),
        ("Альбом", pictures, 2),
        (long_text, (), 2),
        ("Опечтка", (), 1),
        ("Лишнее", (), 1),
    ]
    clients = [world.api.client(world.bot, f"Olga{number}") for number in range(len(wanted))]
    for client in clients:
        client.writes("Добрый день!")
    until(lambda: all(world.texts(client) == ["Добрый день!"] for client in clients), what="the portal has them all")
    said = [
        operator.writes(world.chat_of(client), text, files=[portal.file(name, PNG) for name in names])
        for client, (text, names, _) in zip(clients, wanted, strict=True)
    ]
    until(lambda: all(message.delivered_as for message in said), what="all are delivered")
    operator.edits(said[-2], "Опечатка")
    operator.deletes(said[-1])
    until(lambda: "Опечатка" in clients[-2].shown[-1].content["text"], what="the client has the correction")
    until(lambda: len(clients[-1].shown) == 1, what="the other one sees it no more")
    wait_idle(world.server)
    rows = [world.server.messages(message.chat_id)[-1] for message in said]
    for row, message, (text, names, count) in zip(rows, said, wanted, strict=True):
        assert row["author"]["kind"] == "operator" and row["external"]["message_ids"] == message.delivered_as
        assert ([file["name"] for file in row["files"]], len(message.delivered_as)) == ([*names], count)
        assert row["text"] == ("Опечатка" if text == "Опечтка" else text)
    assert rows[0]["text_plain"] == "Да, есть, вот (https://shop.example/1)"
    assert [(bool(row["edited_at"]), bool(row["deleted_at"])) for row in rows[-2:]] == [(True, False), (False, True)]
    for client, kind in zip(clients[1:6], kinds.values(), strict=True):
        assert kind in client.shown[-1].content, client.shown[-1].content
    assert "".join(message.content["text"] for message in clients[7].shown[1:]).endswith(long_text[-30:])
