"""Search over a real instance: found a moment after it was said, filtered, paged; never in an event's way."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, adopt, client_message, error_code
from tests.support import Server, until, vector


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """An instance with some conversations; it calls nobody."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            for number in ("V3", "V4", "V5", "V6", "V7", "V8", "V9", "V16"):
                assert server.post_event(vector(number)).status == 200
            for i, text in enumerate(("Есть ли пряники?", "Пряников ждём завтра 👍", "Самовывоз [b]возможен[/b]?")):
                assert server.post_event(client_message(700_000 + i, 1800 + i, 400 + i, text)).status == 200
            yield server


def found(server: Server, query: str, more: str = "") -> list[Any]:
    answer = server.get(f"/api/search?q={quote(query)}{more}", **BEARER)
    assert answer.status == 200, answer.text
    assert answer.json.keys() == {"messages", "next_cursor"}
    messages: list[Any] = answer.json["messages"]
    return messages


def test_a_message_is_found_right_after_it_was_said(api: Server) -> None:
    assert api.post_event(client_message(700_500, 1850, 450, "Нужна рассрочка на полгода")).status == 200
    (hit,) = found(api, "рассрочку")
    assert hit["message_id"] == 700_500
    assert hit["fragment"] == "Нужна <mark>рассрочка</mark> на полгода"


def test_it_is_found_as_soon_while_events_never_stop(api: Server) -> None:
    end = threading.Event()

    def talk() -> None:
        for number in itertools.count(750_000):
            if end.wait(0.004):
                return
            api.post_event(client_message(number, 1860, 460, f"Поток слов {number}"))

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        started = time.monotonic()
        for number in range(4):
            api.post_event(client_message(760_000 + number, 1861, 461, f"Слово{number} среди многих"))
            assert [hit["message_id"] for hit in found(api, f"слово{number}")] == [760_000 + number]
        assert time.monotonic() - started < 8, "each waits for what was said before it, not for silence"
    finally:
        end.set()
        talker.join()


def test_a_hit_is_the_message_as_the_archive_shows_it(api: Server) -> None:
    (hit,) = found(api, "возможен")
    fragment = hit.pop("fragment")
    (message,) = api.get("/api/dialogs/1802", **BEARER).json["messages"]
    assert hit == message
    assert fragment == "Самовывоз <mark>возможен</mark>?"


def test_hits_come_newest_first_page_by_page(api: Server) -> None:
    assert [m["message_id"] for m in found(api, "пряник")] == [700_001, 700_000]
    first = api.get(f"/api/search?limit=1&q={quote('пряник')}", **BEARER).json
    second = api.get(f"/api/search?limit=1&q={quote('пряник')}&cursor={first['next_cursor']}", **BEARER).json
    assert [m["message_id"] for m in (*first["messages"], *second["messages"])] == [700_001, 700_000]
    assert second["next_cursor"] is None


def test_filters_and_orders_go_with_words(api: Server) -> None:
    assert found(api, "пряник", "&line_id=4") == []
    assert [m["chat_id"] for m in found(api, "пряник", "&line_id=3&client_id=744&sort=relevance")]
    assert found(api, "пряник", "&until=2020-01-01") == []


def test_words_filter_the_lists(api: Server) -> None:
    def ids(path: str, name: str, key: str) -> list[int]:
        return [row[key] for row in api.get(path, **BEARER).json[name]]

    until(lambda: len(found(api, "пряник")) == 2)
    word = quote("пряник")
    assert ids(f"/api/dialogs?q={word}", "dialogs", "chat_id") == [1801, 1800]
    assert ids(f"/api/dialogs?q={word}&sort=oldest&limit=1", "dialogs", "chat_id") == [1800]
    assert sorted(ids(f"/api/messages?q={word}", "messages", "message_id")) == [700_000, 700_001]


@pytest.mark.parametrize("query", ["", "-доставка", '"доставка', "*ст*", "дос*вка"])
@pytest.mark.parametrize("path", ["/api/search", "/api/dialogs", "/api/messages"])
def test_a_query_that_cannot_be_read_is_explained(path: str, query: str, api: Server) -> None:
    answer = api.get(f"{path}?q={quote(query)}", **BEARER)
    if not query and path != "/api/search":
        assert answer.status == 200
        return
    assert error_code(answer) == (400, "bad_query")
    assert answer.json["error"]["message"].startswith("q: ")


def test_search_needs_a_token(api: Server) -> None:
    assert api.get("/api/search?q=x").status == 401


def test_an_index_that_was_deleted_is_built_again(api: Server) -> None:
    assert len(found(api, "пряник")) == 2
    for name in ("search.db", "search.db-wal", "search.db-shm"):
        (api.home / name).unlink(missing_ok=True)
    assert api.post_event(client_message(700_600, 1860, 460, "Ещё одно слово")).status == 200

    def hits() -> int:
        answer = api.get(f"/api/search?q={quote('пряник')}", **BEARER)  # 503 while there is no index
        return len(answer.json["messages"]) if answer.status == 200 else 0

    until(lambda: hits() == 2)
