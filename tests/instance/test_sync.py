"""The archive becomes complete by itself: what was missed is found, repaired, and not asked for again."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from python_bot.archive import SqliteArchive, SqliteComparison
from python_bot.db import Storage
from python_bot.outbox import SqliteOutbox
from python_bot.simulator import SimulatedPortal
from python_bot.sync.runs import Runs
from tests.instance.tools import BEARER, at_work, error_code, status
from tests.support import Server, until
from tests.support.clock import SharedClock

HISTORY = "imopenlines.session.history.get"
CARD = "imopenlines.dialog.get"


def history_calls(portal: SimulatedPortal) -> int:
    return len(portal.calls_of(HISTORY))


def talk(portal: SimulatedPortal, number: int, *, line: int = 3, words: int = 1, end: bool = True) -> int:
    """A conversation from beginning to end; its chat."""
    client = portal.client(f"Клиент {number}", connector="telegrambot", line=line, external_id=f"p{number}")
    chat_id = client.writes(f"Вопрос {number}").chat_id
    for word in range(words):
        portal.operator(27).writes(chat_id, f"Ответ {number}.{word}")
    if end:
        portal.operator(27).finishes(chat_id)
    return chat_id


def truth(portal: SimulatedPortal, chat_id: int) -> list[tuple[Any, ...]]:
    return [
        (m.message_id, m.session_id, m.author_id, m.text, int(m.date), m.edited, m.deleted)
        for m in portal.chat(chat_id).messages
    ]


def archived(server: Server, chat_id: int) -> list[tuple[Any, ...]]:
    rows = server.messages(chat_id)
    assert all(row["sent_at_exact"] for row in rows)
    return [
        (
            row["message_id"],
            row["session_id"],
            row["author"]["id"],
            row["text"],
            int(time.mktime(time.strptime(row["sent_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone),
            row["edited_at"] is not None,
            row["deleted_at"] is not None,
        )
        for row in rows
    ]


def dialog(server: Server, chat_id: int, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = server.api(f"/api/dialogs/{chat_id}{query}")
    return found


def is_complete(server: Server, chat_id: int) -> bool:
    answer = server.get(f"/api/dialogs/{chat_id}", **BEARER)
    return answer.status == 200 and bool(answer.json["dialog"]["complete"])


def caught_up(server: Server) -> bool:
    """Nothing waits but the looks that are planned for later."""
    return not status(server)["outbox"]["waiting"]


# --- while we were away


def test_two_hundred_sessions_of_an_hour_away_are_found_and_nobody_waits_for_it() -> None:
    with SimulatedPortal(limits=True, latency_s=0.15) as portal, at_work(portal) as (_, server):
        seen = talk(portal, 0)
        until(lambda: is_complete(server, seen), what="the session we saw is compared")
        server.stop()
        missed = [talk(portal, number) for number in range(1, 201)]
        portal.wait_quiet(60)
        portal.clock.advance(3600)
        server.start()
        busy = hand_overs(portal, "busy")
        assert not all(is_complete(server, chat_id) for chat_id in missed), "it was over before it could disturb"
        until(lambda: all(is_complete(server, chat_id) for chat_id in missed), 120, what="all are found")
        for chat_id in missed:
            assert archived(server, chat_id) == truth(portal, chat_id)
            found = dialog(server, chat_id)["dialog"]
            assert (found["status"], found["line_id"]) == ("closed", 3)
        assert portal.limits.refused == 0
        until(lambda: caught_up(server), 60, what="quiet again")
        quiet = hand_overs(portal, "quiet")
        assert max(busy) <= 2 * max(quiet), (busy, quiet)


def hand_overs(portal: SimulatedPortal, name: str, count: int = 20) -> list[float]:
    """New dialogs, one after the other; how long each client waited for his hand-over, in seconds."""
    waited: list[float] = []
    for number in range(count):
        client = portal.client(f"{name} {number}", connector="telegrambot", line=3, external_id=f"{name}{number}")
        session_id = client.writes("Добрый день!").session_id
        until(lambda s=session_id: s in portal.handover_times)  # type: ignore[misc]  # no type is inferred for a lambda's default
        waited.append(portal.handover_times[session_id])
        time.sleep(0.45)  # slower than the pace, so that no dialog waits for the one before
    return waited


@pytest.mark.parametrize("step", [1, 2])
def test_an_event_that_was_lost_is_found_in_the_gap_that_it_leaves(step: int) -> None:
    with SimulatedPortal(id_step=step) as portal, at_work(portal) as (_, server):
        first = talk(portal, 0)
        portal.wait_quiet()
        portal.faults.drop_events(1_000)
        lost = talk(portal, 1)
        portal.wait_quiet()
        portal.faults.drop_events(0)
        last = talk(portal, 2)
        until(lambda: is_complete(server, first) and is_complete(server, last), what="what was heard is compared")
        server.stop()
        server.start()
        until(lambda: is_complete(server, lost), 30, what="the lost one is found")
        assert archived(server, lost) == truth(portal, lost)


def test_the_first_session_of_all_is_found_though_its_every_event_was_lost() -> None:
    with SimulatedPortal() as portal, at_work(portal) as (_, server):
        portal.faults.drop_events(1_000)
        lost = [talk(portal, number) for number in range(3)]
        portal.faults.clear()
        seen = talk(portal, 3)
        until(lambda: is_complete(server, seen), what="the session we saw is compared")
        server.stop()
        server.start()
        until(lambda: all(is_complete(server, chat_id) for chat_id in lost), 30, what="those before it are found")
        for chat_id in lost:
            assert archived(server, chat_id) == truth(portal, chat_id)


def test_conversations_from_before_the_installation_are_looked_at_but_not_kept() -> None:
    with SimulatedPortal() as portal:
        before = [talk(portal, number) for number in range(3)]
        said_at = int(time.time())
        portal.clock.advance(60)
        until(lambda: int(time.time()) > said_at, what="a second has passed: the beginning is kept in seconds")
        with at_work(portal) as (_, server):
            seen = talk(portal, 3)
            until(lambda: is_complete(server, seen), what="the session we saw is compared")
            server.stop()
            server.start()
            until(lambda: caught_up(server), 30, what="every number has been looked at")
            assert {chat["chat_id"] for chat in server.api("/api/dialogs")["dialogs"]} == {seen}
            assert not {seen} & set(before)


def test_a_closed_dialog_that_went_on_unheard_is_read_again_some_days_later(tmp_path: Path) -> None:
    with SimulatedPortal() as portal:
        clock = SharedClock(portal, tmp_path / "clock")
        with at_work(portal, env=clock.env) as (_, server):
            chat_id = talk(portal, 0, words=2)
            clock.advance(10)
            until(lambda: is_complete(server, chat_id), what="the session is compared")
            portal.wait_quiet()
            portal.faults.drop_events(1_000)
            client = portal.client("Клиент 0", connector="telegrambot", line=3, external_id="p0")
            portal.reopen(portal.chat(chat_id).session.session_id)
            clock.advance(10)
            client.edits(portal.chat(chat_id).messages[0], "Вопрос, но другой")
            portal.operator(27).writes(chat_id, "Ещё ответ")
            clock.advance(10)
            portal.operator(27).finishes(chat_id)
            portal.faults.clear()
            clock.advance(74 * 3600)  # the next round of discovery comes every hour
            until(lambda: archived(server, chat_id) == truth(portal, chat_id), 30, what="it is read again")
            assert dialog(server, chat_id)["dialog"]["status"] == "closed"


def test_recent_chats_of_the_installer_tell_what_numbers_do_not() -> None:
    with at_work() as (portal, server):
        chat_id = talk(portal, 0, end=False)
        portal.operator(1).writes(chat_id, "Администратор в чате")
        portal.wait_quiet()
        server.stop()
        portal.operator(1).writes(chat_id, "Пока вас не было")
        portal.operator(27).finishes(chat_id)
        portal.wait_quiet()
        server.start()
        until(lambda: is_complete(server, chat_id) and archived(server, chat_id) == truth(portal, chat_id), 30)
        assert dialog(server, chat_id)["dialog"]["status"] == "closed"


def test_sessions_of_lines_that_are_not_ours_are_neither_kept_nor_read() -> None:
    with SimulatedPortal() as portal:
        portal.add_line("Чужая", line_id=7)
        with at_work(portal, env={"B24BOT_LINES": "3"}) as (_, server):
            seen = talk(portal, 0)
            until(lambda: is_complete(server, seen))
            server.stop()
            foreign, ours = talk(portal, 1, line=7), talk(portal, 2)
            portal.wait_quiet()
            server.start()
            until(lambda: is_complete(server, ours), 30, what="ours is found")
            until(lambda: caught_up(server), 30)
            assert server.get(f"/api/dialogs/{foreign}", **BEARER).status == 404
            foreign_session = portal.sessions(foreign)[0].session_id
            assert str(foreign_session) not in {str(c.params.get("SESSION_ID")) for c in portal.calls_of(HISTORY)}


# --- nothing is asked for what is complete


def test_nothing_is_asked_for_what_is_closed_and_complete() -> None:
    with at_work() as (portal, server):
        chats = [talk(portal, number) for number in range(5)]
        until(lambda: all(is_complete(server, chat_id) for chat_id in chats), 30)
        until(lambda: caught_up(server))
        asked = history_calls(portal)
        assert asked <= 2 * len(chats)
        server.stop()
        server.start()
        until(lambda: len(portal.calls_of("im.recent.list")) >= 2, what="the search begins")
        until(lambda: caught_up(server), 30)
        assert history_calls(portal) == asked
        assert status(server)["outbox"]["planned"].get("reconcile", 0) == 0


# --- repairs


def test_what_was_edited_and_deleted_while_we_were_away_is_repaired() -> None:
    with at_work() as (portal, server):
        client = portal.client("Анна", connector="telegrambot", line=3, external_id="a")
        first = client.writes("Нужен диван")
        second = client.writes("и кот")
        chat_id = first.chat_id
        until(lambda: len(server.messages(chat_id)) >= 2)
        server.stop()
        client.edits(first, "Нужен синий диван")
        client.deletes(second)
        portal.operator(27).finishes(chat_id)
        portal.wait_quiet()
        server.start()
        until(lambda: is_complete(server, chat_id), 30)
        rows = {row["message_id"]: row for row in server.messages(chat_id)}
        assert (rows[first.message_id]["text"], bool(rows[first.message_id]["edited_at"])) == (
            "Нужен синий диван",
            True,
        )
        assert (rows[second.message_id]["text"], bool(rows[second.message_id]["deleted_at"])) == ("и кот", True)
        assert all(row["sent_at_exact"] for row in rows.values())
        assert dialog(server, chat_id)["dialog"]["status"] == "closed"
        ((body,),) = server.sql("SELECT body FROM histories WHERE chat_id = ?", chat_id)
        kept = json.loads(zlib.decompress(body))
        assert kept["sessionId"] == first.session_id and str(first.message_id) in kept["message"]


# --- a portal that refuses


def test_a_session_that_the_portal_refuses_holds_up_no_other_and_is_tried_at_the_next_start() -> None:
    with at_work() as (portal, server):
        chats = [talk(portal, number, end=False) for number in range(6)]
        until(lambda: all(server.messages(chat_id) for chat_id in chats))
        for refusals in (3, 0):
            server.stop()
            if refusals:
                portal.faults.fail(HISTORY, "ACCESS_DENIED", 400, times=refusals)
            server.start()
            expected = len(chats) - refusals
            until(lambda n=expected: sum(is_complete(server, chat) for chat in chats) == n, 30)  # type: ignore[misc]  # no type is inferred for a lambda's default
            until(lambda: caught_up(server))
            assert status(server)["outbox"]["buried"].get("reconcile", 0) == 3


def test_a_portal_that_says_too_many_requests_is_left_alone_for_a_while_and_then_asked_again() -> None:
    with at_work() as (portal, server):
        portal.faults.fail("batch", "QUERY_LIMIT_EXCEEDED", 503, times=2, description="Too many requests")
        chats = [talk(portal, number) for number in range(3)]
        until(lambda: all(is_complete(server, chat_id) for chat_id in chats), 60, what="compared in the end")


def test_a_method_whose_working_time_is_used_up_is_not_called_until_it_is_granted_again() -> None:
    with SimulatedPortal(limits=True) as portal, at_work(portal) as (_, server):
        portal.limits.operating.cost_s[HISTORY.lower()] = 150.0
        chats = [talk(portal, number) for number in range(12)]
        until(lambda: history_calls(portal) >= 3, 30, what="some are compared")
        until(lambda: status(server)["outbox"]["waiting"].get("reconcile", 0) > 0)
        client = portal.client("Спешит", connector="telegrambot", line=3, external_id="hurry")
        client.writes("Добрый день!")
        until(lambda: portal.handed_over(client.chat.chat_id), 5, what="hand-overs go on")
        portal.limits.operating.cost_s.clear()
        assert not all(is_complete(server, chat_id) for chat_id in chats)


# --- a reader asks


def test_refresh_asks_the_portal_and_answers_with_what_it_says() -> None:
    with at_work() as (portal, server):
        chat_id = talk(portal, 0, end=False)
        until(lambda: len(server.messages(chat_id)) >= 2)
        portal.wait_quiet()
        portal.faults.drop_events(1_000)
        word = portal.operator(27).writes(chat_id, "Этого события не было")
        portal.wait_quiet()
        assert word.message_id not in {row["message_id"] for row in server.messages(chat_id)}
        found = dialog(server, chat_id, "?refresh=1")
        assert found["dialog"]["complete"] is True
        assert word.message_id in {row["message_id"] for row in found["messages"]}
        asked = history_calls(portal)
        for _ in range(5):
            dialog(server, chat_id, "?refresh=1")
        assert history_calls(portal) == asked, "a dialog that was just compared is not asked for again"


def test_refresh_answers_with_what_is_there_when_the_portal_does_not() -> None:
    with at_work() as (portal, server):
        chat_id = talk(portal, 0, end=False)
        until(lambda: len(server.messages(chat_id)) >= 2)
        portal.faults.hang = True
        started = time.monotonic()
        found = dialog(server, chat_id, "?refresh=1")
        assert time.monotonic() - started < 10
        assert found["dialog"]["complete"] is False and found["messages"]
        portal.faults.hang = False


def test_refresh_is_for_known_dialogs_and_for_those_who_say_who_they_are() -> None:
    with at_work(env={"API_PUBLIC_READ": "1"}) as (portal, server):
        chat_id = talk(portal, 0, end=False)
        until(lambda: len(server.messages(chat_id)) >= 2)
        assert server.get(f"/api/dialogs/{chat_id}").status == 200
        assert error_code(server.get(f"/api/dialogs/{chat_id}?refresh=1")) == (401, "token_missing")
        assert error_code(server.get(f"/api/dialogs/{chat_id}?refresh=2", **BEARER)) == (400, "bad_parameter")
        asked = history_calls(portal)
        assert server.get("/api/dialogs/999999?refresh=1", **BEARER).status == 404
        assert history_calls(portal) == asked


def test_the_portal_is_asked_by_readers_only_so_often() -> None:
    with at_work() as (portal, server):
        chats = [talk(portal, number, end=False) for number in range(30)]
        until(lambda: all(server.messages(chat_id) for chat_id in chats))
        server.api("/api/admin/disable", "POST")  # nothing is compared meanwhile: every request counts
        for chat_id in chats:
            dialog(server, chat_id, "?refresh=1")
        ((jobs,),) = server.sql("SELECT COUNT(*) FROM outbox WHERE dedupe_key LIKE 'reconcile:%:latest'")
        assert 20 <= jobs <= 25


# --- the whole past


def ask_for_everything(server: Server) -> str:
    """As `botctl … sync --all` does, beside the running instance."""
    storage = Storage(server.home / "dialogs.db")
    storage.open()
    try:
        runs = Runs(storage, SqliteArchive(storage), SqliteComparison(storage), SqliteOutbox(storage))
        return runs.compare_all()[0]
    finally:
        storage.close()


def probed(portal: SimulatedPortal) -> list[int]:
    return [int(call.params["SESSION_ID"]) for call in portal.calls_of(CARD) if "SESSION_ID" in call.params]


def test_the_whole_past_is_brought_in_and_a_kill_does_not_start_it_over() -> None:
    with SimulatedPortal(latency_s=0.05) as portal:
        old = [talk(portal, number) for number in range(60)]  # before the bot was there
        with at_work(portal) as (_, server):
            assert server.api("/api/dialogs")["dialogs"] == []
            seen = talk(portal, 900, end=False)
            until(lambda: server.messages(seen))
            trace = ask_for_everything(server)
            until(lambda: len(probed(portal)) >= 200, 60, what="it is under way")
            server.kill()
            reached = max(probed(portal))
            server.start()
            assert ask_for_everything(server) == trace, "it is the same run"
            until(lambda: all(is_complete(server, chat_id) for chat_id in old), 90, what="the past is here")
            until(lambda: caught_up(server), 60)
            asked = probed(portal)
            again = {number for number in asked if asked.count(number) > 1}
            assert len([number for number in again if number < reached - 100]) == 0, "nothing is asked for twice"
            assert set(range(1, 321)) <= set(asked)
            for chat_id in old:
                assert archived(server, chat_id) == truth(portal, chat_id)
