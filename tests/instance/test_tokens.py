"""Tokens expire, portals move, hang and answer nonsense: jobs wait, and are done once it is over."""

from __future__ import annotations

import re
import stat
import urllib.parse
import urllib.request
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from python_bot.simulator import Client, SimulatedPortal
from tests.instance.tools import (
    Stranger,
    adopt,
    at_work,
    auth_file,
    handover_calls,
    know_token,
    log_text,
    status,
    wait_idle,
)
from tests.support import Server, until
from tests.support.payloads import CLIENT_ID


@pytest.fixture
def working() -> Iterator[tuple[SimulatedPortal, Server]]:
    with at_work() as pair:
        yield pair


def a_client_writes(portal: SimulatedPortal, name: str = "Анна") -> Client:
    client = portal.client(name, external_id=name)
    client.writes("Здравствуйте")
    return client


def handed_over(portal: SimulatedPortal, client: Client, timeout_s: float = 15.0) -> None:
    until(lambda: portal.handed_over(client.chat.chat_id), timeout_s, what="the client reaches an operator")


def by_rest(portal: SimulatedPortal, client: Client) -> bool:
    return client.chat.session.handed_over_by == "rest"


def refreshes(portal: SimulatedPortal) -> int:
    """How many refresh tokens of our application were used up."""
    return sum(grant.spent for grant in portal.core.tokens.refresh.values())


# --- refreshing -----------------------------------------------------------------------------------------------


def test_an_expired_token_is_refreshed_once_and_rotated(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    before, spent = auth_file(server), refreshes(portal)
    portal.core.tokens.expire_access()
    clients = [a_client_writes(portal, f"Клиент {n}") for n in range(5)]
    for client in clients:
        handed_over(portal, client)
        assert by_rest(portal, client)
    after = auth_file(server)
    assert refreshes(portal) == spent + 1
    assert after["access_token"] != before["access_token"] and after["refresh_token"] != before["refresh_token"]
    assert after["client_endpoint"] == portal.rest_url  # the answer's `domain` is the authorization server's
    assert after["application_token"] == before["application_token"]
    assert stat.S_IMODE((server.home / "auth.json").stat().st_mode) == 0o600
    assert not list(server.home.glob(".auth.json.*"))


def test_no_token_is_refreshed_before_it_expires(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    spent = refreshes(portal)
    for n in range(3):
        handed_over(portal, a_client_writes(portal, f"Клиент {n}"))
    assert refreshes(portal) == spent
    server.stop()
    server.start()
    wait_idle(server)
    assert refreshes(portal) == spent


def test_tokens_that_expired_while_the_instance_was_down_are_refreshed_at_its_start(
    working: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = working
    server.stop()
    portal.clock.advance(24 * 3600)
    server.start()
    wait_idle(server)
    handed_over(portal, a_client_writes(portal))
    assert status(server)["installed"]


def test_an_authorization_server_that_is_down_only_delays(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    portal.core.tokens.expire_access()
    portal.oauth_faults.down = True
    client = a_client_writes(portal)
    until(lambda: status(server)["outbox"]["waiting"].get("handover"), what="the hand-over waits")
    until(lambda: "failed (try 2)" in log_text(server), what="it was tried twice")
    portal.oauth_faults.down = False
    handed_over(portal, client)
    assert by_rest(portal, client)


@pytest.mark.parametrize("answer", ["html", "garbage"])
def test_nonsense_of_the_authorization_server_does_not_kill_the_pair(
    answer: str, working: tuple[SimulatedPortal, Server]
) -> None:
    portal, server = working
    portal.core.tokens.expire_access()
    if answer == "html":
        portal.oauth_faults.html(status=200, times=2)
    else:
        portal.oauth_faults.garbage(times=2)
    client = a_client_writes(portal)
    handed_over(portal, client)
    assert by_rest(portal, client) and status(server)["authorization_problem"] is None


# --- authorizing again ----------------------------------------------------------------------------------------


def browse(url: str) -> tuple[int, str, str]:
    """Status, text and final URL, as a browser that follows the portal's redirects."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.status, answer.read().decode(), answer.url


def link_on(page: str) -> str:
    found = re.search(r'href="([^"]+/oauth/authorize/[^"]+)"', page)
    assert found, page
    return unescape(found[1])


def break_tokens(portal: SimulatedPortal) -> None:
    portal.core.tokens.expire_access()
    for grant in portal.core.tokens.refresh.values():
        grant.spent = True


def test_a_dead_refresh_token_is_told_plainly_and_a_person_repairs_it_with_one_click(
    working: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = working
    assert "/oauth/authorize/" not in server.get("/python_bot/").text  # nothing to do while all is well
    break_tokens(portal)
    client = a_client_writes(portal)
    until(lambda: not status(server)["installed"], what="the status tells that the tokens are dead")
    state = status(server)
    assert "invalid_grant" in state["authorization_problem"]
    assert state["outbox"]["waiting"]["handover"] == 1
    until(lambda: "invalid_grant" in log_text(server), what="the log tells it, too: a moment after the state")
    page = server.get("/python_bot/").text
    link = link_on(page)
    assert link.startswith(f"{portal.url}/oauth/authorize/?") and CLIENT_ID in link
    status_code, text, _ = browse(link)
    assert status_code == 200 and "Готово" in text
    assert status(server)["installed"]
    handed_over(portal, client, 30)
    assert by_rest(portal, client)
    assert "/oauth/authorize/" not in server.get("/python_bot/").text


def test_the_status_says_what_to_do_about_dead_tokens(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    break_tokens(portal)
    a_client_writes(portal)
    until(lambda: not status(server)["installed"], what="the tokens are dead")
    said = str(status(server)["authorization_problem"])
    assert "authoriz" in said and ("open" in said or "link" in said), said


def test_a_missed_installation_is_made_up_for_by_the_code_flow(portal: SimulatedPortal) -> None:
    with Server(portal) as server:
        portal.install_app(
            server.handler_url, client_id=CLIENT_ID, client_secret=server.env["CLIENT_SECRET"], send=False
        )
        app = next(iter(portal.core.apps.values()))
        assert not status(server)["installed"]
        code, text, url = browse(link_on(server.get("/python_bot/").text))
        assert code == 200 and "Готово" in text and url.startswith(server.handler_url)
        until(lambda: auth_file(server)["application_token"] == app.application_token, what="event.test told the token")
        until(lambda: status(server)["inbound_test"], what="the test event was recorded")
        wait_idle(server)
        client = a_client_writes(portal)
        handed_over(portal, client)
        portal.wait_quiet()
        assert [m["text"] for m in server.messages(client.chat.chat_id)][:1] == ["Здравствуйте"]


def test_a_forged_test_event_teaches_no_application_token(portal: SimulatedPortal) -> None:
    server = Server(portal)
    adopt(portal, server, application_token="")
    portal.faults.drop_events(1_000)
    with server:
        wait_idle(server)
        body = b"event=ONAPPTEST&auth[application_token]=evil&data[QUERY][nonce]="
        for nonce in (b"", b"0", b"%00", b"null", b"a" * 32):
            assert server.post_event(body + nonce).status == 200
        assert auth_file(server)["application_token"] == ""


def test_a_codes_return_after_30_seconds_says_what_to_do(portal: SimulatedPortal) -> None:
    with Server(portal) as server:
        app = portal.install_app(
            server.handler_url, client_id=CLIENT_ID, client_secret=server.env["CLIENT_SECRET"], send=False
        )
        late = portal.authorization_code(app)
        portal.clock.advance(31)
        answer = server.get(f"/python_bot/?code={late}&domain={portal.host}&member_id={portal.member_id}")
        assert answer.status == 200
        assert "invalid_grant" in answer.text and "/oauth/authorize/" in answer.text
        assert not auth_file(server)


def test_a_strangers_code_never_replaces_tokens_that_work(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    app = next(iter(portal.core.apps.values()))
    before = auth_file(server)
    code = portal.authorization_code(app, user_id=27)
    for state in ("", "1.x", "9999999999.0", f"{10**10}.{'0' * 64}", "ё.ё"):
        answer = server.request("GET", f"/python_bot/?{urllib.parse.urlencode({'code': code, 'state': state})}")
        assert answer.status == 200
    assert auth_file(server) == before


def test_a_wrong_client_secret_is_told_and_mended_by_a_restart(portal: SimulatedPortal) -> None:
    with at_work(portal) as (_, server):
        server.stop()
        right = server.env["CLIENT_SECRET"]
        server.env["CLIENT_SECRET"] = "wrong-secret-wrong-secret"
        portal.core.tokens.expire_access()
        server.start()
        until(lambda: "invalid_client" in str(status(server)["authorization_problem"]), what="the status tells")
        server.stop()
        server.env["CLIENT_SECRET"] = right
        server.start()
        wait_idle(server, 30)
        assert status(server)["installed"]
        handed_over(portal, a_client_writes(portal))


# --- renamed portals ------------------------------------------------------------------------------------------


def test_a_renamed_portal_is_followed_when_the_authorization_server_agrees(
    working: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = working
    old = portal.url
    new = portal.rename()
    client = a_client_writes(portal)
    handed_over(portal, client, 30)
    assert by_rest(portal, client)
    assert auth_file(server)["client_endpoint"] == f"{new}/rest/"
    server.stop()
    server.start()  # still permitted by the former name
    handed_over(portal, a_client_writes(portal, "Борис"), 30)
    assert server.env["B24BOT_PORTAL"] == old


# --- a portal in trouble --------------------------------------------------------------------------------------


def trouble(portal: SimulatedPortal, kind: str) -> Any:
    faults = portal.faults
    match kind:
        case "maintenance page":
            return faults.html(status=503, times=2)
        case "maintenance page as 200":
            return faults.html(status=200, times=2)
        case "garbage":
            return faults.garbage(times=2)
        case "internal error":
            return faults.fail("imopenlines.bot.session.operator", "INTERNAL_SERVER_ERROR", 500, times=2)
        case "overload":
            return faults.fail("imopenlines.bot.session.operator", "OVERLOAD_LIMIT", 503, times=2)
        case "too many":
            return faults.fail("imopenlines.bot.session.operator", "QUERY_LIMIT_EXCEEDED", 503, times=1)
        case "empty 502":
            return faults.fail("imopenlines.bot.session.operator", "ERROR_UNEXPECTED_ANSWER", 502, times=2)
    raise AssertionError(kind)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[SimulatedPortal, Server]]:
    """One instance for troubles that pass: each test brings a client of its own."""
    with at_work() as pair:
        yield pair


TROUBLES = (
    "maintenance page",
    "maintenance page as 200",
    "garbage",
    "internal error",
    "overload",
    "too many",
    "empty 502",
)


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_hand_over_waits_until_the_trouble_is_over(kind: str, shared: tuple[SimulatedPortal, Server]) -> None:
    portal, server = shared
    trouble(portal, kind)
    client = a_client_writes(portal, kind)
    handed_over(portal, client)
    assert by_rest(portal, client)
    assert server.metric("b24bot_outbox_buried") == 0


def test_retry_after_is_honoured(shared: tuple[SimulatedPortal, Server]) -> None:
    portal, _ = shared
    portal.faults.html(status=503, times=1, retry_after_s=4)
    client = a_client_writes(portal, "Retry-After")
    handed_over(portal, client)
    session = client.chat.session
    assert session.handed_over_at is not None and 3.9 <= session.handed_over_at - session.started_at < 8


def test_a_method_over_its_operating_time_is_left_alone_and_goes_on_later(
    shared: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = shared
    method = "imopenlines.bot.session.operator"
    before = len(portal.calls_of(method))
    ends = portal.clock.now() + 4
    portal.limits.operating.block(method, ends)
    client = a_client_writes(portal, "operating")
    until(lambda: "OPERATION_TIME_LIMIT" in log_text(server), what="the portal blocks the method")
    until(lambda: portal.clock.now() > ends)
    assert len(portal.calls_of(method)) - before <= 2
    assert status(server)["outbox"]["waiting"] == {"handover": 1}
    second = a_client_writes(portal, "operating over")
    handed_over(portal, second)
    handed_over(portal, client)  # its success shows that the trouble is over
    assert by_rest(portal, client) and by_rest(portal, second)


def test_a_portal_that_hangs_delays_the_hand_over_but_never_an_answer_to_it(
    shared: tuple[SimulatedPortal, Server],
) -> None:
    portal, server = shared
    portal.faults.hang = True
    try:
        client = a_client_writes(portal, "hang")
        second = a_client_writes(portal, "hang too")
        assert portal.wait_quiet(5)
        assert all(delivery.seconds < 1 and delivery.ok for delivery in portal.deliveries[-8:])
        assert server.get("/readyz").status == 200
    finally:
        portal.faults.hang = False
    handed_over(portal, client, 45)
    handed_over(portal, second, 45)


def test_a_refused_token_without_a_json_body_is_not_an_endless_loop(shared: tuple[SimulatedPortal, Server]) -> None:
    portal, _server = shared
    before = len(handover_calls(portal))
    portal.faults.html(status=401, times=2)
    client = a_client_writes(portal, "401")
    handed_over(portal, client, 30)
    assert by_rest(portal, client)
    assert len(handover_calls(portal)) - before <= 3


def test_a_redirect_of_the_authorization_server_is_not_followed(working: tuple[SimulatedPortal, Server]) -> None:
    portal, server = working
    with Stranger() as stranger:
        portal.core.tokens.expire_access()
        portal.oauth_faults.move_to(stranger.url)
        client = a_client_writes(portal)
        until(lambda: "failed (try 1)" in log_text(server), what="the refresh failed")
        portal.oauth_faults.move_to("")
        handed_over(portal, client)
        assert stranger.heard == []


def test_a_token_from_the_future_of_our_clock_still_works(portal: SimulatedPortal) -> None:
    server = Server(portal)
    adopt(portal, server, expires_at=0)  # auth.json of an older release without an expiry
    know_token(portal, "x" * 70)
    with server:
        wait_idle(server)
        handed_over(portal, a_client_writes(portal))
