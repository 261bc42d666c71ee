"""The fetch mode: no request ever reaches us, events are pulled through imbot.v2, and the promises are the same."""

from __future__ import annotations

import contextlib
import re
import threading
import urllib.request
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import (
    adopt,
    attach_by_hand,
    auth_file,
    handover_calls,
    integrity,
    log_text,
    status,
    wait_idle,
)
from tests.support import Server, until
from tests.support.payloads import CLIENT_ID

EVENT_GET = "imbot.v2.Event.get"


def fetching(portal: SimulatedPortal, **env: str) -> Server:
    server = Server(portal, env={"B24BOT_EVENT_MODE": "fetch", **env})
    del server.env["B24BOT_PUBLIC_URL"]  # a server without a public address has none
    return server


@contextlib.contextmanager
def at_work(portal: SimulatedPortal) -> Iterator[Server]:
    server = fetching(portal, B24BOT_LINES="none")
    adopt(portal, server)
    portal.faults.drop_events(1_000_000)  # nothing could reach this server anyway
    with server:
        until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(server)
        attach_by_hand(portal)
        yield server


def truth(portal: SimulatedPortal, chat_id: int) -> list[tuple[int, str]]:
    """What the portal holds of a chat, bots' own words aside (a bot is never told of those)."""
    bots = set(portal.core.bots)
    return [(m.message_id, m.text) for m in portal.chat(chat_id).messages if m.author_id not in bots]


def archived(server: Server, chat_id: int) -> list[tuple[int, str]]:
    return [(m["message_id"], m["text"]) for m in server.messages(chat_id)]


def offsets(portal: SimulatedPortal) -> list[int]:
    return [int(call.params.get("offset") or 0) for call in portal.calls_of(EVENT_GET)]


def browse(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_it_is_installed_by_the_code_flow_and_works_without_one_inbound_post(portal: SimulatedPortal) -> None:
    server = fetching(portal)
    portal.install_app(server.handler_url, client_id=CLIENT_ID, client_secret=server.env["CLIENT_SECRET"], send=False)
    with server:
        found = re.search(r'href="([^"]+/oauth/authorize/[^"]+)"', server.get("/python_bot/").text)
        assert found and "Готово" in browse(unescape(found[1]))
        until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(server)
        (bot,) = portal.core.bots.values()
        assert (bot.api, bot.event_mode, bot.openline) == ("v2", "fetch", True)
        assert portal.line(3).bot_id == bot.bot_id

        client = portal.client("Анна Смирнова")
        client.writes("Добрый день! 👍")
        chat_id = client.chat.chat_id
        until(lambda: portal.handed_over(chat_id), what="the client reaches an operator")
        assert client.chat.session.handed_over_by == "rest"
        operator = portal.operator(27)
        answer = operator.writes(chat_id, "Здравствуйте, [b]Анна[/b]!")
        operator.edits(answer, "Здравствуйте, Анна!")
        file = client.writes("", [portal.file("чек №7.jpg", b"x" * 100)])
        until(lambda: archived(server, chat_id) == truth(portal, chat_id), what="everything that was said is archived")
        by_id = {m["message_id"]: m for m in server.messages(chat_id)}
        assert by_id[answer.message_id]["edited_at"] and by_id[answer.message_id]["author"]["kind"] == "operator"
        assert [f["name"] for f in by_id[file.message_id]["files"]] in (["чек №7.jpg"], [""])
        assert by_id[file.message_id]["author"] == {"id": client.user_id, "name": "Анна Смирнова", "kind": "client"}
        until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["session_id"], what="the session is known")
        dialog = server.api(f"/api/dialogs/{chat_id}")["dialog"]
        assert dialog["session_id"] == client.chat.session.session_id
        assert (dialog["line_id"], dialog["connector_id"]) == (3, "telegrambot")
        assert dialog["client"] == {"id": client.user_id, "name": "Анна Смирнова"} and dialog["handed_over_at"]
        assert portal.deliveries == []
        assert not [handler for handler in portal.core.handlers if handler.owner == CLIENT_ID]
        assert auth_file(server)["access_token"]


def test_one_hand_over_a_session_and_another_for_the_next(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        client = portal.client("Анна")
        client.writes("Первое")
        client.writes("Обращение")
        chat_id = client.chat.chat_id
        until(lambda: portal.handed_over(chat_id))
        portal.operator(27).finishes(chat_id)
        until(lambda: archived(server, chat_id) == truth(portal, chat_id))
        portal.clock.advance(60)
        client.writes("Второе")
        until(lambda: len(handover_calls(portal, chat_id)) == 2, what="the new session is handed over")
        until(lambda: portal.handed_over(chat_id))
        until(lambda: archived(server, chat_id) == truth(portal, chat_id))
        wait_idle(server)
        assert len(handover_calls(portal, chat_id)) == 2


def test_an_offset_is_confirmed_only_after_what_is_below_it_is_stored(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        client = portal.client("Анна")
        for number in range(3):
            client.writes(f"Сообщение {number}")
            until(lambda: archived(server, client.chat.chat_id) == truth(portal, client.chat.chat_id))
        until(lambda: len(offsets(portal)) > 2 and offsets(portal)[-1] == offsets(portal)[-2])
        assert offsets(portal) == sorted(offsets(portal))
        ((stored,),) = server.sql("SELECT value FROM facts WHERE name = 'fetch_offset'")
        assert offsets(portal)[-1] == int(stored)


def test_what_gathered_while_we_were_down_is_fetched_page_by_page(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        server.stop()
        clients = [portal.client(f"Клиент {n}", external_id=f"c{n}") for n in range(5)]
        for number in range(100):
            for client in clients:
                client.writes(f"Сообщение {number}")
        before = len(portal.calls_of(EVENT_GET))
        server.start()
        for client in clients:
            chat_id = client.chat.chat_id
            until(lambda c=chat_id: set(truth(portal, c)) <= set(archived(server, c)), 30)  # type: ignore[misc]  # no type is inferred for a lambda's default
        calls = portal.calls_of(EVENT_GET)[before:]
        assert len([call for call in calls if call.params.get("offset")]) >= 2
        until(lambda: all(portal.handed_over(client.chat.chat_id) for client in clients))
        assert portal.limits.refused == 0


def test_sigkills_between_fetching_and_confirming_lose_and_double_nothing(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        is_over = threading.Event()
        clients = [portal.client(f"Клиент {n}", external_id=f"c{n}") for n in range(6)]

        def talk() -> None:
            number = 0
            while not is_over.is_set():
                clients[number % 6].writes(f"Сообщение {number}")
                number += 1
                is_over.wait(0.004)

        speaker = threading.Thread(target=talk)
        speaker.start()
        try:
            for _ in range(5):
                calls = len(portal.calls_of(EVENT_GET))
                until(lambda calls=calls: len(portal.calls_of(EVENT_GET)) > calls, 20)  # type: ignore[misc]  # no type is inferred for a lambda's default
                server.kill()  # the answer is on its way, or just arrived, or is being stored
                server.start()
        finally:
            is_over.set()
            speaker.join()
        for client in clients:
            chat_id = client.chat.chat_id
            until(lambda c=chat_id: archived(server, c) == truth(portal, c), 30, what="all is archived, once")  # type: ignore[misc]  # no type is inferred for a lambda's default
            found = server.api(f"/api/dialogs/{chat_id}?limit=500")["dialog"]["message_count"]
            assert found == len(truth(portal, chat_id))
            until(lambda c=chat_id: portal.handed_over(c), 30)  # type: ignore[misc]  # no type is inferred for a lambda's default
        wait_idle(server, 30)
        assert server.sql("SELECT fingerprint FROM journal GROUP BY 1 HAVING COUNT(*) > 1") == []
        server.stop()
        assert integrity(server) == "ok"


def test_a_portal_that_is_away_only_delays(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        portal.faults.down = True
        client = portal.client("Анна")
        client.writes("Есть кто?")
        until(lambda: "could not be fetched" in log_text(server), what="the log says so")
        portal.faults.down = False
        until(lambda: portal.handed_over(client.chat.chat_id), 20)
        until(lambda: archived(server, client.chat.chat_id) == truth(portal, client.chat.chat_id))


def test_an_expired_token_is_refreshed_here_too(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        portal.core.tokens.expire_access()
        client = portal.client("Анна")
        client.writes("Час прошёл")
        until(lambda: portal.handed_over(client.chat.chat_id))
        until(lambda: archived(server, client.chat.chat_id) == truth(portal, client.chat.chat_id))


def test_disabled_it_fetches_nothing_and_later_everything(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        server.api("/api/admin/disable", "POST")
        calls: list[int] = []

        def is_quiet() -> bool:
            calls.append(len(portal.calls))
            return len(calls) > 60 and calls[-60] == calls[-1]  # no call for more than a second

        until(is_quiet)
        client = portal.client("Анна")
        client.writes("Выключено?")
        until(is_quiet)
        assert len(portal.calls) == calls[0] or len(portal.calls) == calls[-1]
        assert not portal.handed_over(client.chat.chat_id)
        server.api("/api/admin/enable", "POST")
        until(lambda: portal.handed_over(client.chat.chat_id))
        until(lambda: archived(server, client.chat.chat_id) == truth(portal, client.chat.chat_id))


def test_a_removed_bot_comes_back(portal: SimulatedPortal) -> None:
    with at_work(portal) as server:
        before = status(server)["portal"]["bot_id"]
        portal.delete_bot(before)
        until(lambda: status(server)["portal"]["bot_id"] != before, 20, what="a new bot is registered")
        attach_by_hand(portal)
        client = portal.client("Анна")
        client.writes("Бот на месте?")
        until(lambda: portal.handed_over(client.chat.chat_id), 20)


def test_a_portal_without_the_second_version_is_told_plainly(portal: SimulatedPortal) -> None:
    portal.build.v2_supported = False
    server = fetching(portal)
    adopt(portal, server)
    with server:
        until(lambda: status(server)["portal"], what="the set-up has reported")
        report: dict[str, Any] = status(server)["portal"]
        said = " ".join(report["problems"])
        assert report["bot_id"] == 0 and "imbot.v2" in said and "B24BOT_EVENT_MODE=webhook" in said
        assert server.get("/readyz").status == 200


@pytest.mark.parametrize("first", ["webhook", "fetch"])
def test_the_mode_can_be_changed_over_a_restart(first: str, portal: SimulatedPortal) -> None:
    server = Server(portal, env={"B24BOT_EVENT_MODE": first})
    adopt(portal, server)
    second = {"webhook": "fetch", "fetch": "webhook"}[first]
    with server:
        until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(server)
        server.stop()
        server.env["B24BOT_EVENT_MODE"] = second
        server.start()
        until(lambda: status(server)["portal"]["event_mode"] == second, what="the set-up was repeated")
        wait_idle(server)
        if second == "fetch":
            portal.faults.drop_events(1_000_000)  # nothing is pushed any more
        client = portal.client("Анна")
        client.writes("В другом режиме")
        until(lambda: portal.handed_over(client.chat.chat_id), what="the client reaches an operator")
        until(lambda: "В другом режиме" in [text for _, text in archived(server, client.chat.chat_id)])
