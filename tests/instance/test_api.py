"""The API as integrators, sysadmins and monitoring see it: tokens, shapes, pages, errors, the switch."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import BEARER, adopt, at_work, client_message, error_code, join, status, wait_idle
from tests.support import TOKEN, Server, until, vector

DIALOG = {
    "chat_id", "dialog_id", "title", "status", "session_id", "line_id", "connector_id", "client", "operator",
    "opened_at", "handed_over_at", "last_message_at", "message_count", "complete",
}  # fmt: skip
MESSAGE = {
    "message_id", "chat_id", "session_id", "author", "text", "text_plain", "sent_at", "sent_at_exact", "edited_at",
    "deleted_at", "files",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
READING = ("/api/dialogs", "/api/dialogs/1763", "/api/messages", "/api/users")
ADMIN = ("/api/admin/status", "/api/admin/enable", "/api/admin/disable", "/api/admin/reinit_db")
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


# --- tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*READING, "/api/admin/status"])
def test_the_token_is_taken_in_three_places(path: str, api: Server) -> None:
    assert api.get(path, Authorization=f"Bearer {TOKEN}").status == 200
    assert api.get(path, Authorization=f"bearer {TOKEN}").status == 200
    assert api.get(path, X_API_Token=TOKEN).status == 200
    assert api.get(f"{path}?token={TOKEN}").status == 200


@pytest.mark.parametrize("path", [*READING, "/api/dialogs/5", "/api/admin/status"])
def test_without_a_token_nothing_is_read(path: str, api: Server) -> None:
    answer = api.get(path)
    assert error_code(answer) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    for headers in ({"Authorization": "Bearer "}, {"Authorization": f"Basic {TOKEN}"}, {"X_API_Token": " "}):
        assert error_code(api.get(path, **headers)) == (401, "token_missing")
    for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "x" * 5000, "\u00ff\u00fe"):
        answer = api.get(path, X_API_Token=wrong)
        assert error_code(answer) == (401, "token_unknown")
        assert TOKEN not in answer.text and wrong not in answer.text
    assert error_code(api.get(f"{path}?token={quote('ключ')}")) == (401, "token_unknown")


@pytest.mark.parametrize("path", ADMIN)
def test_the_administration_is_closed_to_strangers(path: str, api: Server) -> None:
    verb = "GET" if path.endswith("status") else "POST"
    assert error_code(api.request(verb, path)) == (401, "token_missing")
    assert error_code(api.request(verb, path, X_API_Token="wrong-wrong-wrong")) == (401, "token_unknown")
    assert status(api)["enabled"] is False


def test_public_reading_opens_the_three_lists_and_nothing_else(portal: SimulatedPortal) -> None:
    server = Server(portal, env={"API_PUBLIC_READ": "1"})
    adopt(portal, server)
    with server:
        assert server.post_event(vector("V4")).status == 200
        for path in READING:
            assert server.get(path).status == 200
        for path in ADMIN:
            assert server.request("GET" if path.endswith("status") else "POST", path).status == 401
        assert server.get("/metrics", X_Forwarded_For="203.0.113.5").status == 401


# --- errors ---------------------------------------------------------------------------------------------------


def test_an_error_has_one_shape_and_takes_the_trace_over(api: Server) -> None:
    for path, code in (
        ("/api/dialogs/424242", 404),
        ("/api/nothing", 404),
        ("/", 404),
        ("/api/dialogs?limit=0", 400),
        ("/api/admin/enable", 405),
    ):
        answer = api.get(path, X_Request_Id="0123456789abcdef-trace", **BEARER)
        assert answer.status == code, path
        assert answer.headers["Content-Type"].startswith("application/json")
        assert set(answer.json) == {"error"} and set(answer.json["error"]) == {"code", "message", "trace_id"}
        assert answer.json["error"]["trace_id"] == "0123456789abcdef-trace"
        assert answer.json["error"]["message"]


@pytest.mark.parametrize("trace", ["", "short", "x" * 65, 'inject"}', "a b c d e f g h", "йцукенгшщзхъ"])
def test_a_trace_that_is_none_is_replaced(trace: str, api: Server) -> None:
    answer = api.get("/api/nothing", X_Request_Id=trace.encode().decode("latin-1"))
    assert re.fullmatch(r"[0-9a-f]{16}", answer.json["error"]["trace_id"])


def test_a_wrong_method_is_answered_405_with_those_allowed(api: Server) -> None:
    for path, verb in (("/api/dialogs", "POST"), ("/api/admin/disable", "GET"), ("/healthz", "DELETE")):
        answer = api.request(verb, path, **BEARER)
        assert answer.status == 405 and answer.json["error"]["code"] == "method_not_allowed"
        assert answer.headers["Allow"]


def test_a_long_request_line_is_answered_in_json(api: Server) -> None:
    answer = api.get(f"/api/dialogs?limit={'1' * 8000}", **BEARER)
    assert error_code(answer) == (400, "bad_parameter")


def test_an_unknown_dialog_is_404_in_json(api: Server) -> None:
    for chat_id in ("0", "1", "99999999999999999999999999", str(2**63)):
        assert error_code(api.get(f"/api/dialogs/{chat_id}", **BEARER)) == (404, "dialog_unknown")
    for chat_id in ("abc", "-1", "1.5", "%00", "1763/x"):
        assert api.get(f"/api/dialogs/{chat_id}", **BEARER).json["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", READING)
def test_a_limit_is_1_to_500(path: str, api: Server) -> None:
    for good in ("1", "500", "050"):
        assert api.get(f"{path}?limit={good}", **BEARER).status == 200
    for bad in ("0", "501", "-1", "x", "1.5", "1e2", "99999999999999999999", "%D9%A1", "+5", "%00"):
        assert error_code(api.get(f"{path}?limit={bad}", **BEARER)) == (400, "bad_parameter")


@pytest.mark.parametrize("path", READING)
def test_an_unknown_parameter_is_named(path: str, api: Server) -> None:
    answer = api.get(f"{path}?page=2&limit=5", **BEARER)
    assert error_code(answer) == (400, "unknown_parameter")
    assert "page" in answer.json["error"]["message"]


@pytest.mark.parametrize("path", READING)
def test_a_cursor_that_is_not_from_this_list_is_refused(path: str, api: Server) -> None:
    foreign = {
        "/api/dialogs": "dTo1",
        "/api/dialogs/1763": "bTE3Njc6MQ",
        "/api/messages": "dTo1",
        "/api/users": "ZDo1",
    }[path]
    for bad in ("x", "AAAA", "%00", "....", foreign, "ZDotMQ", "ZDo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "%FF%FE", "ZDo"):
        assert error_code(api.get(f"{path}?cursor={bad}", **BEARER)) == (400, "bad_cursor"), bad


# --- shapes ---------------------------------------------------------------------------------------------------


def test_a_dialog_has_exactly_the_promised_keys(api: Server) -> None:
    page = get(api, "/api/dialogs")
    assert set(page) == {"dialogs", "next_cursor"} and page["next_cursor"] is None
    by_id = {row["chat_id"]: row for row in page["dialogs"]}
    assert all(set(row) == DIALOG for row in page["dialogs"])
    found = by_id[1763]
    assert found["dialog_id"] == "chat1763" and found["title"] == "Анна Смирнова - Продажи"
    assert found["status"] in ("open", "closed") and found["session_id"] == 321
    assert (found["line_id"], found["connector_id"]) == (3, "telegrambot")
    assert found["client"] == {"id": 744, "name": "Анна Смирнова"}
    assert found["operator"] == {"id": 27, "name": "Иван Петров"}
    assert found["handed_over_at"] is None and found["complete"] is False
    assert TIME.fullmatch(found["opened_at"]) and TIME.fullmatch(found["last_message_at"])
    assert by_id[1767]["operator"] is None or set(by_id[1767]["operator"]) == {"id", "name"}
    assert type(found["message_count"]) is int and found["message_count"] == 4


def test_one_dialog_has_exactly_the_promised_keys(api: Server) -> None:
    found = get(api, "/api/dialogs/1763")
    assert set(found) == {"dialog", "sessions", "participants", "crm", "messages", "next_cursor"}
    assert set(found["dialog"]) == DIALOG
    assert {person["id"] for person in found["participants"]} == {744, 27}
    assert [m["message_id"] for m in found["messages"]] == [85833, 85835, 85837, 85851]
    kinds = []
    for message in found["messages"]:
        assert set(message) == MESSAGE
        assert set(message["author"]) == {"id", "name", "kind"}
        assert TIME.fullmatch(message["sent_at"]) and type(message["sent_at_exact"]) is bool
        assert all(set(file) == {"id", "name", "size", "type", "url", "state", "problem"} for file in message["files"])
        kinds.append(message["author"]["kind"])
    assert kinds == ["client", "client", "system", "operator"]
    assert TIME.fullmatch(found["messages"][0]["deleted_at"]) and TIME.fullmatch(found["messages"][3]["edited_at"])
    file = found["messages"][1]["files"][0]
    assert (file["id"], type(file["size"]), type(file["name"])) == (5437, int, str)


def test_users_have_ids_names_and_kinds(api: Server) -> None:
    page = get(api, "/api/users")
    assert set(page) == {"users", "next_cursor"}
    by_id = {user["id"]: user for user in page["users"]}
    assert (by_id[744]["name"], by_id[744]["kind"]) == ("Анна Смирнова", "client")
    assert (by_id[27]["name"], by_id[27]["kind"]) == ("Иван Петров", "operator")


def test_texts_come_back_as_they_were_written(api: Server) -> None:
    text = 'Ёжик 👨‍👩‍👧‍👦 "кавычки" \\ </script> \u2028 \t \r\n 漢字 [b]жирно[/b] ' + "я" * 20_000
    message_id = next(new_ids)
    assert api.post_event(client_message(message_id, 4000, 4000, text)).status == 200
    answer = api.get("/api/dialogs/4000", **BEARER)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Ёжик 👨‍👩‍👧‍👦" in answer.body.decode("utf-8")
    (message,) = answer.json["messages"]
    assert message["text"] == text
    assert "[b]" not in message["text_plain"] and "жирно" in message["text_plain"]


# --- pages ----------------------------------------------------------------------------------------------------


def walk(server: Server, path: str, name: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page = get(server, f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page[name]) <= limit
        yield page[name]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_pages_neither_repeat_nor_skip_while_rows_arrive(api: Server) -> None:
    before = list(range(6000, 6060))
    for chat_id in before:
        assert api.post_event(client_message(next(new_ids), chat_id, chat_id)).status == 200
    is_over = threading.Event()

    def write() -> None:
        for chat_id in count(7000):
            if is_over.is_set():
                return
            api.post_event(client_message(next(new_ids), chat_id, chat_id))  # a new dialog
            api.post_event(client_message(next(new_ids), 6030, 6030))  # a new message in one in the middle

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: len(api.messages(6030)) > 3, what="rows arrive")
        seen = [row["chat_id"] for page in walk(api, "/api/dialogs", "dialogs", 7) for row in page]
        messages = [row["message_id"] for page in walk(api, "/api/dialogs/6030", "messages", 3) for row in page]
        users = [row["id"] for page in walk(api, "/api/users", "users", 1) for row in page]
    finally:
        is_over.set()
        writer.join()
    assert len(seen) == len(set(seen)) and set(before) <= set(seen)
    assert messages == sorted(set(messages)) and len(messages) > 1
    assert len(users) == len(set(users)) and {27, 744} <= set(users)


def test_a_page_that_fits_exactly_is_the_last_one(api: Server) -> None:
    for _ in range(6):
        assert api.post_event(client_message(next(new_ids), 8000, 8000)).status == 200
    assert [len(page) for page in walk(api, "/api/dialogs/8000", "messages", 3)] == [3, 3]
    assert [len(page) for page in walk(api, "/api/dialogs/8000", "messages", 6)] == [6]


# --- monitoring -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_monitoring_is_open_on_this_machine_and_closed_through_a_proxy(path: str, api: Server) -> None:
    assert api.get(path).status == 200
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host"):
        for value in ("127.0.0.1", "203.0.113.7", "for=127.0.0.1"):
            answer = api.get(path, **{header: value})
            assert error_code(answer) == (401, "token_missing"), header
    assert api.get(path, X_Forwarded_For="203.0.113.7", **BEARER).status == 200


def test_monitoring_through_a_proxy_that_adds_an_empty_header_stays_closed(api: Server) -> None:
    assert api.get("/metrics", X_Forwarded_For="").status == 401


def test_metrics_are_in_the_format_of_prometheus(api: Server) -> None:
    answer = api.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r'[a-z_0-9]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? -?[0-9.e+-]+')
    kinds: dict[str, str] = {}
    for text in answer.text.splitlines():
        if text.startswith("# TYPE "):
            _, _, name, kind = text.split()
            assert name not in kinds
            kinds[name] = kind
        else:
            assert line.fullmatch(text), text
    assert {"b24bot_messages", "b24bot_outbox_waiting", "b24bot_enabled", "b24bot_events"} <= set(kinds)


# --- the administration ---------------------------------------------------------------------------------------


def test_the_switch_sets_its_flags_and_repeats_safely() -> None:
    with at_work() as (portal, server):
        home = server.home
        for _ in range(2):
            assert server.api("/api/admin/disable", "POST")["enabled"] is False
            assert (home / "DISABLED").exists() and not (home / "ENABLED").exists()
        assert status(server)["enabled"] is False and server.metric("b24bot_enabled") == 0
        for _ in range(2):
            assert server.api("/api/admin/enable", "POST")["enabled"] is True
            assert (home / "ENABLED").exists() and not (home / "DISABLED").exists()
        message = portal.client("Анна").writes("Включено?")
        until(lambda: portal.handed_over(message.chat_id))


def test_the_status_says_what_a_sysadmin_asks(api: Server) -> None:
    found = status(api)
    assert found["instance"] == "acme" and found["version"] and found["handler_url"] == api.handler_url
    assert {"enabled", "event_mode", "installed", "portal", "archive", "outbox", "started_at"} <= set(found)
    assert TIME.fullmatch(found["last_event_at"])
    assert TOKEN not in json.dumps(found)


def test_a_fresh_archive_keeps_a_dated_copy_and_the_jobs() -> None:
    with at_work() as (portal, server):
        former = portal.client("Борис").writes("Старый разговор")
        until(lambda: portal.handed_over(former.chat_id))
        portal.wait_quiet()
        wait_idle(server)
        portal.faults.down = True
        message = portal.client("Анна").writes("Ждёт передачи")
        portal.wait_quiet()
        old = {m["message_id"] for m in server.messages(message.chat_id)}
        assert message.message_id in old
        copy = server.api("/api/admin/reinit_db", "POST")["copy"]
        assert re.fullmatch(r"dialogs-\d{8}T\d{6}Z-[0-9a-f]+\.db", copy)
        assert (server.home / copy).stat().st_mode & 0o777 == 0o600
        assert get(server, "/api/dialogs")["dialogs"] == []
        assert status(server)["outbox"]["waiting"] == {"handover": 1}
        assert status(server)["portal"]["bot_id"] == 597
        portal.faults.down = False
        until(lambda: portal.handed_over(message.chat_id), what="the job moved over")
        assert server.post_event(join(9000)).status == 200
        assert next(row["chat_id"] for row in get(server, "/api/dialogs")["dialogs"]) == 9000
        second = server.api("/api/admin/reinit_db", "POST")["copy"]
        assert second != copy and len(list(server.home.glob("dialogs-*.db"))) == 2


def test_a_fresh_archive_while_clients_write_loses_nothing() -> None:
    with at_work() as (_, server):
        server.api("/api/admin/disable", "POST")
        is_over = threading.Event()
        stored: list[int] = []

        def write() -> None:
            while not is_over.is_set():
                message_id = next(new_ids)
                if server.post_event(client_message(message_id, 9100, 9100)).status == 200:
                    stored.append(message_id)

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        copies = []
        for goal in (30, 60, 90):
            until(lambda goal=goal: len(stored) >= goal)  # type: ignore[misc]  # no type is inferred for a lambda's default
            answer = server.request("POST", "/api/admin/reinit_db", b"", **BEARER)
            assert answer.status in (200, 503), answer.text
            copies += [answer.json["copy"]] if answer.status == 200 else []
        is_over.set()
        for writer in writers:
            writer.join()
        assert copies
        found = {m for (m,) in server.sql("SELECT message_id FROM messages")}
        server.stop()
        for copy in copies:
            (server.home / copy).replace(server.home / "dialogs.db")
            for suffix in ("-wal", "-shm"):
                (server.home / f"dialogs.db{suffix}").unlink(missing_ok=True)
            found |= {m for (m,) in server.sql("SELECT message_id FROM messages")}
        assert set(stored) <= found


# --- figures --------------------------------------------------------------------------------------------------


def test_figures_take_a_time_and_a_clock() -> None:
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            for number in ("V3", "V4", "V5", "V6"):
                assert server.post_event(vector(number)).status == 200
            found = get(server, "/api/stats?date=2026-07-29&tz_offset=3")
            assert (found["since"], found["until"]) == ("2026-07-28T21:00:00Z", "2026-07-29T21:00:00Z")
            assert found["totals"]["sessions"] == 1
            assert found["by_connector"][0]["connector_id"] == "telegrambot"
            assert get(server, "/api/stats?tz_offset=3&until=2026-01-01")["totals"]["messages"] == 0
            assert server.get("/api/stats?since=2026-02-01&until=2026-01-01", **BEARER).status == 400
            assert server.get("/api/stats?status=open", **BEARER).status == 400
            assert server.get("/api/stats").status == 401
