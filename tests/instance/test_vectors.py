"""The recorded requests of a portal, each over a real socket to a real instance: what its `expect` promises happens."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.model import Connector
from tests.instance.tools import (
    add_app,
    altered,
    auth_file,
    handover_calls,
    know_token,
    row_counts,
    status,
    wait_idle,
)
from tests.support import VECTORS, Server, until, vector
from tests.support.payloads import APPLICATION_TOKEN, CLIENT_ID


def here(portal: SimulatedPortal, body: bytes) -> bytes:
    """The request in the name of the simulated portal: its address instead of acme.bitrix24.ru."""
    places = {
        "auth[domain]": portal.host,
        "auth[client_endpoint]": portal.rest_url,
        "auth[server_endpoint]": f"{portal.oauth_url}/rest/",
    }
    return altered(body, places)


def path_here(portal: SimulatedPortal, number: str) -> str:
    """The path of a browser's request, with the simulated portal in its query."""
    path, _, query = str(VECTORS[number]["path"]).partition("?")
    pairs = {key: values[0] for key, values in parse_qs(query).items()}
    return f"{path}?{urlencode(pairs | {'DOMAIN': portal.host, 'PROTOCOL': '0'})}"


@pytest.fixture
def blank(portal: SimulatedPortal) -> Iterator[Server]:
    """An instance that was never installed, and our application in the portal."""
    server = Server(portal)
    add_app(portal, server)
    with server:
        yield server


@pytest.fixture
def in_chat(portal: SimulatedPortal, server: Server) -> SimulatedPortal:
    """Chat 1763 with session 321 exists in the portal; the instance has not heard of it."""
    portal.faults.drop_events(1_000_000)
    message = portal.client("Анна Смирнова").writes("Добрый день!")
    assert (message.chat_id, message.session_id) == (1763, 321)
    return portal


def send(server: Server, *numbers: str) -> None:
    for number in numbers:
        assert server.post_event(vector(number)).status == 200, number


def message(server: Server, message_id: int) -> dict[str, Any]:
    found = [m for m in server.messages() if m["message_id"] == message_id]
    assert len(found) == 1, found
    return found[0]


def dialog(server: Server, chat_id: int = 1763) -> dict[str, Any]:
    found: dict[str, Any] = server.api(f"/api/dialogs/{chat_id}")["dialog"]
    return found


def test_v1_an_installation_is_confirmed_stored_and_set_up(portal: SimulatedPortal, blank: Server) -> None:
    body = here(portal, vector("V1"))
    pairs = parse_qs(body.decode())
    know_token(portal, pairs["auth[access_token]"][0], refresh_token=pairs["auth[refresh_token]"][0])
    assert blank.post_event(body).status == 200
    until(lambda: (status(blank)["portal"] or {}).get("bot_id"), what="the bot is registered")
    wait_idle(blank)
    stored = auth_file(blank)
    assert stored["access_token"] == pairs["auth[access_token]"][0]
    assert stored["refresh_token"] == pairs["auth[refresh_token]"][0]
    assert (stored["member_id"], stored["application_token"]) == (pairs["auth[member_id]"][0], APPLICATION_TOKEN)
    assert stat.S_IMODE((blank.home / "auth.json").stat().st_mode) == 0o600
    assert [bot.owner for bot in portal.core.bots.values()] == [CLIENT_ID]
    bound = {handler.event for handler in portal.core.handlers if handler.url == blank.handler_url}
    assert {"ONIMBOTMESSAGEADD", "ONIMBOTJOINCHAT", "ONSESSIONFINISH", "ONAPPUNINSTALL", "ONAPPUPDATE"} <= bound


def test_v2_the_install_page_finishes_the_installation_once(portal: SimulatedPortal, blank: Server) -> None:
    pairs = parse_qs(vector("V2").decode().strip())
    know_token(portal, pairs["AUTH_ID"][0], refresh_token=pairs["REFRESH_ID"][0])
    body = altered(vector("V2"), {"SERVER_ENDPOINT": f"{portal.oauth_url}/rest/"})
    page = blank.post_event(body, path_here(portal, "V2"))
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "BX24.installFinish()" in page.text
    assert "x-frame-options" not in {name.lower() for name in page.headers}
    until(lambda: status(blank)["installed"], what="the installation is confirmed")
    until(lambda: (status(blank)["portal"] or {}).get("bot_id"), what="the bot is registered")
    assert "installFinish" not in blank.post_event(body, path_here(portal, "V2")).text


def test_v3_the_bots_entry_makes_a_dialog_and_hands_it_over(in_chat: SimulatedPortal, idle_server: Server) -> None:
    send(idle_server, "V3")
    found = dialog(idle_server)
    assert (found["dialog_id"], found["line_id"], found["connector_id"]) == ("chat1763", 3, "telegrambot")
    until(lambda: dialog(idle_server)["handed_over_at"], what="the dialog is handed over")
    assert len(handover_calls(in_chat, 1763)) == 1
    assert in_chat.handed_over(1763)


def test_v4_a_clients_text_is_archived_word_for_word(server: Server) -> None:
    send(server, "V4")
    found = message(server, 85833)
    assert found["text"] == "Добрый день!\nЦена 1+1 & доставка? 👍"
    assert found["author"] == {"id": 744, "name": "Анна Смирнова", "kind": "client"}
    assert (found["chat_id"], found["session_id"]) == (1763, 321)


def test_v5_a_file_without_text_is_archived_with_its_disk_id(server: Server) -> None:
    send(server, "V5")
    (found,) = server.messages()
    assert found["text"] == ""
    assert [file["id"] for file in found["files"]] == [5437]
    assert found["files"][0]["name"] and found["files"][0]["size"] > 0


def test_v6_a_system_message_is_archived_without_a_user(server: Server) -> None:
    send(server, "V6")
    (found,) = server.messages()
    assert (found["author"]["id"], found["author"]["kind"]) == (0, "system")


def test_v7_an_operators_message_keeps_its_mention(server: Server) -> None:
    send(server, "V7")
    found = message(server, 85851)
    assert (found["author"]["id"], found["author"]["kind"]) == (27, "operator")
    assert found["text"].startswith("[USER=744]")
    assert "[" not in found["text_plain"] and "Анна" in found["text_plain"]


def test_v8_an_edit_replaces_the_text_and_keeps_its_author(server: Server) -> None:
    send(server, "V7", "V8")
    found = message(server, 85851)
    assert "300 руб." in found["text"] and found["edited_at"]
    assert (found["author"]["id"], found["author"]["kind"]) == (27, "operator")


def test_v8_an_edit_that_overtakes_its_message_still_wins(server: Server) -> None:
    send(server, "V8", "V7")
    found = message(server, 85851)
    assert "300 руб." in found["text"] and found["edited_at"]
    assert found["author"]["name"] == "Иван Петров"


def test_v9_a_deletion_keeps_the_archived_text(server: Server) -> None:
    send(server, "V4", "V9")
    found = message(server, 85833)
    assert found["deleted_at"] and found["text"].startswith("Добрый день!")


def test_v9_a_deletion_that_overtakes_its_message_keeps_the_text_too(server: Server) -> None:
    send(server, "V9", "V4")
    found = message(server, 85833)
    assert found["deleted_at"] and found["text"].startswith("Добрый день!")
    assert found["author"]["kind"] == "client"


@pytest.mark.parametrize(("number", "asked"), [("V10", "CHAT_ID"), ("V11", "SESSION_ID")])
def test_v10_v11_a_finished_session_is_completed_from_history(
    number: str, asked: str, in_chat: SimulatedPortal, idle_server: Server
) -> None:
    for recorded in ("V3", number):  # at the time of the portal's own history
        body = altered(vector(recorded), {"ts": str(int(time.time()))})
        assert idle_server.post_event(body).status == 200
    until(lambda: dialog(idle_server)["complete"], what="the session was compared")
    assert asked in in_chat.calls_of("imopenlines.session.history.get")[-1].params
    found = dialog(idle_server)
    assert (found["status"], found["session_id"], found["complete"]) == ("closed", 321, True)
    said = {m.message_id: m.text for m in in_chat.history(321)}
    assert {m["message_id"]: m["text"] for m in idle_server.messages()} == said
    assert all(m["sent_at_exact"] for m in idle_server.messages())
    (session,) = idle_server.api("/api/dialogs/1763")["sessions"]
    assert session["session_id"] == 321 and session["closed_at"]


@pytest.mark.parametrize("order", [("V7", "V12"), ("V12", "V7")])
def test_v12_the_second_feed_never_doubles_a_message(order: tuple[str, str], server: Server) -> None:
    send(server, *order)
    found = message(server, 85851)
    assert found["text"].startswith("[USER=744]")
    assert dialog(server)["message_count"] == len(server.messages()) == 1


def test_v13_a_removed_bot_is_registered_anew(portal: SimulatedPortal, idle_server: Server) -> None:
    before = status(idle_server)["portal"]["bot_id"]
    assert before == 597
    portal.faults.drop_events(1)
    portal.delete_bot(before)
    send(idle_server, "V13")
    until(lambda: status(idle_server)["portal"]["bot_id"] != before, what="a new bot is registered")
    wait_idle(idle_server)
    assert portal.line(3).bot_id == status(idle_server)["portal"]["bot_id"]


def test_v14_an_update_brings_new_tokens_and_repeats_the_set_up(portal: SimulatedPortal, idle_server: Server) -> None:
    body = here(portal, vector("V14"))
    pairs = parse_qs(body.decode())
    know_token(portal, pairs["auth[access_token]"][0], refresh_token=pairs["auth[refresh_token]"][0])
    portal.core.unbind(CLIENT_ID)  # an update drops every handler
    assert idle_server.post_event(body).status == 200
    until(
        lambda: auth_file(idle_server)["access_token"] == pairs["auth[access_token]"][0], what="the new pair is stored"
    )
    until(lambda: any(h.event == "ONIMBOTMESSAGEADD" for h in portal.core.handlers), what="handlers are bound again")
    assert auth_file(idle_server)["refresh_token"] == pairs["auth[refresh_token]"][0]


def test_v15_an_uninstallation_ends_the_calls_and_keeps_the_archive(
    portal: SimulatedPortal, idle_server: Server
) -> None:
    send(idle_server, "V4")
    wait_idle(idle_server)
    send(idle_server, "V15")
    state = status(idle_server)
    assert not state["installed"]
    assert message(idle_server, 85833)["text"]
    before = len(portal.calls)
    idle_server.stop()
    idle_server.start()
    assert len(portal.calls) == before
    assert not auth_file(idle_server)["access_token"] and not auth_file(idle_server)["refresh_token"]


def test_v16_an_operators_message_for_our_connector_is_archived_and_waits_in_the_outbox(server: Server) -> None:
    send(server, "V16")
    (found,) = server.messages(1767)
    assert (found["message_id"], found["author"]["kind"]) == (86001, "operator")
    assert found["text_plain"] == "Иван Петров: \nСмотрите счёт"
    until(lambda: status(server)["outbox"]["buried"].get("channel.send") == 1, what="nobody serves the channel yet")
    ((payload,),) = server.sql("SELECT payload FROM outbox WHERE kind = 'channel.send'")
    sent = json.loads(payload)
    assert (sent["connector_id"], sent["line_id"]) == ("acme_avito", 3)
    assert sent["item"]["message"]["files"]["0"]["name"] == "счёт.pdf"


def add_connector(portal: SimulatedPortal, server: Server) -> Connector:
    connector = portal.core.connectors["acme_avito"] = Connector("acme_avito", "Avito", CLIENT_ID, server.handler_url)
    return connector


def open_settings(portal: SimulatedPortal, server: Server) -> str:
    """V19: an administrator opens the settings of our connector on line 3. Returns the page."""
    pairs = parse_qs(vector("V19").decode().strip())
    know_token(portal, pairs["AUTH_ID"][0], refresh_token=pairs["REFRESH_ID"][0])
    page = server.post_event(vector("V19"), path_here(portal, "V19"))
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    return page.text


def lines(server: Server) -> list[tuple[Any, ...]]:
    return server.sql("SELECT connector_id, line_id, active FROM connector_lines")


def test_v17_a_connector_that_was_switched_off_stops_on_its_line(portal: SimulatedPortal, idle_server: Server) -> None:
    add_connector(portal, idle_server)
    open_settings(portal, idle_server)
    until(lambda: lines(idle_server) == [("acme_avito", 3, 1)], what="the connector serves line 3")
    send(idle_server, "V17")
    assert lines(idle_server) == [("acme_avito", 3, 0)]


def test_v18_a_deleted_line_is_forgotten(portal: SimulatedPortal, idle_server: Server) -> None:
    add_connector(portal, idle_server)
    open_settings(portal, idle_server)
    until(lambda: lines(idle_server) == [("acme_avito", 3, 1)], what="the connector serves line 3")
    send(idle_server, "V18")
    assert lines(idle_server) == []


def test_v19_opening_the_connectors_settings_connects_it_to_the_line(
    portal: SimulatedPortal, idle_server: Server
) -> None:
    connector = add_connector(portal, idle_server)
    before = auth_file(idle_server)
    assert "acme_avito" in open_settings(portal, idle_server)
    until(lambda: lines(idle_server) == [("acme_avito", 3, 1)], what="line 3 is stored")
    assert connector.active_lines == {3} and connector.data[3]["ID"] == "acme_avito"
    assert auth_file(idle_server) == before  # whoever opens a page does not become the installer


def test_v19_a_stranger_cannot_connect_the_connector(portal: SimulatedPortal, idle_server: Server) -> None:
    connector = add_connector(portal, idle_server)
    page = idle_server.post_event(vector("V19"), path_here(portal, "V19"))
    assert page.status == 200 and "acme_avito" not in page.text
    assert idle_server.metric('b24bot_installation{outcome="refused"}') == 1
    wait_idle(idle_server)
    assert lines(idle_server) == [] and connector.active_lines == set()


def test_v20_a_test_event_proves_that_the_portal_reaches_us(server: Server) -> None:
    send(server, "V20")
    assert status(server)["inbound_test"]["nonce"] == "k7f3"


def test_v21_a_forged_event_is_answered_neutrally_stored_nowhere_and_counted(idle_server: Server) -> None:
    genuine = idle_server.post_event(vector("V4"))
    wait_idle(idle_server)
    before = row_counts(idle_server)
    forged = idle_server.post_event(vector("V21"))
    assert (forged.status, forged.body) == (genuine.status, genuine.body)
    assert row_counts(idle_server) == before
    assert idle_server.metric("b24bot_events_forged_total") == 1


def test_every_recorded_request_is_covered_here() -> None:
    assert sorted(VECTORS, key=lambda number: int(number[1:])) == [f"V{n}" for n in range(1, 22)]


def test_a_vector_sent_twice_changes_nothing_the_second_time(idle_server: Server) -> None:
    numbers = ("V4", "V5", "V6", "V7", "V8", "V9", "V12", "V16", "V17", "V18")
    send(idle_server, *numbers)
    wait_idle(idle_server)
    before = row_counts(idle_server)
    send(idle_server, *numbers)
    assert row_counts(idle_server) == before
    assert idle_server.metric('b24bot_events{event="ONIMBOTMESSAGEADD",outcome="duplicate"}') == 4
