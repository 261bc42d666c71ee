"""What employees may say to the bot in their own chat with it; and that it speaks to nobody else, nowhere else."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import adopt, altered, at_work, attach_by_hand, client_message, status, wait_idle
from tests.support import Server, until
from tests.support.payloads import form


def allow(server: Server, *user_ids: int) -> None:
    """These employees look after the bot, as the page stores it."""
    with contextlib.closing(sqlite3.connect(server.home / "dialogs.db", timeout=30)) as db, db:
        db.executemany("INSERT INTO bot_chats (user_id) VALUES (?)", [(user_id,) for user_id in user_ids])


@contextmanager
def asked_by(*user_ids: int, **env: str) -> Iterator[tuple[SimulatedPortal, Server, int]]:
    with at_work(env=env) as (portal, server):
        allow(server, *user_ids)
        yield portal, server, max(portal.core.bots)


def said(portal: SimulatedPortal, bot_id: int, user_id: int) -> list[str]:
    """What the bot wrote to this employee."""
    chat = portal.core.private_chats.get((bot_id, user_id))
    return [text for author, text in chat.messages if author == bot_id] if chat else []


def test_the_commands_are_answered_in_the_private_chat_while_strangers_and_clients_hear_nothing() -> None:
    with asked_by(27) as (portal, server, bot_id):
        portal.add_user(28, "Мария Иванова")
        client = portal.client("Анна").writes("ping")
        until(lambda: portal.handed_over(client.chat_id), what="the dialog is handed over")
        portal.operator(27).writes(client.chat_id, "ping")
        portal.operator(27).whispers(client.chat_id, "status")
        portal.operator(28).tells_bot(bot_id, "ping")
        portal.operator(27).tells_bot(bot_id, "как дела?")
        portal.operator(27).tells_bot(bot_id, " Ping! ")
        until(lambda: len(said(portal, bot_id, 27)) == 1, what="ping is answered")
        assert said(portal, bot_id, 27)[0].startswith("✅ Работаю · линий: ")
        assert "\n" not in said(portal, bot_id, 27)[0] and "диалогов: 1 (открыто 1)" in said(portal, bot_id, 27)[0]
        portal.operator(27).tells_bot(bot_id, "/статус")
        until(lambda: len(said(portal, bot_id, 27)) == 2, what="status is answered")
        assert "Сверено с порталом" in said(portal, bot_id, 27)[1]
        portal.operator(27).tells_bot(bot_id, "help")
        until(lambda: len(said(portal, bot_id, 27)) == 3, what="help is answered")
        assert "[b]ping[/b]" in said(portal, bot_id, 27)[2]
        portal.wait_quiet()
        wait_idle(server)
        assert len(said(portal, bot_id, 27)) == 3 and said(portal, bot_id, 28) == []
        assert {call.params["DIALOG_ID"] for call in portal.calls_of("imbot.message.add")} == {27}
        assert "ping" in [message["text"] for message in server.messages(client.chat_id)]
        # What is said to the bot in private is no dialog of the archive.
        assert server.sql("SELECT COUNT(*) FROM dialogs") == [(1,)]
        chat = portal.core.private_chats[bot_id, 27]
        assert server.sql("SELECT user_id, chat_id FROM bot_chats") == [(27, chat.chat_id)]


def test_an_answer_says_what_is_wrong_first() -> None:
    with asked_by(27) as (portal, server, bot_id):
        server.stop()
        pair = next(iter(portal.core.apps.values())).tokens(27)
        server.pretend_installed(access_token=pair.access_token, refresh_token=pair.refresh_token)
        server.start()
        until(lambda: status(server)["portal"]["admin"] is False, what="the new installer is known")
        wait_idle(server)
        portal.operator(27).tells_bot(bot_id, "ping")
        until(lambda: said(portal, bot_id, 27), what="ping is answered")
        assert said(portal, bot_id, 27)[0].startswith("⚠️ приложение установил сотрудник без прав администратора")


def test_in_the_mode_that_fetches_events_the_commands_work_too(portal: SimulatedPortal) -> None:
    server = Server(portal, env={"B24BOT_EVENT_MODE": "fetch", "B24BOT_LINES": "none"})
    adopt(portal, server)
    with server:
        until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(server)
        attach_by_hand(portal)
        bot_id = max(portal.core.bots)
        allow(server, 27)
        portal.operator(27).tells_bot(bot_id, "ping")
        until(lambda: said(portal, bot_id, 27), what="ping is answered")


@pytest.mark.parametrize(
    "changes",
    [
        {"CHAT_TYPE": "L", "MESSAGE_TYPE": "L"},
        {"CHAT_TYPE": "L"},
        {"MESSAGE_TYPE": "L"},
        {"CHAT_TYPE": "C", "MESSAGE_TYPE": "C"},
        {"CHAT_TYPE": "", "MESSAGE_TYPE": ""},
        {"CHAT_ENTITY_TYPE": "LINES"},
        {"CHAT_ENTITY_ID": "telegrambot|3|209607941|744"},
        {"CHAT_ENTITY_TYPE": "LIVECHAT"},
        {"DIALOG_ID": "chat1801"},
        {"DIALOG_ID": "28"},
        {"FROM_USER_ID": "28", "DIALOG_ID": "28"},
        {"SYSTEM": "Y"},
    ],
)
def test_no_message_but_one_in_the_own_chat_is_a_command(changes: dict[str, str], quiet: Server) -> None:
    asked = {"MESSAGE": "ping", "FROM_USER_ID": "27", "DIALOG_ID": "27"} | changes
    body = altered(form("onimbotmessageadd__private"), {f"data[PARAMS][{key}]": value for key, value in asked.items()})
    assert quiet.post_event(body).status == 200
    assert quiet.sql("SELECT * FROM outbox WHERE kind = 'answer'") == []
    for who in ("IS_BOT", "IS_CONNECTOR"):
        private = {"data[PARAMS][MESSAGE]": "ping", f"data[USER][{who}]": "Y"}
        assert quiet.post_event(altered(form("onimbotmessageadd__private"), private)).status == 200
    assert quiet.sql("SELECT * FROM outbox WHERE kind = 'answer'") == []
    assert quiet.post_event(client_message(91001, text="ping")).status == 200
    assert quiet.sql("SELECT * FROM outbox WHERE kind = 'answer'") == []


def test_whoever_hammers_waits_once_for_each_command(quiet: Server) -> None:
    for number in range(20):
        for word in ("ping", "status"):
            changes = {"data[PARAMS][MESSAGE]": word, "data[PARAMS][MESSAGE_ID]": str(92000 + 2 * number)}
            changes["ts"] = str(1785312097 + number)
            assert quiet.post_event(altered(form("onimbotmessageadd__private"), changes)).status == 200
    assert quiet.sql("SELECT COUNT(*) FROM outbox WHERE kind = 'answer'") == [(2,)]


@pytest.fixture(scope="module")
def quiet() -> Iterator[Server]:
    """An instance that is switched off, so that jobs stay where they are; employee 27 may give commands."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            allow(server, 27)
            yield server
