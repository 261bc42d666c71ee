"""What can go wrong goes wrong on demand, and the queue promises nothing."""

from __future__ import annotations

import gc
import http.client
import socket
import struct
import threading
import warnings

import pytest

from python_bot.simulator.queue import post_form


def test_events_leave_after_the_answer_that_caused_them(portal, receiver, b24, bot):
    answered, waited = threading.Event(), []
    receiver.before_answer = lambda got: waited.append(answered.wait(5))
    b24("event.bind", event="ONAPPTEST", handler=receiver.url)
    assert b24("event.test").result == 1
    answered.set()
    assert portal.wait_quiet()
    assert waited == [True]


def test_a_handler_may_call_the_portal_while_it_handles_an_event(portal, receiver, b24, bot):
    statuses = []
    receiver.before_answer = lambda got: statuses.append(b24("profile").status)
    portal.client("Анна").writes("привет")
    assert portal.wait_quiet()
    assert statuses == [200, 200]


def test_a_lost_event_is_never_sent_again(portal, receiver, bot):
    portal.faults.drop_events(1, "ONIMBOTMESSAGEADD")
    client = portal.client("Анна")
    client.writes("раз")
    client.writes("два")
    assert portal.wait_quiet()
    assert [got.form["data[PARAMS][MESSAGE]"] for got in receiver.of("ONIMBOTMESSAGEADD")] == ["два"]
    assert [d.error for d in portal.deliveries if not d.ok] == ["dropped by the queue"]


def test_all_events_can_be_lost(portal, receiver, bot):
    portal.faults.drop_probability = 1.0
    portal.client("Анна").writes("раз")
    assert portal.wait_quiet()
    assert receiver.received == []


def test_events_can_be_doubled(portal, receiver, bot):
    portal.faults.duplicate_events(2)
    portal.client("Анна").writes("раз")
    assert portal.wait_quiet()
    assert (len(receiver.of("ONIMBOTJOINCHAT")), len(receiver.of("ONIMBOTMESSAGEADD"))) == (2, 2)
    assert receiver.received[0].form["event_handler_id"]


def test_shuffled_events_lose_their_order_but_nothing_else(portal, receiver, bot):
    portal.faults.shuffle = True
    client = portal.client("Анна")
    sent = [client.writes(f"сообщение {n}").message_id for n in range(30)]
    assert portal.wait_quiet()
    arrived = [int(got.form["data[PARAMS][MESSAGE_ID]"]) for got in receiver.of("ONIMBOTMESSAGEADD")]
    assert arrived != sent
    assert sorted(arrived) == sent


def test_a_dead_handler_is_logged_and_not_tried_again(portal, helpers):
    app = portal.install_app("http://127.0.0.1:9/python_bot/")
    assert portal.wait_quiet()
    (delivery,) = portal.deliveries
    assert (delivery.event, delivery.status, delivery.ok) == ("ONAPPINSTALL", 0, False)
    assert "ConnectionRefusedError" in delivery.error
    assert app.installed


def test_deliveries_name_event_chat_and_message(portal, receiver, bot):
    message = portal.client("Анна").writes("раз")
    assert portal.wait_quiet()
    told = {(d.event, d.chat_id, d.message_id, d.status) for d in portal.deliveries}
    assert told == {
        ("ONIMBOTJOINCHAT", message.chat_id, 0, 200),
        ("ONIMBOTMESSAGEADD", message.chat_id, message.message_id, 200),
    }


def test_a_maintenance_page_is_html_of_any_status(portal, b24):
    portal.faults.html(200)
    portal.faults.html(503, retry_after_s=7)
    first, second = b24("profile"), b24("profile")
    assert (first.status, second.status, second.headers["Retry-After"]) == (200, 503, "7")
    assert first.headers["Content-Type"].startswith("text/html")
    assert b24("profile").status == 200


def test_garbage_looks_like_json_and_is_none(portal, b24):
    portal.faults.garbage()
    with pytest.raises(ValueError, match="Expecting value"):
        b24("profile")


def test_one_method_can_fail_alone_and_inside_a_batch(portal, b24):
    portal.faults.fail("profile", "INTERNAL_SERVER_ERROR", 500, times=2, retry_after_s=3)
    answer = b24("profile")
    assert (answer.error, answer.headers["Retry-After"]) == ((500, "INTERNAL_SERVER_ERROR"), "3")
    result = b24("batch", cmd={"p": "profile", "t": "server.time"}).result
    assert result["result_error"]["p"]["error"] == "INTERNAL_SERVER_ERROR"
    assert "t" in result["result"]
    assert b24("profile").status == 200


def test_a_whole_batch_can_fail(portal, b24):
    portal.faults.fail("batch", "INTERNAL_SERVER_ERROR")
    assert b24("batch", cmd={"t": "server.time"}).error == (500, "INTERNAL_SERVER_ERROR")
    assert portal.calls_of("server.time") == []


def test_a_portal_that_is_down_refuses_and_comes_back_on_the_same_port(portal, b24):
    host = portal.host
    portal.faults.down = True
    with pytest.raises(OSError, match="refused"):
        b24("profile")
    portal.faults.down = False
    assert (b24("profile").status, portal.host) == (200, host)


def test_going_down_cuts_open_connections(portal, b24):
    connection = http.client.HTTPConnection(portal.host, timeout=5)
    connection.request("GET", f"/rest/profile?auth={b24.token}")
    assert connection.getresponse().read()
    portal.faults.down = True
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.auto_open = 0
        connection.request("GET", f"/rest/profile?auth={b24.token}")
        connection.getresponse()
    connection.close()


def test_a_hanging_portal_answers_nobody(portal, b24):
    portal.faults.hang = True
    connection = http.client.HTTPConnection(portal.host, timeout=0.2)
    connection.request("GET", f"/rest/profile?auth={b24.token}")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    portal.faults.hang = False
    assert b24("profile").status == 200


def test_a_renamed_portal_redirects_and_tells_its_new_address(portal, app, b24, helpers):
    old = portal.rest_url
    new = portal.rename()
    moved = helpers.http(f"{old}profile", helpers.form(auth=b24.token))
    assert (moved.status, moved.headers["Location"]) == (302, f"{new}/rest/profile")
    assert b24("profile").status == 200
    query = f"grant_type=refresh_token&client_id={app.client_id}&client_secret={app.client_secret}"
    refreshed = helpers.http(f"{portal.oauth_url}/oauth/token/?{query}&refresh_token={app.tokens().refresh_token}")
    assert refreshed.body["client_endpoint"] == f"{new}/rest/"


def test_the_oauth_server_has_faults_of_its_own(portal, b24, helpers):
    portal.oauth_faults.html(502)
    assert helpers.http(f"{portal.oauth_url}/oauth/token/").status == 502
    assert b24("profile").status == 200


def test_connections_stay_open_and_many_are_served_at_once(portal, b24):
    portal.limits.enabled = False
    failures = []

    def talk() -> None:
        connection = http.client.HTTPConnection(portal.host, timeout=10)
        for _ in range(20):
            connection.request("GET", f"/rest/server.time?auth={b24.token}")
            response = connection.getresponse()
            response.read()
            if response.status != 200 or response.will_close:
                failures.append(response.status)
        connection.close()

    threads = [threading.Thread(target=talk) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_receiver_that_breaks_off_in_its_answer_leaves_no_open_socket() -> None:
    """Otherwise the warning about it comes in whatever test runs when it is collected."""
    half = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n\r\nhalf"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def break_off() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(half)
                begun.wait(5)
                # No time to linger: the connection is reset, as a killed process leaves it.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        begun = threading.Event()
        threading.Timer(0.2, begun.set).start()  # the head of the answer has been read by then
        breaking = threading.Thread(target=break_off)
        breaking.start()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with pytest.raises(OSError) as caught:
                post_form(f"http://127.0.0.1:{listener.getsockname()[1]}/", "x", 5)
            caught.value.itself = caught.value  # a cycle, as a kept traceback makes it
            del caught
            gc.collect()
        breaking.join()
    assert [str(warning.message) for warning in warned] == []
