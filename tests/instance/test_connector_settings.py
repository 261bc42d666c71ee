"""The settings of a connector inside the portal: an administrator connects a line by opening them, nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from python_bot.simulator import App
from tests.instance.test_relay import CONNECTOR, ENV, World, connected
from tests.instance.tools import Stranger, log_text, wait_idle
from tests.support import until
from tests.support.server import Answer

OPTIONS = {"CONNECTOR": CONNECTOR, "LINE": "3"}
CLOSED = "Ничего не изменено"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An account that is on no line."""
    with connected(line_id=None) as found:
        yield found


@pytest.fixture
def nothing_changes(world: World) -> Iterator[None]:
    """Neither here nor in the portal."""

    def state() -> tuple[Any, ...]:
        portal, server, _ = world
        accounts = server.sql("SELECT line_id, state, problem, line_problem FROM channel_accounts")
        lines = server.sql("SELECT connector_id, line_id, active FROM connector_lines")
        active = {name: sorted(found.active_lines) for name, found in portal.core.connectors.items()}
        pending = server.home / "auth.pending.json"
        kept = pending.read_text() if pending.exists() else ""
        return accounts, lines, active, kept, (server.home / "auth.json").read_bytes()

    before = state()
    yield
    wait_idle(world[1])
    assert state() == before


def app_of(world: World) -> App:
    return next(iter(world[0].core.apps.values()))


def opened(world: World, user_id: int = 1, /, *, app: App | None = None, language: str = "ru", **form: str) -> Answer:
    """As a browser opens the settings; `form`: what a forger puts in their place, '' leaves out."""
    request = (app or app_of(world)).open(user_id, "SETTING_CONNECTOR", OPTIONS, language=language)
    path, _, query = request.url.removeprefix(world[1].url).partition("?")
    pairs = dict(part.split("=", 1) for part in query.split("&")) | request.form
    pairs["DOMAIN"] = world[0].host
    body = {name: value for name, value in (pairs | form).items() if value}
    return world[1].post_event(urlencode(body).encode(), path if app is None else "/python_bot/")


@pytest.mark.usefixtures("nothing_changes")
def test_an_employee_who_is_no_administrator_is_told_so(world: World) -> None:
    portal = world[0]
    for answer in (opened(world, 27), opened(world, 27, ADMIN="Y", IS_ADMIN="true", user_id="1")):
        assert answer.status == 200
        assert CLOSED in answer.text and "только администратор портала" in answer.text
        assert answer.headers["Content-Security-Policy"].endswith(f"frame-ancestors {portal.url}")
        assert answer.headers["Cache-Control"] == "no-store"
    assert "Only an administrator" in opened(world, 27, language="de").text
    portal.core.users[1].admin = False
    try:
        assert CLOSED in opened(world).text
    finally:
        portal.core.users[1].admin = True


@pytest.mark.usefixtures("nothing_changes")
def test_a_token_that_is_nobodys_or_another_applications_opens_nothing(world: World) -> None:
    other = world[0].install_app("http://other.example/", client_id="local.other", send=False)
    refused = world[1].metric('b24bot_installation{outcome="refused"}')
    for answer in (opened(world, AUTH_ID="x" * 70), opened(world, app=other), opened(world, AUTH_ID="é<script>")):
        assert answer.status == 200
        assert CLOSED in answer.text and "не подтвердил" in answer.text and "<script>" not in answer.text
    assert world[1].metric('b24bot_installation{outcome="refused"}') == refused + 3


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("member_id", ["0" * 32, "", "5F1C0B7E9A2D4C3E8B6A7D90F1E2C3B4"])
def test_another_member_id_than_the_portals_is_refused_without_a_call(member_id: str, world: World) -> None:
    calls = len(world[0].calls)
    answer = opened(world, member_id=member_id)
    assert answer.status == 200 and "другой портал" in answer.text
    assert len(world[0].calls) == calls


@pytest.mark.usefixtures("nothing_changes")
def test_another_domain_is_never_asked(world: World, stranger: Stranger) -> None:
    calls = len(world[0].calls)
    for domain in (stranger.host, f"{world[0].host}@{stranger.host}", "acme.bitrix24.ru", ""):
        answer = opened(world, DOMAIN=domain, SERVER_ENDPOINT=f"{stranger.url}/rest/")
        assert "не обслуживается" in answer.text and CONNECTOR not in answer.text
    assert (stranger.heard, len(world[0].calls)) == ([], calls)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "options",
    ["", "{", "[]", "[" * 9000, '{"CONNECTOR":"b24bot_acme_tiny1"}', '{"LINE":"3"}', '{"CONNECTOR":{},"LINE":[]}'],
)
def test_settings_of_no_line_say_so(options: str, world: World) -> None:
    answer = opened(world, PLACEMENT_OPTIONS=options)
    assert answer.status == 200 and "не назвал" in answer.text


@pytest.mark.usefixtures("nothing_changes")
def test_a_portal_that_is_silent_lets_nobody_in(world: World) -> None:
    world[0].faults.html(status=502, times=1)
    answer = opened(world)
    assert answer.status == 200 and "не отвечает" in answer.text


@pytest.mark.usefixtures("nothing_changes")
def test_the_address_of_the_connectors_events_opens_no_settings(world: World) -> None:
    request = app_of(world).open(1, "SETTING_CONNECTOR", OPTIONS)
    query = request.url.partition("?")[2]
    path = f"/b24/handler?secret={ENV['B24_HANDLER_SECRET']}&{query}"
    assert CLOSED in world[1].post_event(request.body.encode(), path).text


def test_an_administrator_connects_the_line_and_sees_it_when_it_works(world: World) -> None:
    portal, server, _ = world
    assert server.sql("SELECT line_id FROM channel_accounts") == [(None,)]
    auth = (server.home / "auth.json").read_bytes()
    first = opened(world)
    assert first.status == 200 and "Канал «Our box» подключается к линии 3" in first.text
    until(lambda: portal.core.connectors[CONNECTOR].active_lines == {3}, what="the portal has it on line 3")
    wait_idle(server)
    again = opened(world, language="en")
    assert again.status == 200 and "The channel “Our box” is connected to line 3" in again.text
    assert again.headers["Content-Security-Policy"].endswith(f"frame-ancestors {portal.url}")
    wait_idle(server)
    assert server.sql("SELECT line_id, state, line_problem FROM channel_accounts") == [(3, "working", "")]
    assert (server.home / "auth.json").read_bytes() == auth  # whoever opens settings is not the installer
    assert "administrator 1 of" in log_text(server)
    assert not any(token in log_text(server) + again.text for token in portal.core.tokens.access)


def test_attempts_are_limited(world: World) -> None:
    answers = [opened(world, AUTH_ID="x" * 70) for _ in range(31)]
    assert answers[-1].status == 429 and "Слишком много" in answers[-1].text
    assert not any(CONNECTOR in answer.text for answer in answers)
