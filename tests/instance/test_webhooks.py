"""Outgoing webhooks of a real instance to receivers over real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from python_bot.web.api_tokens import FILE_NAME, ApiToken, hash_of, new_token, read_tokens, write_tokens
from tests.instance.receivers import (
    Call,
    Receiver,
    breaks_off,
    drips,
    fails,
    floods,
    hangs,
    is_slow,
    redirects,
    says_garbage,
)
from tests.instance.subscribing import EVENTS, ask, instance, new_chats, say, subscribe, told
from tests.instance.tools import BEARER, error_code, join
from tests.support import Server, until, vector


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with instance() as server:
        yield server


@pytest.fixture(autouse=True)
def nobody_else(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        server: Server = request.getfixturevalue("server")
        for each in ask(server, "GET", "/api/subscriptions")["subscriptions"]:
            ask(server, "DELETE", f"/api/subscriptions/{each['id']}", status=204)


def add_token(server: Server, name: str, line_id: int | None = None) -> str:
    path, token = server.home / FILE_NAME, new_token()
    known = read_tokens(path) if path.exists() else []
    path.write_bytes(
        write_tokens([*known, ApiToken(name, "read", "2026-01-01T00:00:00Z", hash_of(token), "", line_id)])
    )
    return token


def test_a_conversation_is_told_in_order_signed_and_as_the_api_shows_it(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver)
        assert made["secret"].startswith("whsec_")
        for number in ("V3", "V4", "V5", "V6", "V7", "V8", "V9", "V10"):
            assert server.post_event(vector(number)).status == 200
        until(lambda: "dialog.closed" in [call.event for call in receiver.taken], what="the end is told")
        until(lambda: ask(server, "GET", f"/api/subscriptions/{made['id']}")["waiting"] == 0, what="nothing waits")
        events = [call.event for call in receiver.taken if call.json["data"]["dialog"]["chat_id"] == 1763]
        assert events[0] == "dialog.opened"
        assert {"message.created", "message.updated", "message.deleted"} <= set(events)
        assert all(call.is_signed(made["secret"]) for call in receiver.taken)
        assert not receiver.taken[0].is_signed("whsec_another")
        ids = [int(call.headers["x-b24bot-delivery"]) for call in receiver.taken]
        assert [call.json["id"] for call in receiver.taken] == ids
        assert receiver.taken[0].path == "/hook?key=value"
        for call in receiver.taken:
            assert call.json.keys() == {"id", "event", "created_at", "instance", "data"}
            assert (call.json["instance"], call.json["event"]) == ("acme", call.event)
            assert ("message" in call.json["data"]) == call.event.startswith("message.")
        latest = {call.message["message_id"]: call.message for call in receiver.taken if "message" in call.event}
        shown = {message["message_id"]: message for message in server.messages(1763)}
        assert {number: latest[number] for number in shown} == shown


def test_only_what_was_asked_for_is_told_and_only_of_the_line(server: Server) -> None:
    with Receiver() as closed, Receiver() as other_line, Receiver() as line:
        subscribe(server, closed, ["dialog.closed"])
        subscribe(server, other_line, line_id=99)
        subscribe(server, line, ["message.created"], line_id=3)
        number = say(server, next(new_chats))
        until(lambda: line.taken, what="the line's subscriber is told")
        assert told(line.taken) == [("message.created", number)]
        assert (closed.calls, other_line.calls) == ([], [])


def test_every_call_is_in_the_journal_of_requests(server: Server) -> None:
    with Receiver() as receiver:
        subscribe(server, receiver, ["message.created"])
        chat_id = next(new_chats)
        say(server, chat_id)
        query = "SELECT subject, portal, path, status, outcome FROM http_journal WHERE kind = 'webhook' AND chat_id = ?"
        rows = until(lambda: server.sql(query, chat_id), what="it is journaled")
        assert rows == [("message.created", f"127.0.0.1:{receiver.port}", "/…", 200, "ok")]


def test_a_ping_says_hello_once_and_shows_what_is_wrong(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver)
        ping = ask(server, "POST", f"/api/subscriptions/{made['id']}/test", status=201)
        until(lambda: receiver.taken, what="the ping came")
        (call,) = receiver.taken
        assert (call.event, call.json["data"], call.json["id"]) == ("ping", {}, ping["id"])
        path = f"/api/subscriptions/{made['id']}/deliveries/{ping['id']}"
        until(lambda: ask(server, "GET", path)["state"] == "delivered", what="it is noted")
        assert ask(server, "GET", path)["response_status"] == 200
    again = ask(server, "POST", f"/api/subscriptions/{made['id']}/test", status=201)
    path = f"/api/subscriptions/{made['id']}/deliveries/{again['id']}"
    found = until(lambda: (row := ask(server, "GET", path))["state"] == "failed" and row, what="the ping failed")
    assert (found["tries"], found["last_error"]) == (1, f"127.0.0.1:{receiver.port} refused the connection")


# --- receivers that behave badly


BAD = {
    redirects: "redirects are not followed",
    says_garbage: "no HTTP",
    breaks_off: "no HTTP",
    fails: "answered HTTP 500",
}


def test_bad_receivers_delay_nobody_and_what_failed_is_tried_again(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        bad = {behave: stack.enter_context(Receiver(behave)) for behave in (hangs, drips, is_slow, *BAD)}
        ids = {behave: subscribe(server, receiver)["id"] for behave, receiver in bad.items()}
        with Receiver() as gone:
            gone_id = subscribe(server, gone)["id"]
        good = stack.enter_context(Receiver())
        subscribe(server, good, ["message.created"])
        for _ in range(5):  # to every one of them: the bad ones have had their first tries after it
            numbers = [say(server, next(new_chats)) for _ in range(8)]
            until(
                lambda numbers=numbers: set(numbers) <= {call.message["message_id"] for call in good.taken},
                timeout_s=4,
                what="the good receiver is told at once",
            )
        for behave, words in BAD.items():
            until(lambda behave=behave: len(bad[behave].calls) > 1, what=f"{behave.__name__} is tried again")
            shown = ask(server, "GET", f"/api/subscriptions/{ids[behave]}")
            assert words in shown["last_error"], shown
            assert shown["failing"] > 0
            assert shown["active"]
        assert {call.path for call in bad[redirects].calls} == {"/hook?key=value"}
        until(
            lambda: (ask(server, "GET", f"/api/subscriptions/{gone_id}")["last_error"] or "").endswith(
                "refused the connection"
            ),
            what="the refusal is shown",
        )
        for late in (hangs, drips):
            until(
                lambda late=late: (
                    ask(server, "GET", f"/api/subscriptions/{ids[late]}")["last_error"] == "no whole answer in time"
                ),
                timeout_s=30,
                what=f"{late.__name__} was cut off",
            )


def test_a_long_answer_is_not_read(server: Server) -> None:
    with Receiver(floods) as receiver:
        made = subscribe(server, receiver, ["message.created"])
        say(server, next(new_chats))
        until(lambda: ask(server, "GET", f"/api/subscriptions/{made['id']}")["waiting"] == 0 and receiver.taken)
        (row,) = ask(server, "GET", f"/api/subscriptions/{made['id']}/deliveries")["deliveries"]
        assert (row["state"], row["tries"]) == ("delivered", 1)
        assert not receiver.over.is_set(), "64 MB were taken"


def test_a_refused_delivery_holds_only_its_own_dialog_back_and_keeps_its_order(server: Server) -> None:
    held, free = next(new_chats), next(new_chats)
    refusing = [True]

    def refuses_one(receiver: Receiver, connection: socket.socket, call: Call) -> None:
        refuses = refusing[0] and call.json["data"]["dialog"]["chat_id"] == held
        receiver.answer(connection, call, 422 if refuses else 200)

    with Receiver(refuses_one) as receiver:
        made = subscribe(server, receiver, ["message.created"])
        first = [say(server, held, f"{i}") for i in range(3)]
        until(lambda: len(receiver.calls) >= 2, what="it is tried")
        others = [say(server, free, f"{i}") for i in range(3)]
        until(lambda: [n for _, n in told(receiver.taken)] == others, what="the other dialog goes on")
        assert {call.message["message_id"] for call in receiver.calls} == {first[0], *others}
        tries = [call.headers["x-b24bot-delivery"] for call in receiver.calls if call.message["chat_id"] == held]
        assert len(set(tries)) == 1, "the id stays the same"
        refusing[0] = False
        ask(server, "PATCH", f"/api/subscriptions/{made['id']}", {"active": True})
        until(lambda: len(receiver.taken) == 6, what="what was held back comes")
        assert [n for _, n in told(receiver.taken) if n in first] == first


def test_gone_disables_at_once_and_the_subscription_can_be_revived(server: Server) -> None:
    status = [410]

    def answers(receiver: Receiver, connection: socket.socket, call: Call) -> None:
        receiver.answer(connection, call, status[0])

    with Receiver(answers) as receiver:
        made = subscribe(server, receiver, ["message.created"])
        path = f"/api/subscriptions/{made['id']}"
        number = say(server, next(new_chats))
        until(lambda: not ask(server, "GET", path)["active"], what="it is disabled")
        shown = ask(server, "GET", path)
        assert "410" in shown["disabled_reason"]
        assert shown["disabled_at"]
        assert any("was disabled" in line["message"] for line in server.log())
        status[0] = 200
        revived = ask(server, "PATCH", path, {"active": True})
        assert (revived["disabled_reason"], revived["disabled_at"]) == (None, None)
        until(lambda: told(receiver.taken) == [("message.created", number)], what="what waited comes")


def test_a_delivery_can_be_replayed_under_its_id(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver, ["message.created"])
        say(server, next(new_chats))
        path = f"/api/subscriptions/{made['id']}/deliveries"
        (row,) = until(lambda: ask(server, "GET", f"{path}?state=delivered")["deliveries"], what="it was delivered")
        ask(server, "POST", f"{path}/{row['id']}/replay")
        until(lambda: len(receiver.taken) == 2, what="it comes again")
        assert {call.json["id"] for call in receiver.taken} == {row["id"]}


# --- where no call goes


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://2130706434/",
        "https://127.2/",
        "https://0x7f000002/",
    ],
)
def test_an_address_of_our_own_network_is_refused(server: Server, url: str) -> None:
    answer = server.request("POST", "/api/subscriptions", json.dumps({"url": url, "events": EVENTS}).encode(), **BEARER)
    assert error_code(answer) == (400, "url_forbidden")


def test_a_name_that_leads_home_is_refused_when_it_is_called() -> None:
    with instance(B24BOT_WEBHOOK_HOSTS="crm.local") as server, Receiver() as receiver:
        url = f"https://localhost.localdomain:{receiver.port}/"
        made = ask(server, "POST", "/api/subscriptions", {"url": url, "events": ["message.created"]}, 201)
        say(server, next(new_chats))
        shown = until(
            lambda: (row := ask(server, "GET", f"/api/subscriptions/{made['id']}"))["last_error"] and row,
            what="it failed",
        )
        assert "network" in shown["last_error"] or "looked up" in shown["last_error"]
        assert receiver.calls == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"events": EVENTS}, "url"),
        ({"url": "ftp://crm.example.ru", "events": EVENTS}, "url"),
        ({"url": "http://crm.example.ru/", "events": EVENTS}, "https"),
        ({"url": "https://user:word@crm.example.ru/", "events": EVENTS}, "user name"),
        ({"url": "https://почта.рф/", "events": EVENTS}, "Punycode"),
        ({"url": "https://crm.example.ru/"}, "events"),
        ({"url": "https://crm.example.ru/", "events": []}, "events"),
        ({"url": "https://crm.example.ru/", "events": ["message.read"]}, "message.read"),
        ({"url": "https://crm.example.ru/", "events": [["x"]]}, "events"),
        ({"url": "https://crm.example.ru/", "events": EVENTS, "line_id": "3"}, "line_id"),
        ({"url": "https://crm.example.ru/", "events": EVENTS, "active": True}, "active"),
        ([], "JSON object"),
    ],
)
def test_a_bad_subscription_is_a_400_that_names_what_is_wrong(server: Server, body: Any, named: str) -> None:
    answer = server.request("POST", "/api/subscriptions", json.dumps(body).encode(), **BEARER)
    assert answer.status == 400
    assert named in answer.json["error"]["message"], answer.text


def test_what_does_not_exist_is_a_404(server: Server) -> None:
    for method, path in (
        ("GET", "/api/subscriptions/77"),
        ("PATCH", "/api/subscriptions/77"),
        ("DELETE", "/api/subscriptions/77"),
        ("POST", "/api/subscriptions/77/test"),
        ("GET", "/api/subscriptions/77/deliveries"),
        ("GET", f"/api/subscriptions/{2**70}"),
    ):
        answer = server.request(method, path, b"{}" if method in ("PATCH", "POST") else None, **BEARER)
        assert error_code(answer) == (404, "subscription_unknown"), path


def test_who_only_reads_sees_no_path_and_changes_nothing(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver)
        path = f"/api/subscriptions/{made['id']}"
        reader = {"Authorization": f"Bearer {add_token(server, 'reader')}"}
        shown = server.get(path, **reader)
        assert shown.json["url"] == f"http://127.0.0.1:{receiver.port}/…"
        assert "secret" not in shown.json
        assert error_code(server.request("POST", f"{path}/test", b"", **reader)) == (403, "token_reads_only")
        assert error_code(server.request("PATCH", path, b"{}", **reader)) == (403, "token_reads_only")
        assert error_code(server.request("DELETE", path, **reader)) == (403, "token_reads_only")
        of_a_line = {"Authorization": f"Bearer {add_token(server, 'line', 3)}"}
        assert error_code(server.get(path, **of_a_line)) == (403, "token_one_line")
        assert error_code(server.get(path)) == (401, "token_missing")


def test_neither_a_signing_secret_nor_the_path_of_an_address_is_told_elsewhere(server: Server) -> None:
    secret_path = "kq7-very-secret-path-of-the-receiver"
    with Receiver(fails) as failing, Receiver(redirects) as moving:
        made = [
            ask(
                server,
                "POST",
                "/api/subscriptions",
                {"url": f"http://127.0.0.1:{receiver.port}/{secret_path}?{secret_path}", "events": EVENTS},
                201,
            )
            for receiver in (failing, moving)
        ]
        refused = {"url": f"https://10.0.0.1/{secret_path}", "events": EVENTS}
        answer = server.request("POST", "/api/subscriptions", json.dumps(refused).encode(), **BEARER)
        say(server, next(new_chats))
        for each in made:
            until(lambda each=each: ask(server, "GET", f"/api/subscriptions/{each['id']}")["last_error"])
        rows = [ask(server, "GET", f"/api/subscriptions/{each['id']}/deliveries") for each in made]
        metrics = server.get("/metrics").text
        told = (server.home / "bot.log").read_text("utf-8") + answer.text + json.dumps(rows) + metrics
        told += server.output_path.read_text("utf-8")
        assert secret_path not in told
        assert all(each["secret"] not in told for each in made)


# --- switched off, and begun anew


def test_a_fresh_archive_keeps_the_subscriptions(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver, ["message.created"])
        ask(server, "POST", "/api/admin/reinit_db")
        assert ask(server, "GET", f"/api/subscriptions/{made['id']}")["active"]
        number = say(server, next(new_chats))
        until(lambda: told(receiver.taken) == [("message.created", number)], what="it is told")


def test_a_disabled_instance_calls_nobody_until_it_is_enabled(server: Server) -> None:
    with Receiver() as receiver:
        subscribe(server, receiver, ["message.created"])
        ask(server, "POST", "/api/admin/disable")
        number = say(server, next(new_chats))
        assert server.post_event(join(next(new_chats))).status == 200
        until(lambda: server.sql("SELECT COUNT(*) FROM messages WHERE message_id = ?", number) == [(1,)])
        assert receiver.calls == []
        ask(server, "POST", "/api/admin/enable")
        until(lambda: told(receiver.taken) == [("message.created", number)], what="it is told")


def test_the_figures_of_a_subscription_are_among_the_metrics(server: Server) -> None:
    with Receiver() as receiver:
        made = subscribe(server, receiver, ["message.created"])
        label = f'{{subscription="{made["id"]}"}}'
        say(server, next(new_chats))
        until(lambda: receiver.taken)
        until(lambda: server.metric(f"b24bot_webhook_waiting{label}") == 0)
        assert server.metric(f"b24bot_webhook_active{label}") == 1
        counted = f'b24bot_webhook_deliveries_total{{outcome="delivered",subscription="{made["id"]}"}}'
        until(lambda: server.metric(counted) == 1, what="it is counted")
