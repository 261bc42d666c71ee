"""Every recorded update of Telegram goes through the bot and the portal into the archive, and looks right there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from python_bot.channels.base import Incoming
from python_bot.channels.telegram.inbound import read_update
from python_bot.simulator import SimulatedPortal
from python_bot.simulator.telegram import TelegramServer
from python_bot.simulator.telegram.model import StoredFile
from tests.instance.tools import BEARER, at_work, wait_idle
from tests.support import Server
from tests.support.server import ROOT
from tests.unit.test_telegram_recorded import BOT

FOLDER: Final = ROOT / "tests/fixtures/telegram"
UPDATES: Final = {
    row["file"]: json.loads((FOLDER / f"{row['file']}.json").read_bytes())
    for row in json.loads((FOLDER / "index.json").read_bytes())
}
HOOK: Final = {"X_Telegram_Bot_Api_Secret_Token": "S3cret_demo-1", "Content_Type": "application/json"}
OLGA: Final = "tg:5200000123"


@dataclass
class Row:
    """A message of the archive. `numbers`: those of Telegram."""

    text: str
    files: list[str]
    numbers: list[str]


def files_in(value: Any) -> Iterator[str]:
    """Every file_id of an update."""
    if isinstance(value, dict) and "file_id" in value:
        yield value["file_id"]
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from files_in(each)


def expected() -> dict[str, list[Row]]:
    """Chat -> its messages, out of what each update says alone (see tests/unit/test_telegram_recorded.py)."""
    chats: dict[str, list[Row]] = {}
    albums: dict[str, Row] = {}
    for item in (item for update in UPDATES.values() for item in read_update(BOT, update)):
        if not isinstance(item, Incoming):
            continue
        rows, names = chats.setdefault(item.chat_id, []), [file.name for file in item.files]
        # A group is one client, and each message begins with who wrote it; in its topics too.
        text = f"{item.sender.name} {item.sender.last_name}: {item.text}" if item.thread else item.text
        edited = next((row for row in rows if item.message_id in row.numbers), None)
        if edited is not None:
            edited.text = text
        elif item.album in albums:
            row = albums[item.album]
            row.text, row.files, row.numbers = row.text or text, row.files + names, [*row.numbers, item.message_id]
        else:
            rows.append(Row(text, names, [item.message_id]))
            if item.album:
                albums[item.album] = rows[-1]
    return chats


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """All updates were told, in the order of their numbers, and everything that they lead to is done."""
    with TelegramServer(limits=False) as api, SimulatedPortal() as portal:
        bot = api.add_bot("Bridge", "bridge_demo_bot", token="7000000001:AA-token-of-the-recorded-bot")
        with at_work(portal, env={"TELEGRAM_API_URL": api.url}) as (_, running):
            body = {"token": bot.token, "line_id": 3, "webhook_secret": HOOK["X_Telegram_Bot_Api_Secret_Token"]}
            made = running.request("POST", "/api/telegram/bots", json.dumps(body).encode(), **BEARER)
            assert made.status == 201, made.text
            wait_idle(running)
            for name, update in UPDATES.items():
                for file_id in files_in(update):
                    path = f"documents/{file_id}"
                    api.core.files[file_id] = StoredFile(file_id, file_id, bot.id, file_id.encode(), "", "", path)
                answer = running.request("POST", "/tg/webhook", json.dumps(update).encode(), **HOOK)
                assert answer.status == 200, name
            wait_idle(running, 60)
            yield running


def test_every_recorded_update_is_in_the_archive_as_what_it_is(server: Server) -> None:
    found: dict[str, list[Row]] = {}
    for dialog in server.api("/api/dialogs?limit=500")["dialogs"]:
        one = server.api(f"/api/dialogs/{dialog['chat_id']}?limit=500")
        found[one["dialog"]["external"]["chat_id"]] = [
            # In the portal nothing that a client typed is BB code: an invisible sign stands after each bracket.
            Row(row["text_plain"].replace("\u2060", ""), [file["name"] for file in row["files"]], place["message_ids"])
            for row in one["messages"]
            if (place := row.get("external")) is not None
        ]
        assert {row["author"]["kind"] for row in one["messages"] if "external" in row} == {"client"}
    wanted = expected()
    assert found.keys() == wanted.keys()
    for chat_id, rows in wanted.items():
        assert found[chat_id] == rows, chat_id


def test_what_became_of_a_chat_is_said_in_its_dialog_and_is_in_no_messenger(server: Server) -> None:
    (chat_id,) = (
        chat_id for (chat_id,) in server.sql("SELECT portal_chat_id FROM channel_chats WHERE chat_id = ?", OLGA)
    )
    notices = [row for row in server.messages(chat_id) if row["author"]["kind"] == "system"]
    told = [row["text_plain"] for row in notices]
    assert told[-2:] == [
        "Клиент заблокировал бота: сообщения не дойдут, пока он не напишет сам.",
        "Клиенту снова можно писать.",
    ]
    assert not any("external" in row for row in notices)
