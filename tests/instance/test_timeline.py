"""The live feed of lines that keep the bot, and the course of sessions, over a real instance and portal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, at_work, error_code, wait_idle
from tests.support import Server, until

Working = tuple[SimulatedPortal, Server]


@pytest.fixture(scope="module")
def shared() -> Iterator[Working]:
    with SimulatedPortal() as portal:
        portal.add_user(28, "Пётр Сидоров", position="Инженер")
        portal.add_line("Поддержка", line_id=4, queue=[28])
        with at_work(portal) as working:
            yield working


def begin(portal: SimulatedPortal, name: str = "Анна Смирнова") -> Any:
    client = portal.client(name)
    client.writes("Добрый день!")
    until(lambda: portal.handed_over(client.chat.chat_id))
    return client


def texts(server: Server, chat_id: int) -> dict[str, Any]:
    return {message["text"]: message for message in server.messages(chat_id)}


def versions(server: Server, chat_id: int, message_id: int) -> list[tuple[int, str]]:
    found = server.api(f"/api/dialogs/{chat_id}/messages/{message_id}/versions")["versions"]
    assert all(row["replaced_at"] for row in found)
    return [(row["version"], row["text_plain"]) for row in found]


def numbered(server: Server, chat_id: int) -> list[Any]:
    """What the second feed said of a reopened session may wait for history in a session without a number."""
    return [session for session in server.api(f"/api/dialogs/{chat_id}")["sessions"] if session["session_id"]]


def last_session(server: Server, chat_id: int) -> Any:
    return numbered(server, chat_id)[-1]


def shown(session: Any) -> list[str]:
    return [event["kind"] for event in session["events"]]


# --- the live feed


def test_everybodys_words_are_archived_with_their_author_while_history_is_never_asked(shared: Working) -> None:
    portal, server = shared
    client = begin(portal)
    chat_id = client.chat.chat_id
    ivan = portal.operator(27)
    ivan.writes(chat_id, "Слушаю вас")
    ivan.whispers(chat_id, "Кто знает цену?")
    portal.wait_quiet()
    until(lambda: "Кто знает цену?" in texts(server, chat_id))
    found = server.messages(chat_id)
    truth = portal.history(client.chat.session.session_id)
    assert [m["message_id"] for m in found] == [m.message_id for m in truth]
    operator = {"id": 27, "name": "Иван Петров", "kind": "operator"}
    by_text = texts(server, chat_id)
    assert by_text["Слушаю вас"]["author"] == by_text["Кто знает цену?"]["author"] == operator
    assert by_text["Добрый день!"]["author"] == {"id": client.user_id, "name": "Анна Смирнова", "kind": "client"}
    notices = [m for m in found if m["author"]["kind"] == "system"]
    assert {m["author"]["id"] for m in notices} == {0} and len(notices) >= 2
    asked = [call.params for call in portal.calls_of("imopenlines.session.history.get")]
    assert client.chat.session.session_id not in [int(params.get("SESSION_ID", 0)) for params in asked]


@pytest.mark.parametrize("who", ["client", "operator"])
def test_edits_keep_every_former_text_and_a_deletion_keeps_the_last(shared: Working, who: str) -> None:
    portal, server = shared
    client = begin(portal)
    chat_id = client.chat.chat_id
    author: Any = client if who == "client" else portal.operator(27)
    message = client.writes("[b]первый[/b]") if who == "client" else author.writes(chat_id, "[b]первый[/b]")
    for text in ("второй", "третий"):
        portal.clock.advance(5)
        author.edits(message, text)
        portal.wait_quiet()
    until(lambda: "третий" in texts(server, chat_id))
    assert versions(server, chat_id, message.message_id) == [(1, "первый"), (2, "второй")]
    author.deletes(message)
    portal.wait_quiet()
    until(lambda: texts(server, chat_id)["третий"]["deleted_at"])
    stored = texts(server, chat_id)["третий"]
    assert stored["author"]["kind"] == who and stored["edited_at"]
    assert len(versions(server, chat_id, message.message_id)) == 2


def test_versions_are_read_with_a_token_and_of_messages_that_are_there(shared: Working) -> None:
    portal, server = shared
    client = begin(portal)
    until(lambda: server.messages(client.chat.chat_id))
    chat_id, message_id = client.chat.chat_id, server.messages(client.chat.chat_id)[0]["message_id"]
    path = f"/api/dialogs/{chat_id}/messages/{message_id}/versions"
    assert error_code(server.get(path)) == (401, "token_missing")
    assert server.get(path, **BEARER).json == {"versions": []}
    assert error_code(server.get(f"{path}?limit=5", **BEARER)) == (400, "unknown_parameter")
    for chat, message in ((chat_id, 1), (1, message_id), (chat_id, -5), (10**30, message_id), (chat_id, 10**30)):
        answer = server.get(f"/api/dialogs/{chat}/messages/{message}/versions", **BEARER)
        assert error_code(answer) == (404, "message_unknown")


# --- the course of a session


def test_a_conversation_is_told_from_the_bots_entry_to_the_rating(shared: Working) -> None:
    portal, server = shared
    client = begin(portal)
    chat_id, session_id = client.chat.chat_id, client.chat.session.session_id
    ivan, petr = portal.operator(27), portal.operator(28)
    portal.clock.advance(20)
    ivan.writes(chat_id, "Слушаю вас")
    portal.clock.advance(20)
    ivan.transfers(chat_id, to_user=28)
    portal.clock.advance(20)
    petr.transfers(chat_id, to_line=4)
    portal.clock.advance(20)
    petr.writes(chat_id, "Инженер слушает")
    portal.clock.advance(20)
    portal.rate(session_id, 5)
    petr.finishes(chat_id)
    portal.wait_quiet()
    until(lambda: last_session(server, chat_id)["resolution_s"] is not None, 30, what="history has been read")
    session = last_session(server, chat_id)
    assert shown(session) == [
        "opened", "joined", "handed_over", "assigned", "answered", "transferred", "transferred", "assigned", "rated",
        "closed",
    ]  # fmt: skip
    events = {event["kind"]: event for event in session["events"]}
    assert events["answered"]["by"] == {"id": 27, "name": "Иван Петров"}
    assert events["assigned"]["to"] == {"id": 28, "name": "Пётр Сидоров"}
    between_people, between_lines = [e for e in session["events"] if e["kind"] == "transferred"]
    assert (between_people["from"]["id"], between_people["to"]["id"], between_people["by"]["id"]) == (27, 28, 27)
    assert (between_lines["from_line_id"], between_lines["to_line_id"], between_lines["to"]) == (3, 4, None)
    assert (events["rated"]["rating"], events["closed"]["by"]["id"]) == (5, 28)
    assert all(e["exact"] for e in session["events"] if e["kind"] != "joined")
    assert 20 <= session["first_response_s"] <= 25 and 100 <= session["resolution_s"] <= 110
    assert session["answered_at"] == events["answered"]["at"]
    assert server.api(f"/api/dialogs/{chat_id}")["crm"] == [{"type": "lead", "id": client.chat.crm_lead_id}]


def test_a_session_that_is_opened_again_and_a_new_one_have_their_own_courses(shared: Working) -> None:
    portal, server = shared
    portal.build.session_event_shape = "docs"  # an end that names its session
    client = begin(portal)
    chat_id, session_id = client.chat.chat_id, client.chat.session.session_id
    ivan = portal.operator(27)
    ivan.writes(chat_id, "Слушаю вас")
    portal.clock.advance(100)
    ivan.finishes(chat_id)
    portal.wait_quiet()
    until(lambda: last_session(server, chat_id)["closed_at"])
    portal.clock.advance(100)
    portal.reopen(session_id)
    ivan.writes(chat_id, "Ещё одно")
    portal.clock.advance(100)
    ivan.finishes(chat_id)
    portal.rate(session_id, 4)
    portal.wait_quiet()
    until(lambda: "rated" in shown(last_session(server, chat_id)), 30, what="history told of the rating")
    session = last_session(server, chat_id)
    ends = [event for event in session["events"] if event["kind"] in ("closed", "reopened", "rated")]
    assert [event["kind"] for event in ends] == ["closed", "reopened", "rated", "closed"]
    assert [event["exact"] for event in ends] == [True, True, False, True]
    assert session["closed_at"] == ends[-1]["at"] and session["resolution_s"] >= 300
    portal.clock.advance(100)
    client.writes("Новый вопрос")
    until(lambda: len(numbered(server, chat_id)) == 2)
    until(lambda: "handed_over" in shown(last_session(server, chat_id)))
    assert shown(last_session(server, chat_id)) == ["opened", "joined", "handed_over"]


def test_a_refused_hand_over_is_told_with_the_portals_reason(shared: Working) -> None:
    portal, server = shared
    portal.faults.fail("imopenlines.bot.session.operator", "ACCESS_DENIED", 403)
    client = portal.client("Борис")
    client.writes("Есть кто?")
    chat_id = client.chat.chat_id
    until(lambda: server.messages(chat_id))
    until(lambda: "handover_refused" in shown(last_session(server, chat_id)), 30)
    (event,) = [e for e in last_session(server, chat_id)["events"] if e["kind"] == "handover_refused"]
    assert "ACCESS_DENIED" in event["reason"]


# --- people


def test_whoever_is_only_mentioned_is_asked_for_once_after_history_was_read(shared: Working) -> None:
    portal, server = shared
    portal.add_user(31, "Ольга Новая")
    client = begin(portal)
    chat_id = client.chat.chat_id
    portal.operator(27).transfers(chat_id, to_user=31)
    portal.operator(27).finishes(chat_id)
    portal.wait_quiet()
    until(lambda: any(user["id"] == 31 for user in server.api("/api/users?limit=500")["users"]), 30)
    wait_idle(server)
    asked = [value for call in portal.calls_of("im.user.list.get") for value in call.params.get("ID", {})]
    assert len(asked) == len({str(value) for value in asked})
    transfer = next(e for e in last_session(server, chat_id)["events"] if e["kind"] == "transferred")
    assert transfer["to"] == {"id": 31, "name": "Ольга Новая"}


def test_a_client_who_tells_a_name_later_is_shown_with_it_everywhere(shared: Working) -> None:
    portal, server = shared
    client = begin(portal, "Зеленый гость №17")
    until(lambda: server.messages(client.chat.chat_id))
    client.user.name = "Мария Кюри"
    client.writes("Меня зовут Мария")
    portal.wait_quiet()
    chat_id = client.chat.chat_id
    until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["client"]["name"] == "Мария Кюри")
    people = {m["author"]["name"] for m in server.messages(chat_id) if m["author"]["kind"] == "client"}
    assert people == {"Мария Кюри"}
