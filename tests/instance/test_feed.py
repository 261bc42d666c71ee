"""Filters, following and long polls over a real instance."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, adopt, client_message, error_code
from tests.support import Server, until, vector

new_ids = count(500_000)


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """An instance with the recorded conversation in chat 1763; it calls nobody."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            for number in ("V3", "V4", "V5", "V6", "V7", "V8", "V9", "V16"):
                assert server.post_event(vector(number)).status == 200
            yield server


def get(server: Server, path: str) -> Any:
    answer = server.get(path, **BEARER)
    assert answer.status == 200, answer.text
    return answer.json


def test_a_follower_is_told_what_is_new_and_goes_on_from_the_end(api: Server) -> None:
    told: dict[int, Any] = {}
    cursor = ""
    while True:
        page = get(api, f"/api/messages?limit=2{cursor}")
        assert page.keys() == {"messages", "next_cursor"}
        assert page["next_cursor"]
        cursor = f"&cursor={page['next_cursor']}"
        if not page["messages"]:
            break
        told |= {m["message_id"]: m for m in page["messages"]}
    assert told == {m["message_id"]: m for m in get(api, "/api/dialogs/1763?limit=500")["messages"]} | {
        i: m for i, m in told.items() if m["chat_id"] != 1763
    }
    number = next(new_ids)
    api.post_event(client_message(number, text="новое"))
    (found,) = get(api, f"/api/messages?limit=2{cursor}")["messages"]
    assert (found["message_id"], found["text"]) == (number, "новое")


def test_a_long_poll_ends_with_the_next_message(api: Server) -> None:
    cursor = get(api, "/api/messages?limit=500")["next_cursor"]
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(get(api, f"/api/messages?wait=50&cursor={cursor}")))
    waiting.start()
    number = next(new_ids)
    api.post_event(client_message(number, chat_id=1780, session_id=330))
    waiting.join(20)
    assert [m["message_id"] for m in answers[0]["messages"]] == [number]


def test_long_polls_leave_threads_for_the_portal(api: Server) -> None:
    cursor = get(api, "/api/messages?limit=500")["next_cursor"]
    polls = [
        threading.Thread(target=lambda: api.get(f"/api/messages?wait=8&cursor={cursor}", **BEARER)) for _ in range(30)
    ]
    for poll in polls:
        poll.start()
    number = next(new_ids)
    assert api.post_event(client_message(number, chat_id=1782, session_id=332)).status == 200
    for poll in polls:
        poll.join(20)
        assert not poll.is_alive()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("since=2026-07-30&until=2026-07-29", "since"),
        ("date=2026-07-29&since=2026-07-29", "date"),
        ("start_time=09:00", "start_time"),
        ("date=29.07.2026", "date"),
        ("date=2026-07-29&start_time=19:00&end_time=18:00", "start_time"),
        ("date=2026-07-29&end_time=25:00", "end_time"),
        ("date=2026-07-29&tz_offset=Moscow", "tz_offset"),
        ("date=2026-07-29&tz_offset=15", "tz_offset"),
        ("line_id=drei", "line_id"),
        ("client_id=-1", "client_id"),
        (f"operator_id={2**64}", "operator_id"),
        ("status=waiting", "status"),
        ("has_files=maybe", "has_files"),
        ("updated_after=soon", "updated_after"),
        ("sort=random", "sort"),
        ("line=3", "line"),
    ],
)
@pytest.mark.parametrize("path", ["/api/dialogs", "/api/messages"])
def test_a_bad_filter_is_named(path: str, query: str, named: str, api: Server) -> None:
    answer = api.get(f"{path}?{query}", **BEARER)
    assert answer.status == 400
    assert named in answer.json["error"]["message"].split(";")[0], answer.text


def test_filters_are_read(api: Server) -> None:
    def ids(query: str) -> list[int]:
        return [d["chat_id"] for d in get(api, f"/api/dialogs?{query}")["dialogs"]]

    everything = ids("limit=500")
    assert 1763 in everything
    assert ids("limit=500&sort=oldest") == everything[::-1]
    assert 1763 in ids("line_id=3&client_id=744&since=2026-07-29T08:00:00Z&until=2026-07-29T11:30:00%2B03:00")
    assert 1763 in ids("date=2026-07-29&start_time=11:00&end_time=11:10&tz_offset=3")
    assert 1763 in ids("date=2026-07-29&start_time=11:00&end_time=11:10&tz_offset=%2B03:00")
    assert 1763 not in ids("date=2026-07-29&start_time=11:00&end_time=11:10")
    assert 1763 not in ids("line_id=4")
    assert 1763 not in ids("connector_id=avito")
    assert 1763 not in ids("updated_after=2100-01-01")
    assert {m["chat_id"] for m in get(api, "/api/messages?client_id=744&sort=-sent_at")["messages"]} >= {1763}


def test_a_cursor_of_another_order_is_refused(api: Server) -> None:
    cursor = get(api, "/api/messages?limit=1")["next_cursor"]
    answer = api.get(f"/api/messages?sort=sent_at&cursor={cursor}", **BEARER)
    assert error_code(answer) == (400, "bad_cursor")


def test_a_restart_does_not_wait_for_a_long_poll(portal: SimulatedPortal) -> None:
    server = Server(portal)
    adopt(portal, server)
    (server.home / "DISABLED").touch()
    with server:
        answers: list[Any] = []
        cursor = get(server, "/api/messages")["next_cursor"]
        poll = threading.Thread(target=lambda: answers.append(get(server, f"/api/messages?wait=60&cursor={cursor}")))
        poll.start()
        until(lambda: server.metric("b24bot_long_polls") == 1)
        server.stop()
        poll.join(20)
        assert not poll.is_alive()
        assert answers[0]["messages"] == []
