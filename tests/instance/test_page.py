"""The page inside the portal over HTTP: who is admitted, what a token opens, and that everything may be repeated."""

from __future__ import annotations

import json
import re
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from python_bot.simulator import App, SimulatedPortal
from python_bot.web.key_file import KeyFile
from python_bot.web.page_token import LIFETIME_S, PageTokens
from tests.instance.tools import add_app, adopt, error_code, log_text, wait_idle
from tests.support import Server, until
from tests.support.payloads import APPLICATION_TOKEN
from tests.support.server import Answer

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture
def fresh(portal: SimulatedPortal) -> Iterator[tuple[Server, App]]:
    """An instance that nobody installed yet, and our application with a page, not installed either."""
    portal.add_line("Поддержка", 7)
    with Server(portal) as server:
        yield server, add_app(portal, server, kind="ui")


@pytest.fixture(scope="module")
def settled() -> Iterator[tuple[SimulatedPortal, Server, App]]:
    """One installed, idle instance for the tests that change nothing."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        app = adopt(portal, server)
        with server:
            wait_idle(server)
            portal.wait_quiet()
            yield portal, server, app


Settled = tuple[SimulatedPortal, Server, App]


def opened(server: Server, app: App, user_id: int = 1, language: str = "ru") -> Answer:
    request = app.open(user_id, language=language)
    path = request.url.removeprefix(server.url)
    return server.post_event(request.body.encode(), path)


def session(server: Server, app: App, user_id: int = 1, **changes: str) -> Answer:
    body = {"AUTH_ID": app.access_token(user_id), "DOMAIN": app.core.host, "PROTOCOL": "0", **changes}
    return server.request(
        "POST", "/python_bot/page/session", json.dumps(body).encode(), Content_Type="application/json"
    )


def token_of(server: Server, app: App, user_id: int = 1) -> str:
    answer = session(server, app, user_id)
    assert answer.status == 200, answer.text
    assert answer.json["expires_in"] == LIFETIME_S == 900
    return str(answer.json["token"])


def call(server: Server, token: str, path: str, body: Any = None) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is None:
        return server.get(f"/python_bot/page{path}", **headers)
    data = json.dumps(body).encode()
    return server.request("POST", f"/python_bot/page{path}", data, Content_Type="application/json", **headers)


def install(server: Server, token: str, lines: list[int], people: list[int], **more: Any) -> None:
    assert call(server, token, "/install", {"lines": lines, "people": people, "lang": "ru", **more}).status == 202
    until(lambda: call(server, token, "/progress").json["over"], what="the installation is over")
    wait_idle(server)


def ready(server: Server, app: App) -> str:
    """The application was opened, and the portal confirmed it. A token."""
    assert opened(server, app).status == 200
    token = token_of(server, app)
    until(lambda: call(server, token, "/view").status == 200, what="the installation is confirmed")
    return token


def serving(portal: SimulatedPortal) -> dict[int, int]:
    """Line -> the bot that greets there."""
    return {line_id: line.bot_id for line_id, line in portal.core.lines.items()}


# --- the page itself ------------------------------------------------------------------------------------------


def test_the_page_may_be_framed_by_its_portal_only_and_runs_nothing_but_its_own_script(
    fresh: tuple[Server, App], portal: SimulatedPortal
) -> None:
    server, app = fresh
    page = opened(server, app)
    policy = dict(rule.partition(" ")[::2] for rule in page.headers["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == portal.url
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "x-frame-options" not in {name.lower() for name in page.headers}
    assert "set-cookie" not in {name.lower() for name in page.headers}
    assert page.headers["Cache-Control"] == "no-store"
    assert set(re.findall(r'(?:src|href)="([^"?]+)', page.text)) == {
        "/python_bot/page/style",
        "/python_bot/page/script",
    }
    for path in re.findall(r'(?:src|href)="([^"]+)', page.text):
        asset = server.get(path)
        assert asset.status == 200 and "immutable" in asset.headers["Cache-Control"]
        assert not re.search(r"https?://(?!apidocs)", asset.text.partition('"use strict"')[2])


@pytest.mark.parametrize(("language", "title"), [("ru", "Архив открытых линий"), ("kz", "Архив"), ("de", "Archive of")])
def test_the_page_speaks_the_portals_language(language: str, title: str, fresh: tuple[Server, App]) -> None:
    page = opened(*fresh, language=language).text
    assert f"<title>{title}" in page and f'<html lang="{"en" if language == "de" else "ru"}">' in page


def test_no_token_of_the_portal_is_in_the_page(fresh: tuple[Server, App]) -> None:
    server, app = fresh
    request = app.open(1)
    page = server.post_event(request.body.encode(), request.url.removeprefix(server.url)).text
    assert request.form["AUTH_ID"] not in page and request.form["REFRESH_ID"] not in page


# --- who is admitted ------------------------------------------------------------------------------------------


def test_only_an_administrator_is_admitted_and_the_portal_says_who_is(
    idle_server: Server, portal: SimulatedPortal
) -> None:
    app = next(iter(portal.core.apps.values()))
    assert session(idle_server, app, 1).status == 200
    assert error_code(session(idle_server, app, 27)) == (403, "not_administrator")
    assert error_code(session(idle_server, app, 27, IS_ADMIN="Y", ADMIN="true")) == (403, "not_administrator")
    portal.core.users[1].admin = False
    assert error_code(session(idle_server, app, 1)) == (403, "not_administrator")


def test_a_token_of_another_application_or_of_nobody_is_refused(settled: Settled) -> None:
    portal, idle_server, app = settled
    other = portal.install_app("http://other.example/", client_id="local.other", send=False)
    assert error_code(session(idle_server, other)) == (403, "portal_refused")
    assert error_code(session(idle_server, app, AUTH_ID="x" * 70)) == (403, "portal_refused")
    assert error_code(session(idle_server, app, AUTH_ID="")) == (403, "not_permitted")


def test_another_portal_is_never_asked(settled: Settled) -> None:
    portal, idle_server, app = settled
    before = len(portal.calls)
    for domain in ("evil.example", "127.0.0.1:1", f"{portal.host}@evil.example", "acme.bitrix24.ru"):
        assert error_code(session(idle_server, app, DOMAIN=domain)) == (403, "not_permitted")
    assert len(portal.calls) == before


def test_a_form_that_a_foreign_page_could_send_opens_nothing(settled: Settled) -> None:
    """A browser sends JSON to a stranger only after asking, and nobody says yes; the token is no cookie."""
    portal, idle_server, app = settled
    body = json.dumps({"AUTH_ID": app.access_token(), "DOMAIN": portal.host, "PROTOCOL": "0"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = idle_server.request("POST", "/python_bot/page/session", body, Content_Type=kind)
        assert error_code(answer) == (415, "json_expected")
    asked = idle_server.request(
        "OPTIONS", "/python_bot/page/install", Origin="https://evil.example", Access_Control_Request_Method="POST"
    )
    assert "access-control-allow-origin" not in {name.lower() for name in asked.headers}
    token = token_of(idle_server, app)
    cookie = idle_server.get("/python_bot/page/view", Cookie=f"token={token}")
    assert error_code(cookie) == (401, "page_token_missing")
    assert error_code(idle_server.get(f"/python_bot/page/view?token={token}")) == (401, "page_token_missing")


def test_attempts_are_limited(idle_server: Server, portal: SimulatedPortal) -> None:
    app = next(iter(portal.core.apps.values()))
    answers = [session(idle_server, app, AUTH_ID="") for _ in range(40)]
    assert error_code(answers[-1]) == (429, "too_many_requests")


# --- the token ------------------------------------------------------------------------------------------------


def test_a_missing_an_expired_and_an_invalid_token_are_three_answers(settled: Settled) -> None:
    portal, idle_server, app = settled
    key = idle_server.home / "page.key"
    token = token_of(idle_server, app)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
    assert call(idle_server, token, "/view").status == 200
    hour_ago = PageTokens(KeyFile(key), now=lambda: time.time() - 3600).issue(portal.url, 1)
    other_portal = PageTokens(KeyFile(key)).issue("https://other.bitrix24.ru", 1)
    user, expires, signature = token.split(".")[1:]
    forged = [
        other_portal,
        f"p1.27.{expires}.{signature}",
        f"p1.{user}.{int(expires) + 1}.{signature}",
        f"p1.{user}.{expires}.{'0' * 64}",
        f"p1.{user}.{expires}.é",
        "p1...",
        "x",
        "p1." + "9" * 400 + f".{expires}.{signature}",
    ]
    for path in ("/view", "/progress"):
        assert error_code(call(idle_server, "", path)) == (401, "page_token_missing")
        assert error_code(call(idle_server, hour_ago, path)) == (401, "page_token_expired")
        for one in forged:
            headers = {"Authorization": f"Bearer {one}".encode().decode("latin-1")}
            answer = idle_server.get(f"/python_bot/page{path}", **headers)
            assert error_code(answer) == (401, "page_token_invalid"), one
    for path in ("/install", "/test"):
        assert error_code(call(idle_server, "", path, {})) == (401, "page_token_missing")


def test_tokens_outlive_a_restart_and_are_in_no_log(idle_server: Server, portal: SimulatedPortal) -> None:
    app = next(iter(portal.core.apps.values()))
    token = token_of(idle_server, app)
    idle_server.stop()
    idle_server.start()
    assert call(idle_server, token, "/progress").status == 200
    assert token not in log_text(idle_server) + idle_server.output_path.read_text()


# --- installing -----------------------------------------------------------------------------------------------


def test_opening_touches_no_line_before_the_button_is_pressed(
    fresh: tuple[Server, App], portal: SimulatedPortal
) -> None:
    server, app = fresh
    token = ready(server, app)
    wait_idle(server)
    assert not portal.calls_of("imopenlines.config.update")
    view = call(server, token, "/view?lang=ru").text
    assert "Установить" in view and view.count('name="line"') == 2
    server.stop()
    server.start()
    wait_idle(server)
    assert not portal.calls_of("imopenlines.config.update")
    assert ">Install<" in call(server, token, "/view?lang=en").text


def test_the_chosen_lines_are_attached_and_the_chosen_people_greeted(
    fresh: tuple[Server, App], portal: SimulatedPortal
) -> None:
    server, app = fresh
    portal.add_user(28, "Мария Иванова", position="Руководитель")
    token = ready(server, app)
    install(server, token, [7], [1, 27])
    app.install_finish()
    bot_id = next(iter(portal.core.bots))
    assert serving(portal) == {3: 0, 7: bot_id}
    assert {key for key in portal.core.private_chats} == {(bot_id, 1), (bot_id, 27)}
    assert "ping" in portal.core.private_chats[bot_id, 27].messages[0][1]
    view = call(server, token, "/view?lang=ru").text
    assert "Подключено линий" in view and "Поддержка" in view


def test_after_install_finish_events_count_and_dialogs_are_archived(
    fresh: tuple[Server, App], portal: SimulatedPortal
) -> None:
    server, app = fresh
    token = ready(server, app)
    install(server, token, [3, 7], [])
    app.install_finish()
    call(server, token, "/view")
    until(lambda: server.api("/api/admin/status")["inbound_test"], what="the portal's event has come")
    message = portal.client("Анна").writes("Здравствуйте")
    until(lambda: "Здравствуйте" in [m["text"] for m in server.messages(message.chat_id)], what="it is archived")
    until(lambda: portal.handed_over(message.chat_id), what="it is handed over")


def test_pressed_again_at_once_from_four_windows_and_after_a_restart_everything_stays_single(
    fresh: tuple[Server, App], portal: SimulatedPortal
) -> None:
    server, app = fresh
    first = ready(server, app)
    portal.core.users[27].admin = True
    tokens = [first, token_of(server, app), token_of(server, app, 27), token_of(server, app, 27)]
    choice = {"lines": [3, 7], "people": [1, 27], "lang": "ru"}
    answers: list[int] = []

    def press(token: str) -> None:
        answers.extend(call(server, token, "/install", choice).status for _ in range(2))

    threads = [threading.Thread(target=press, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [202] * 8
    for token in tokens:
        until(lambda token=token: call(server, token, "/progress").json["over"], what="it is over")
    wait_idle(server)
    app.install_finish()
    wait_idle(server)
    bots, chats = dict(portal.core.bots), dict(portal.core.private_chats)
    handlers = sorted((h.event, h.url) for h in portal.core.handlers)
    assert len(bots) == 1 and len(chats) == 2 and len(handlers) == len(set(handlers))
    assert [len(chat.messages) for chat in chats.values()] == [1, 1]
    rows = server.sql("SELECT user_id, bot_id, chat_id FROM bot_chats ORDER BY user_id")
    assert rows == [(user, bot, chat.chat_id) for (bot, user), chat in sorted(chats.items(), key=lambda row: row[0][1])]

    server.kill()
    server.start()
    opened(server, app)
    install(server, token_of(server, app), [3, 7], [1, 27])
    assert dict(portal.core.bots) == bots and dict(portal.core.private_chats) == chats
    assert sorted((h.event, h.url) for h in portal.core.handlers) == handlers
    assert [len(chat.messages) for chat in chats.values()] == [1, 1]
    assert server.sql("SELECT user_id, bot_id, chat_id FROM bot_chats ORDER BY user_id") == rows


def test_a_line_that_is_not_chosen_any_more_is_left_and_another_bots_line_is_not_touched(
    portal: SimulatedPortal,
) -> None:
    portal.add_line("Поддержка", 7)
    portal.add_line("Склад", 9).fields.update({"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": "5"})
    server = Server(portal)
    app = adopt(portal, server)
    with server:
        wait_idle(server)
        bot_id = next(iter(portal.core.bots))
        assert serving(portal) == {3: bot_id, 7: bot_id, 9: 5}
        token = token_of(server, app)
        install(server, token, [3], [])
        assert serving(portal) == {3: bot_id, 7: 0, 9: 5}
        server.stop()
        server.start()
        wait_idle(server)
        assert serving(portal) == {3: bot_id, 7: 0, 9: 5}
        install(server, token, [3, 7], [])
        assert serving(portal) == {3: bot_id, 7: bot_id, 9: 5}
        # All that are free, over the setting 'all': a line that is made later attaches itself.
        portal.add_line("Новая", 11)
        server.stop()
        server.start()
        until(lambda: serving(portal)[11] == bot_id, what="the new line is attached")
        # Who spoke last is right: the sysadmin names lines after the administrator's choice.
        server.stop()
        server.env["B24BOT_LINES"] = "3,9"
        server.start()
        until(lambda: serving(portal)[9] == bot_id, what="the sysadmin's line is attached")


def test_what_the_portal_does_not_have_cannot_be_chosen(settled: Settled) -> None:
    portal, idle_server, app = settled
    token = token_of(idle_server, app)
    client = portal.client("Анна").user
    bot_id = next(iter(portal.core.bots))
    for people in ([client.user_id], [bot_id], [4040], [1, client.user_id]):
        answer = call(idle_server, token, "/install", {"lines": [3], "people": people})
        assert error_code(answer) == (409, "no_such_employee")
    assert error_code(call(idle_server, token, "/install", {"lines": [44], "people": []})) == (409, "no_such_line")
    for lines in ("3", [True], [-1], [{}], None, [1] * 501):
        answer = call(idle_server, token, "/install", {"lines": lines, "people": []})
        assert error_code(answer) == (400, "bad_choice"), lines
    assert idle_server.sql("SELECT * FROM bot_chats") == [] and not portal.core.private_chats


def test_hostile_names_stay_text(idle_server: Server, portal: SimulatedPortal) -> None:
    app = next(iter(portal.core.apps.values()))
    portal.line(3).name = f"Линия {HOSTILE}"
    portal.add_user(28, f"Мария {HOSTILE}", position=HOSTILE)
    portal.line(3).queue.append(28)
    token = token_of(idle_server, app)
    install(idle_server, token, [3], [28])
    for path in ("/view?lang=ru", f"/view?lang={HOSTILE.replace(' ', '%20')}"):
        view = call(idle_server, token, path)
        assert view.status == 200 and "&lt;script&gt;" in view.text
        assert "<script" not in view.text and "<img" not in view.text


def test_the_portals_silence_is_told_and_the_state_still_shown(idle_server: Server, portal: SimulatedPortal) -> None:
    app = next(iter(portal.core.apps.values()))
    token = token_of(idle_server, app)
    portal.faults.html(status=502, times=50)
    view = call(idle_server, token, "/view?lang=en")
    assert view.status == 200 and "did not answer everything" in view.text and "Lines attached" in view.text
    assert error_code(session(idle_server, app)) == (503, "portal_unavailable")


def test_an_opened_page_of_an_installed_portal_replaces_nothing(idle_server: Server, portal: SimulatedPortal) -> None:
    app = next(iter(portal.core.apps.values()))
    before = (idle_server.home / "auth.json").read_bytes()
    for user_id in (1, 27):
        page = opened(idle_server, app, user_id)
        assert page.status == 200 and urlsplit(portal.url).netloc in page.text
        session(idle_server, app, user_id)
    wait_idle(idle_server)
    assert (idle_server.home / "auth.json").read_bytes() == before
    assert json.loads(before)["application_token"] == APPLICATION_TOKEN
