"""Who is believed: events by their application_token, installations by a call to a permitted portal, hosts by name."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import (
    BEARER,
    Stranger,
    add_app,
    adopt,
    altered,
    at_work,
    auth_file,
    client_message,
    handover_calls,
    install_event,
    join,
    log_text,
    row_counts,
    status,
    wait_idle,
)
from tests.support import Server, until, vector
from tests.support.payloads import APPLICATION_TOKEN, CLIENT_ID

REFUSED = 'b24bot_installation{outcome="refused"}'
NOT_PERMITTED = 'b24bot_installation{outcome="not permitted"}'
OTHER_TOKEN = "feedfeedfeedfeedfeedfeedfeedfeed"


@pytest.fixture
def blank(portal: SimulatedPortal) -> Iterator[Server]:
    """Never installed."""
    with Server(portal) as server:
        yield server


def bot_is_up(server: Server) -> None:
    until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")


# --- events ---------------------------------------------------------------------------------------------------

FORGED = {
    "wrong": {"auth[application_token]": "0" * 32},
    "empty": {"auth[application_token]": ""},
    "a part": {"auth[application_token]": APPLICATION_TOKEN[:-1]},
    "upper case": {"auth[application_token]": APPLICATION_TOKEN.upper()},
    "with a space": {"auth[application_token]": APPLICATION_TOKEN + " "},
    "no ASCII": {"auth[application_token]": "ключ-от-портала-👍"},
    "a list": {"auth[application_token][0]": APPLICATION_TOKEN},
    "elsewhere": {"application_token": APPLICATION_TOKEN},
    "in the bot's block only": {"data[BOT][597][application_token]": APPLICATION_TOKEN},
}


@pytest.fixture(scope="module")
def watched() -> Iterator[Server]:
    """Installed and switched off: whatever changes in it was changed by the test."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            yield server


@pytest.mark.parametrize("how", FORGED)
@pytest.mark.parametrize("number", ["V4", "V15", "V20"])
def test_an_event_without_the_right_token_leaves_no_trace(number: str, how: str, watched: Server) -> None:
    rows, counted = row_counts(watched), watched.metric("b24bot_events_forged_total")
    body = altered(altered(vector(number), {}, without=("auth[application_token]",)), FORGED[how])
    answer = watched.post_event(body)
    assert (answer.status, answer.body) == (200, b"")
    assert row_counts(watched) == rows
    assert watched.metric("b24bot_events_forged_total") == counted + 1
    assert auth_file(watched)["access_token"]
    assert APPLICATION_TOKEN not in log_text(watched)


@pytest.mark.parametrize("given", ["", "anything", "0", "None", "null"])
def test_an_empty_stored_token_matches_nothing(given: str, portal: SimulatedPortal) -> None:
    server = Server(portal)
    server.pretend_installed(application_token="")
    with server:
        for body in (
            altered(vector("V4"), {"auth[application_token]": given}),
            altered(vector("V4"), {}, without=("auth",)),
            altered(vector("V20"), {"auth[application_token]": given, "data[QUERY][nonce]": ""}),
        ):
            assert server.post_event(body).status == 200
        assert row_counts(server)["journal"] == 0
        assert server.metric("b24bot_events_forged_total") == 3
        assert auth_file(server)["application_token"] == ""


def test_before_the_installation_no_event_is_believed(blank: Server) -> None:
    for number in ("V3", "V4", "V10", "V13", "V15", "V20"):
        assert blank.post_event(vector(number)).status == 200
    assert row_counts(blank)["journal"] == 0
    assert not auth_file(blank)


def test_the_tokens_of_events_never_replace_the_installers_pair(idle_server: Server) -> None:
    before = (idle_server.home / "auth.json").read_bytes()
    for number in ("V3", "V4", "V5", "V7", "V8", "V9", "V11", "V12", "V13", "V16", "V17", "V20"):
        assert idle_server.post_event(vector(number)).status == 200
    assert (idle_server.home / "auth.json").read_bytes() == before


# --- installations --------------------------------------------------------------------------------------------


def test_a_portal_that_is_not_permitted_is_never_called(blank: Server, portal: SimulatedPortal) -> None:
    with Stranger() as stranger:
        rest = f"{stranger.url}/rest/"
        forged = [
            install_event(portal, "a" * 70, client_endpoint=rest),
            install_event(portal, "b" * 70, client_endpoint=rest, domain=stranger.host),
            install_event(portal, "c" * 70, client_endpoint="", domain=stranger.host),
            install_event(portal, "d" * 70, client_endpoint=f"http://{portal.host}@{stranger.host}/rest/"),
            install_event(portal, "e" * 70, client_endpoint=f"{stranger.url}#{portal.url}/rest/"),
            install_event(portal, "f" * 70, client_endpoint=f"//{stranger.host}/rest/"),
            install_event(portal, "0" * 70, client_endpoint=f"http://{stranger.host}\\@{portal.host}/rest/"),
        ]
        for body in forged:
            assert blank.post_event(body).status == 200
        page = blank.post_event(vector("V2"), f"/python_bot/?{urlencode({'DOMAIN': stranger.host, 'PROTOCOL': '0'})}")
        assert page.status == 200 and "installFinish" not in page.text
        blank.get(f"/python_bot/?code=x&domain={stranger.host}&server_domain={stranger.host}")
        wait_idle(blank)
        assert stranger.heard == []
    assert portal.calls == []
    assert not auth_file(blank)
    assert blank.metric(NOT_PERMITTED) == len(forged) + 1


def test_without_a_named_portal_only_cloud_portals_over_https_may_install(portal: SimulatedPortal) -> None:
    with Stranger() as stranger:
        server = Server(portal)
        del server.env["B24BOT_PORTAL"]
        with server:
            for endpoint in (
                f"{stranger.url}/rest/",
                f"https://{stranger.host}/rest/",
                f"https://acme.bitrix24.ru.{stranger.host}/rest/",
                f"https://acme.bitrix24.ru:443@{stranger.host}/rest/",
                "http://acme.bitrix24.ru/rest/",
                "https://acme.bitrix24.ru.example.com/rest/",
                "https://acme.bitrix24.evil/rest/",
                "https://169.254.169.254/rest/",
                "file:///etc/passwd",
            ):
                assert server.post_event(install_event(portal, "a" * 70, client_endpoint=endpoint)).status == 200
            wait_idle(server)
            assert server.metric(NOT_PERMITTED) == 9
            assert stranger.heard == [] and portal.calls == [] and not auth_file(server)


def test_a_made_up_token_is_refused_by_the_portal_and_not_stored(blank: Server, portal: SimulatedPortal) -> None:
    add_app(portal, blank)
    assert blank.post_event(install_event(portal, "a" * 70)).status == 200
    until(lambda: blank.metric(REFUSED) == 1, what="the installation is refused")
    assert not auth_file(blank)
    assert blank.post_event(altered(vector("V4"), {})).status == 200
    assert row_counts(blank)["journal"] == 0  # the token that came with it opens nothing


def test_another_applications_token_is_refused_when_our_client_id_is_known(
    blank: Server, portal: SimulatedPortal
) -> None:
    other = add_app(portal, blank, client_id="local.another", client_secret="s" * 50)
    assert blank.post_event(install_event(portal, other.access_token())).status == 200
    until(lambda: blank.metric(REFUSED) == 1, what="the installation is refused")
    assert not auth_file(blank)
    assert not portal.core.bots


def test_any_application_of_the_permitted_portal_may_install_when_no_client_id_is_set(portal: SimulatedPortal) -> None:
    server = Server(portal, env={"CLIENT_ID": "", "CLIENT_SECRET": ""})
    with server:
        portal.install_app(server.handler_url)
        bot_is_up(server)


def test_a_second_installation_needs_an_administrator(portal: SimulatedPortal, idle_server: Server) -> None:
    app = next(iter(portal.core.apps.values()))
    before = auth_file(idle_server)
    assert idle_server.post_event(install_event(portal, app.access_token(27), OTHER_TOKEN)).status == 200
    until(lambda: idle_server.metric(REFUSED) == 1, what="an employee is refused")
    assert auth_file(idle_server) == before
    by_admin = app.access_token(1)
    assert idle_server.post_event(install_event(portal, by_admin, OTHER_TOKEN)).status == 200
    until(lambda: auth_file(idle_server)["application_token"] == OTHER_TOKEN, what="the administrator is accepted")
    assert auth_file(idle_server)["access_token"] == by_admin


def test_a_second_installation_of_another_portal_is_refused(portal: SimulatedPortal, idle_server: Server) -> None:
    app = next(iter(portal.core.apps.values()))
    before = auth_file(idle_server)
    body = install_event(portal, app.access_token(1), OTHER_TOKEN, member_id="0" * 32)
    assert idle_server.post_event(body).status == 200
    until(lambda: idle_server.metric(REFUSED) == 1, what="it is refused")
    assert auth_file(idle_server) == before


def test_a_second_installation_without_client_id_is_refused(portal: SimulatedPortal) -> None:
    server = Server(portal, env={"CLIENT_ID": "", "CLIENT_SECRET": ""})
    app = adopt(portal, server)
    with server:
        before = auth_file(server)
        assert server.post_event(install_event(portal, app.access_token(1), OTHER_TOKEN)).status == 200
        until(lambda: server.metric(REFUSED) == 1, what="it is refused")
        assert auth_file(server) == before


def test_opening_the_application_never_replaces_a_working_installation(
    portal: SimulatedPortal, idle_server: Server
) -> None:
    app = next(iter(portal.core.apps.values()))
    before = auth_file(idle_server)
    request = app.open(27)
    path = request.url.removeprefix(idle_server.url)
    assert idle_server.post_event(request.body.encode(), path).status == 200
    wait_idle(idle_server)
    assert auth_file(idle_server) == before


def test_the_same_installation_again_changes_nothing_but_the_pair(portal: SimulatedPortal, idle_server: Server) -> None:
    app = next(iter(portal.core.apps.values()))
    token = app.access_token(1)
    for _ in range(3):
        assert idle_server.post_event(install_event(portal, token)).status == 200
    until(lambda: auth_file(idle_server)["access_token"] == token, what="the new pair is stored")
    wait_idle(idle_server)
    assert len(portal.core.bots) == 1
    assert auth_file(idle_server)["application_token"] == APPLICATION_TOKEN


def test_a_flood_of_installations_causes_a_bounded_number_of_calls(portal: SimulatedPortal, blank: Server) -> None:
    portal.faults.latency_s = 0.3
    with closing(http.client.HTTPConnection("127.0.0.1", blank.port, timeout=20)) as connection:
        for number in range(300):
            body = install_event(portal, f"{number:070d}")
            connection.request("POST", "/python_bot/", body, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
    dropped = blank.metric('b24bot_installation{outcome="flood"}')
    assert dropped > 200
    assert len((blank.home / "auth.pending.json").read_bytes()) < 100_000
    wait_idle(blank, 40)
    assert len(portal.calls) <= 300 - dropped  # one for each that was let in
    assert not auth_file(blank)


def test_a_flood_of_forged_installations_does_not_hold_up_hand_overs(
    portal: SimulatedPortal, idle_server: Server
) -> None:
    for number in range(100):
        assert idle_server.post_event(install_event(portal, f"{number:070d}")).status == 200
    message = portal.client("Анна").writes("Вы здесь?")
    until(lambda: portal.handed_over(message.chat_id), 3, what="the client reaches an operator")


def test_an_installation_that_comes_while_a_forged_one_is_checked_is_not_forgotten(
    portal: SimulatedPortal, blank: Server
) -> None:
    app = add_app(portal, blank)
    portal.faults.latency_s = 1.0
    assert blank.post_event(install_event(portal, "a" * 70)).status == 200
    until(lambda: blank.sql("SELECT 1 FROM outbox WHERE kind = 'confirm' AND claimed_until > 0"), what="it is checked")
    assert blank.post_event(install_event(portal, app.access_token())).status == 200
    until(lambda: blank.metric(REFUSED) == 1, what="the forged one is refused")
    portal.faults.latency_s = 0.0
    until(lambda: status(blank)["installed"], 10, what="the genuine one is accepted")


def test_a_forged_flood_while_the_portal_is_down_does_not_lock_the_genuine_installation_out(
    portal: SimulatedPortal, blank: Server
) -> None:
    app = add_app(portal, blank)
    portal.faults.down = True
    for number in range(30):
        assert blank.post_event(install_event(portal, f"{number:070d}")).status == 200
    assert blank.post_event(install_event(portal, app.access_token())).status == 200
    portal.faults.down = False
    until(lambda: status(blank)["installed"], 30, what="the genuine installation is accepted")


# --- uninstalling and installing again ------------------------------------------------------------------------


def test_uninstalling_keeps_the_archive_and_installing_again_goes_on_with_it(portal: SimulatedPortal) -> None:
    with at_work(portal, set_lines=True) as (_, server):
        app = next(iter(portal.core.apps.values()))
        portal.client("Анна").writes("Первый разговор")
        portal.wait_quiet()
        wait_idle(server)
        archived = row_counts(server)["messages"]
        assert archived > 0
        portal.uninstall_app(app, clean=True)
        portal.wait_quiet()
        assert not status(server)["installed"]
        assert row_counts(server)["messages"] == archived
        before = len(portal.calls)
        assert server.post_event(altered(join(9999), {"auth[application_token]": app.application_token})).status == 200
        assert len(portal.calls) == before

        portal.install_app(server.handler_url, client_id=CLIENT_ID, client_secret=app.client_secret)
        until(lambda: status(server)["installed"], what="it is installed again")
        until(lambda: len(portal.core.bots) == 1, what="the bot is registered again")
        until(lambda: portal.line(3).bot_id in portal.core.bots, what="the bot serves the line again")
        message = portal.client("Борис").writes("Второй разговор")
        until(lambda: portal.handed_over(message.chat_id), what="the new dialog is handed over")
        assert row_counts(server)["messages"] > archived


def test_a_forged_uninstallation_is_ignored(portal: SimulatedPortal, idle_server: Server) -> None:
    assert idle_server.post_event(altered(vector("V15"), {"auth[application_token]": "0" * 32})).status == 200
    assert status(idle_server)["installed"]
    message = portal.client("Анна").writes("Здравствуйте")
    portal.wait_quiet()
    until(lambda: portal.handed_over(message.chat_id), what="the instance still works")


# --- hosts ----------------------------------------------------------------------------------------------------


def test_an_authorization_server_that_is_not_permitted_is_never_called(
    portal: SimulatedPortal, stranger: Stranger
) -> None:
    server = Server(portal)
    app = add_app(portal, server)
    with server:
        pair = app.tokens()
        body = install_event(
            portal,
            pair.access_token,
            app.application_token,
            refresh_token=pair.refresh_token,
            server_endpoint=f"{stranger.url}/rest/",
        )
        assert server.post_event(body).status == 200
        bot_is_up(server)
        wait_idle(server)
        portal.clock.advance(4000)
        assert server.post_event(join(1763)).status == 200
        until(lambda: auth_file(server)["access_token"] != pair.access_token, what="the pair is refreshed")
        assert stranger.heard == []


def test_an_unknown_authorization_server_is_replaced_by_the_official_one(
    portal: SimulatedPortal, stranger: Stranger
) -> None:
    server = Server(portal)
    del server.env["B24BOT_OAUTH_URL"]
    app = add_app(portal, server)
    with server:
        body = install_event(portal, app.access_token(), server_endpoint=f"{stranger.url}/rest/")
        assert server.post_event(body).status == 200
        bot_is_up(server)
        assert auth_file(server)["oauth_base"] == "https://oauth.bitrix.info"
        assert stranger.heard == []


def test_a_redirect_to_a_foreign_host_is_not_followed(
    portal: SimulatedPortal, idle_server: Server, stranger: Stranger
) -> None:
    portal.faults.move_to(stranger.url)
    assert idle_server.post_event(join(1763)).status == 200
    assert idle_server.post_event(client_message(85833)).status == 200
    until(lambda: "redirects to a host that is not permitted" in log_text(idle_server), what="the log says so")
    portal.faults.move_to("")
    portal.client("Анна")
    until(lambda: handover_calls(portal, 1763), 30, what="the hand-over is tried again")
    assert stranger.heard == []
    assert auth_file(idle_server)["client_endpoint"] == portal.rest_url


def test_a_redirect_while_an_installation_is_confirmed_is_not_followed(
    portal: SimulatedPortal, blank: Server, stranger: Stranger
) -> None:
    app = add_app(portal, blank)
    portal.faults.move_to(stranger.url)
    assert blank.post_event(install_event(portal, app.access_token())).status == 200
    until(lambda: "redirects elsewhere" in log_text(blank), what="the log says so")
    portal.faults.move_to("")
    until(lambda: status(blank)["installed"], 30, what="it is confirmed later")
    assert stranger.heard == []


def test_another_portals_endpoint_in_auth_json_is_not_called(portal: SimulatedPortal, stranger: Stranger) -> None:
    server = Server(portal)
    server.pretend_installed(client_endpoint=f"{stranger.url}/rest/")
    with server:
        assert server.post_event(join(1763)).status == 200
        until(lambda: "B24BOT_PORTAL permits" in log_text(server), what="the log says why")
        assert stranger.heard == [] and portal.calls == []
        assert server.get("/api/admin/status", **BEARER).status == 200


def test_a_file_auth_json_of_other_contents_is_the_same_as_no_installation(portal: SimulatedPortal) -> None:
    for content in ("", "{", "[]", '"text"', json.dumps({"access_token": 5}), '{"unknown": 1}'):
        server = Server(portal)
        (server.home / "auth.json").write_text(content)
        with server:
            assert not status(server)["installed"]
            assert server.post_event(vector("V4")).status == 200
            assert server.get("/python_bot/").status == 200
    assert portal.calls == []
