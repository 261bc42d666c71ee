"""`/python_bot/` takes whatever comes: never a 5xx, never a lost genuine event, 200 only for what is on disk."""

from __future__ import annotations

import contextlib
import http.client
import json
import sqlite3
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import adopt, altered, chunked, client_message, join, raw, row_counts
from tests.support import Server, vector
from tests.support.payloads import APPLICATION_TOKEN

LIMIT = 4 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
new_ids = count(100_000)


@pytest.fixture(scope="module")
def door() -> Iterator[Server]:
    """One instance for the module: every test sends messages with ids of its own. No call leaves it."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            yield server


def stored(server: Server, message_id: int) -> str | None:
    """The text of a message as the file on disk holds it; None when it is not there."""
    rows = server.sql("SELECT text FROM messages WHERE message_id = ?", message_id)
    return rows[0][0] if rows else None


def post(server: Server, body: bytes, kind: str = FORM, path: str = "/python_bot/") -> int:
    return server.request("POST", path, body, Content_Type=kind).status


def still_works(server: Server) -> bool:
    message_id = next(new_ids)
    return server.post_event(client_message(message_id)).status == 200 and stored(server, message_id) is not None


# --- shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/python_bot/", "/python_bot", "/python_bot/install", "/python_bot/?DOMAIN=x"])
def test_a_post_is_taken_with_and_without_the_slash_and_never_redirected(path: str, door: Server) -> None:
    message_id = next(new_ids)
    body = client_message(message_id)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    status, headers, _ = raw(door, head.encode() + body)
    assert status == 200 and "location" not in headers
    assert stored(door, message_id) is not None


@pytest.mark.parametrize("path", ["/python_bot/", "/python_bot"])
@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_a_person_or_a_monitor_gets_a_neutral_page(verb: str, path: str, door: Server) -> None:
    status, headers, body = raw(door, f"{verb} {path} HTTP/1.0\r\n\r\n".encode())
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert bool(body) == (verb == "GET")


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_verbs_are_answered_quietly(verb: str, door: Server) -> None:
    assert door.request(verb, "/python_bot/", client_message(next(new_ids))).status < 500


def test_an_event_as_json_is_archived(door: Server) -> None:
    message_id = next(new_ids)
    params = {"CHAT_ID": 1763, "MESSAGE_ID": message_id, "MESSAGE": "JSON 👍", "CHAT_TYPE": "L", "FROM_USER_ID": 744}
    params |= {"CHAT_ENTITY_TYPE": "LINES", "CHAT_ENTITY_ID": "telegrambot|3|209607941|744"}
    event = {"event": "ONIMBOTMESSAGEADD", "data": {"PARAMS": params}, "auth": {"application_token": APPLICATION_TOKEN}}
    assert post(door, json.dumps(event).encode(), "application/json") == 200
    assert stored(door, message_id) == "JSON 👍"


def test_an_event_as_multipart_is_archived(door: Server) -> None:
    message_id = next(new_ids)
    pairs = {
        "event": "ONIMBOTMESSAGEADD",
        "data[PARAMS][CHAT_ID]": "1763",
        "data[PARAMS][MESSAGE_ID]": str(message_id),
        "data[PARAMS][MESSAGE]": "части & 1+1 👍",
        "data[PARAMS][FROM_USER_ID]": "744",
        "auth[application_token]": APPLICATION_TOKEN,
    }
    parts = [f'--xyz\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in pairs.items()]
    assert post(door, ("".join(parts) + "--xyz--\r\n").encode(), "multipart/form-data; boundary=xyz") == 200
    assert stored(door, message_id) == "части & 1+1 👍"


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "", "image/png; charset=koi8-r", "a;b;c"])
def test_a_form_under_a_wrong_content_type_is_archived(kind: str, door: Server) -> None:
    message_id = next(new_ids)
    assert post(door, client_message(message_id), kind) == 200
    assert stored(door, message_id) is not None


def test_an_event_in_chunks_is_archived(door: Server) -> None:
    message_id = next(new_ids)
    head = f"POST /python_bot/ HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(door, head.encode() + chunked(client_message(message_id)))[0] == 200
    assert stored(door, message_id) is not None


def test_a_connection_takes_many_events_one_after_another(door: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    with contextlib.closing(connection):
        for _ in range(20):
            message_id = next(new_ids)
            connection.request("POST", "/python_bot/", client_message(message_id), {"Content-Type": FORM})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200 and stored(door, message_id) is not None


# --- sizes ----------------------------------------------------------------------------------------------------


def of_size(size: int, message_id: int) -> bytes:
    body = client_message(message_id, text="Длинно")
    return body + b"&data[PARAMS][EXTRA]=" + b"x" * (size - len(body) - 21)


def test_a_genuine_event_of_3_9_mib_is_archived_whole(door: Server) -> None:
    message_id = next(new_ids)
    text = "Ж" * 339_000  # twice in the body, six bytes a letter
    body = client_message(message_id, text=text)
    assert 3.85 * 1024 * 1024 < len(body) < LIMIT
    assert post(door, body) == 200
    assert stored(door, message_id) == text


def test_a_body_of_exactly_4_mib_is_archived_and_one_byte_more_is_413(door: Server) -> None:
    fits, exceeds = next(new_ids), next(new_ids)
    assert len(of_size(LIMIT, fits)) == LIMIT
    assert post(door, of_size(LIMIT, fits)) == 200
    assert stored(door, fits) == "Длинно"
    head = f"POST /python_bot/ HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    assert raw(door, head.encode() + client_message(exceeds))[0] == 413  # before the body was sent
    assert stored(door, exceeds) is None
    assert still_works(door)


@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 413)])
def test_the_limit_holds_for_chunks_too(extra: int, status: int, door: Server) -> None:
    message_id = next(new_ids)
    head = f"POST /python_bot/ HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    try:
        found = raw(door, head.encode() + chunked(of_size(LIMIT + extra, message_id), 65536))[0]
    except (BrokenPipeError, ConnectionResetError):
        found = 413  # refused before everything was sent
    assert found == status
    assert (stored(door, message_id) is not None) == (status == 200)


# --- broken contents ------------------------------------------------------------------------------------------


def test_broken_utf8_and_nul_bytes_are_archived_as_well_as_possible(door: Server) -> None:
    message_id = next(new_ids)
    body = client_message(message_id, text="MARK").replace(b"MARK", b"a%00b%FF%C3\xff\x00c")
    assert post(door, body) == 200
    assert stored(door, message_id) == "ab\ufffd\ufffd\ufffdc"


def test_lone_surrogates_in_json_are_archived_as_well_as_possible(door: Server) -> None:
    message_id = next(new_ids)
    event = '{"event":"ONIMBOTMESSAGEADD","auth":{"application_token":"%s"},"data":{"PARAMS":{"CHAT_ID":1763,'
    event += '"MESSAGE_ID":%d,"MESSAGE":"a\\ud800b\\u0000c","FROM_USER_ID":744}}}'
    assert post(door, (event % (APPLICATION_TOKEN, message_id)).encode(), "application/json") == 200
    assert stored(door, message_id) == "a\ufffdbc"


def test_ten_thousand_nested_brackets_beside_an_event_do_not_lose_it(door: Server) -> None:
    message_id = next(new_ids)
    deep = b"&data" + b"[a]" * 10_000 + b"=1&data[PARAMS]" + b"[b]" * 300 + b"=2"
    assert post(door, client_message(message_id) + deep) == 200
    assert stored(door, message_id) is not None


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_nested_ten_thousand_deep_is_answered_quietly(opening: str, door: Server) -> None:
    assert post(door, (opening * 10_000).encode(), "application/json") == 200
    closed = opening * 10_000 + "1" + ("]" if opening == "[" else "}") * 10_000
    assert post(door, closed.encode(), "application/json") == 200
    assert still_works(door)


def test_keys_that_contradict_each_other_do_not_lose_an_event(door: Server) -> None:
    message_id = next(new_ids)
    body = client_message(message_id) + b"&data=5&data[BOT]=x&data[PARAMS][PARAMS]=y&auth[scope][x]=1&[]=2&=3&&&="
    assert post(door, body) == 200
    # A scalar `data` stands where the event was: whatever is made of it, the request itself is kept.
    assert b"MESSAGE_ID" in door.sql("SELECT body FROM journal ORDER BY id DESC LIMIT 1")[0][0]


@pytest.mark.parametrize("body", [b"", b"&", b"=", b"event", b"event=", b"{}", b"[]", b"null", b"{", b"\xff" * 100])
def test_a_body_that_says_nothing_is_answered_200_and_stored_nowhere(body: bytes, door: Server) -> None:
    before = row_counts(door)
    assert post(door, body) == 200
    assert row_counts(door) == before


@pytest.mark.parametrize("number", [f"V{n}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17, 18, 20)])
def test_every_event_survives_the_loss_of_any_group_of_keys(number: str, door: Server) -> None:
    genuine = {"auth[application_token]": APPLICATION_TOKEN}
    for missing in ("data", "data[PARAMS]", "data[USER]", "data[BOT]", "data[DATA]", "ts", "event_handler_id", "auth"):
        body = altered(vector(number), {}, without=(missing,))
        name = vector(number).partition(b"&")[0]
        body = altered(body, genuine) if missing == "auth" else body
        assert name in body
        assert post(door, body) == 200, missing
        assert door.sql("SELECT COUNT(*) FROM journal WHERE instr(body, ?)", name)[0][0] > 0


def test_an_event_without_its_ids_is_kept_and_counted_as_unreadable(door: Server) -> None:
    name = 'b24bot_events{event="ONIMBOTMESSAGEADD",outcome="unreadable"}'
    before = door.metric(name)
    body = altered(client_message(next(new_ids)), {}, without=("data[PARAMS][CHAT_ID]", "data[PARAMS][TO_CHAT_ID]"))
    assert post(door, body) == 200
    assert door.metric(name) == before + 1
    assert door.sql("SELECT outcome FROM journal ORDER BY id DESC LIMIT 1") == [("unreadable",)]


def test_an_unknown_event_is_kept_and_counted(door: Server) -> None:
    body = altered(vector("V4"), {"event": "ONSOMETHINGNEW"})
    assert post(door, body) == 200
    assert door.metric('b24bot_events{event="ONSOMETHINGNEW",outcome="unknown"}') == 1
    assert door.sql("SELECT outcome FROM journal WHERE event = 'ONSOMETHINGNEW'") == [("unknown",)]


def test_names_of_unknown_events_cannot_flood_the_metrics(door: Server) -> None:
    for number in range(300):
        post(door, altered(vector("V4"), {"event": f"ONFORGED{number}", "auth[application_token]": "wrong"}))
    assert "ONFORGED" not in door.get("/metrics").text


KEYS = st.sampled_from(
    ["event", "data", "data[PARAMS]", "data[PARAMS][CHAT_ID]", "data[DATA][0][chat]", "auth[application_token]", "ts"]
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.sampled_from(["ONIMBOTMESSAGEADD", "ONSESSIONFINISH", "ONIMCONNECTORLINEDELETE", "ONAPPTEST", "ONAPPINSTALL"]),
    st.just(APPLICATION_TOKEN),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Anything at all, or something that looks a little like an event."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=400))
    pairs = draw(st.lists(st.tuples(st.one_of(KEYS, st.text(max_size=30)), VALUES), max_size=12))
    if draw(st.booleans()):
        pairs += [("auth[application_token]", APPLICATION_TOKEN), ("event", draw(VALUES))]
    return "&".join(f"{key}={value}" for key, value in pairs).encode("utf-8", "surrogatepass")


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies(), kind=st.sampled_from([FORM, "application/json", "multipart/form-data; boundary=x", "multipart/"]))
def test_garbage_never_makes_a_5xx(body: bytes, kind: str, door: Server) -> None:
    assert post(door, body, kind) in (200, 413)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=JSON, event=st.sampled_from(["ONIMBOTMESSAGEADD", "ONIMBOTJOINCHAT", "ONSESSIONFINISH", "ONAPPTEST", "X"]))
def test_a_genuine_event_with_any_json_inside_is_kept_and_never_a_5xx(data: Any, event: str, door: Server) -> None:
    body = {"event": event, "data": data, "auth": {"application_token": APPLICATION_TOKEN}}
    before = row_counts(door)["journal"]
    duplicates = door.metric(f'b24bot_events{{event="{event}",outcome="duplicate"}}')
    assert post(door, json.dumps(body).encode(), "application/json") == 200
    again = door.metric(f'b24bot_events{{event="{event}",outcome="duplicate"}}') - duplicates
    assert row_counts(door)["journal"] + again == before + 1


def test_after_all_that_a_genuine_event_is_archived(door: Server) -> None:
    assert still_works(door)
    assert door.get("/readyz").status == 200


# --- the prefix, duplicates, the disk -------------------------------------------------------------------------


def test_an_instance_under_a_prefix_takes_events_with_and_without_it(portal: SimulatedPortal) -> None:
    server = Server(portal)
    server.handler_url = f"{server.url}/acme/python_bot/"
    server.env["B24BOT_PUBLIC_URL"] = server.handler_url
    adopt(portal, server)
    with server:
        for path in ("/acme/python_bot/", "/acme/python_bot", "/python_bot/"):
            message_id = next(new_ids)
            assert server.post_event(client_message(message_id), path).status == 200
            assert stored(server, message_id) is not None
        assert server.get("/acme/python_bot/").status == 200
        assert server.get("/acmeish/python_bot/").status == 404
        assert server.get("/acme/healthz").status == 200
        portal.client("Анна").writes("из портала")
        portal.wait_quiet()
        assert {delivery.status for delivery in portal.deliveries} <= {200}


def test_the_same_event_again_changes_no_row(door: Server) -> None:
    bodies = [join(4242), client_message(next(new_ids), chat_id=4242, session_id=4243)]
    for body in bodies:
        assert post(door, body) == 200
    before = row_counts(door)
    for body in bodies * 3:
        assert post(door, body) == 200
    # The portal's tokens and handler numbers differ between two deliveries of one event.
    assert post(door, altered(bodies[1], {"auth[access_token]": "f" * 70, "event_handler_id": "99"})) == 200
    assert row_counts(door) == before


def test_what_was_answered_200_is_in_the_file_at_that_moment(door: Server) -> None:
    missing: list[int] = []

    def write() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
        path = f"file:{door.home}/dialogs.db?mode=ro"
        with contextlib.closing(connection), contextlib.closing(sqlite3.connect(path, uri=True)) as db:
            for _ in range(40):
                message_id = next(new_ids)
                connection.request("POST", "/python_bot/", client_message(message_id), {"Content-Type": FORM})
                answer = connection.getresponse()
                answer.read()
                row = db.execute("SELECT 1 FROM messages WHERE message_id = ?", (message_id,)).fetchone()
                if answer.status != 200 or row is None:
                    missing.append(message_id)

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert missing == []
