"""`/b24/install` and `/b24/oauth/callback`: an administrator authorizes by a link, and nobody's code does harm."""

from __future__ import annotations

import http.client
import time
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

from python_bot.simulator import SimulatedPortal
from python_bot.web.oauth import STATE_LIFETIME_S, OAuthReturn
from tests.instance.test_tokens import browse
from tests.instance.tools import Stranger, add_app, auth_file, install_event, know_token, log_text, status, wait_idle
from tests.support import TOKEN, Server, until
from tests.support.payloads import CLIENT_ID
from tests.support.server import Answer

NEEDED = "ещё не авторизовано"


def state_of(server: Server, now_shift: float = 0.0, secret: str = TOKEN) -> str:
    """A state that this instance issues, or would have issued."""
    maker = OAuthReturn(None, None, secret, lambda candidate: True, lambda trace_id: None)  # type: ignore[arg-type]  # it only signs
    return maker.issue_state(time.time() + now_shift)


def comes_back(server: Server, **query: str) -> Answer:
    return server.get(f"/b24/oauth/callback?{urlencode(query)}")


def redirected(server: Server) -> dict[str, str]:
    """Where `/b24/install` leads to, asked without following: its query."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("GET", "/b24/install")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 302
        address = urlsplit(answer.headers["Location"])
        assert server.portal is not None
        assert (f"{address.scheme}://{address.netloc}", address.path) == (server.portal.url, "/oauth/authorize/")
        return {name: values[0] for name, values in parse_qs(address.query).items()}
    finally:
        connection.close()


def test_an_administrator_follows_the_link_and_comes_back_authorized(portal: SimulatedPortal) -> None:
    with Server(portal) as server:
        app = add_app(portal, server)
        query = redirected(server)
        assert set(query) == {"client_id", "state"} and query["client_id"] == CLIENT_ID
        back = {"code": portal.authorization_code(app), "domain": portal.host, "member_id": portal.member_id, **query}
        page = comes_back(server, **back)
        assert page.status == 200 and "Готово" in page.text
        assert status(server)["installed"]
        until(lambda: auth_file(server)["application_token"] == app.application_token, what="event.test told the token")
        wait_idle(server)
        before = auth_file(server)
        # Again, by the same browser or by whoever saw the address: all of it is spent.
        for replay in (back, {**back, "code": portal.authorization_code(app, user_id=27)}):
            again = comes_back(server, **replay)
            assert again.status == 200 and "Готово" not in again.text
        assert auth_file(server) == before
        there = server.get("/b24/install")
        assert there.status == 200 and "/oauth/authorize/" not in there.text and NEEDED not in there.text
        secrets = (server.env["CLIENT_SECRET"], back["code"], back["state"])
        assert not any(secret in page.text + log_text(server) for secret in secrets)


def test_a_state_from_before_the_installation_is_good_for_nothing_after_it(portal: SimulatedPortal) -> None:
    with Server(portal) as server:
        app = add_app(portal, server)
        state = redirected(server)["state"]
        pair = app.tokens()
        know_token(portal, pair.access_token, refresh_token=pair.refresh_token)
        assert (
            server.post_event(install_event(portal, pair.access_token, refresh_token=pair.refresh_token)).status == 200
        )
        until(lambda: status(server)["installed"], what="the installation is confirmed")
        wait_idle(server)
        before = auth_file(server)
        comes_back(server, code=portal.authorization_code(app, user_id=27), domain=portal.host, state=state)
        assert auth_file(server) == before


def test_what_is_refused_stores_nothing_and_shows_the_way_on(portal: SimulatedPortal, stranger: Stranger) -> None:
    with Server(portal) as server, SimulatedPortal() as elsewhere:
        app = add_app(portal, server)
        other = portal.install_app("http://other.example/", client_id="local.other", send=False)
        abroad = elsewhere.install_app("http://other.example/", client_id=CLIENT_ID, send=False)
        good, code = state_of(server), portal.authorization_code(app)
        # A state that is none of ours, or too old: the code is not even tried.
        bad = (f"{good[:-1]}{'0' if good[-1] != '0' else '1'}", state_of(server, -STATE_LIFETIME_S - 1), "1.x", "ё.ё")
        for state in (*bad, state_of(server, secret="the secret of another instance"), f"9{good}", "9999999999."):
            page = comes_back(server, code=code, domain=portal.host, state=state)
            assert (
                page.status == 200 and NEEDED in page.text and f"{portal.url}/oauth/authorize/" in unescape(page.text)
            )
        # A code of another application, of another portal, of nobody.
        calls = len(elsewhere.calls)
        for wrong in (portal.authorization_code(other), elsewhere.authorization_code(abroad), "x" * 32, "é<script>"):
            for domain in (portal.host, elsewhere.host, stranger.host):
                page = comes_back(server, code=wrong, domain=domain, server_domain=domain, state=good)
                assert page.status == 200 and "invalid_grant" in page.text and "/oauth/authorize/" in page.text
                assert "<script>" not in page.text
        assert (len(elsewhere.calls), stranger.heard) == (calls, [])
        portal.oauth_faults.html(status=502, times=1)
        assert "Готово" not in comes_back(server, code="y" * 32, domain=portal.host, state=good).text
        assert not auth_file(server) and not status(server)["installed"]
        # The code of the beginning was never spent.
        assert "Готово" in comes_back(server, code=code, domain=portal.host, state=good).text
        assert status(server)["installed"]


def test_a_wrong_client_secret_is_told_and_stores_nothing(portal: SimulatedPortal) -> None:
    wrong = "wrong-secret-wrong-secret"
    with Server(portal, env={"CLIENT_SECRET": wrong}) as server:
        app = add_app(portal, server)
        page = comes_back(server, code=portal.authorization_code(app), domain=portal.host, state=state_of(server))
        assert page.status == 200 and "invalid_client" in page.text and "CLIENT_SECRET" in page.text
        assert wrong not in page.text and not auth_file(server)


def test_without_a_client_id_the_page_says_what_is_missing(portal: SimulatedPortal) -> None:
    with Server(portal, env={"CLIENT_ID": ""}) as server:
        page = server.get("/b24/install")
        assert page.status == 200 and NEEDED in page.text and "CLIENT_ID" in page.text
        assert "/oauth/authorize/" not in page.text
        assert "Готово" not in comes_back(server, code="x" * 32, domain=portal.host).text
        assert not auth_file(server)


def test_the_link_works_in_a_browser(portal: SimulatedPortal) -> None:
    with Server(portal) as server:
        add_app(portal, server)
        code, text, _ = browse(f"{server.url}/b24/install")
        assert code == 200 and "Готово" in text
