"""The page inside the portal as people see it: real Chromium, the portal's page around it on an origin of its own."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from python_bot.simulator import App, SimulatedPortal
from python_bot.web.key_file import KeyFile
from python_bot.web.page_token import PageTokens
from tests.instance.tools import add_app, adopt, wait_idle
from tests.support import Server, until
from tests.support.browser import CHROMIUM, DRIVER, Browser
from tests.support.payloads import CLIENT_ID

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
# A folder in which to keep what was seen, for a person to look at.
SHOTS = os.environ.get("B24BOT_TEST_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@contextmanager
def offered() -> Iterator[tuple[SimulatedPortal, Server, App]]:
    """A portal with three lines and hostile names, and our application, opened by nobody yet."""
    with SimulatedPortal() as portal:
        portal.add_line(f"Поддержка {HOSTILE}", 7)
        portal.add_line("Склад", 9).fields.update({"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": "5"})
        portal.add_user(28, f"Мария {HOSTILE}", position="Руководитель поддержки")
        portal.line(7).queue.append(28)
        with Server(portal) as server:
            yield portal, server, add_app(portal, server, kind="ui")


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[SimulatedPortal, Server]]:
    """An installed, idle instance for the tests that install nothing."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        with server:
            wait_idle(server)
            yield portal, server


def enter(browser: Browser, portal: SimulatedPortal, user_id: int = 1, language: str = "ru") -> None:
    """Somebody opens the application in the portal."""
    browser.open(f"{portal.url}/app/{CLIENT_ID}/?user={user_id}&lang={language}")


def sees(browser: Browser, css: str, within: str = "") -> None:
    """Wait for an element of the page in the frame; the portal may load the frame anew meanwhile."""

    def there() -> bool:
        try:
            browser.into_frame()
        except LookupError:
            return False
        return within in browser.text(css) if within else browser.has(css)

    until(there, 30, what=f"{css} {within} is there")


def look(browser: Browser, name: str) -> None:
    """Nothing was complained of, nothing runs off the side, no name became code; a picture for people."""
    width, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, name
    assert browser.run("return document.title") != "hacked"
    browser.to_top()
    if SHOTS:
        browser.screenshot(Path(SHOTS) / f"{name}.png")
    # Chromium notes every 409; this one says that the portal is still being asked.
    assert [said for said in browser.complaints() if "409 (CONFLICT)" not in said] == [], name
    browser.into_frame()


@pytest.mark.parametrize(
    ("language", "button", "verdict"), [("ru", "Установить", "Всё работает"), ("en", "Install", "All is well")]
)
def test_an_administrator_installs_with_a_double_click_and_finds_the_state_afterwards(
    language: str, button: str, verdict: str, browser: Browser
) -> None:
    with offered() as (portal, server, app):
        enter(browser, portal, language=language)
        sees(browser, "#choice")
        assert browser.text("button.main") == button
        assert browser.run("return [...document.querySelectorAll('[name=line]')].map((box) => box.checked)") == [
            True,
            True,
            False,
        ]
        look(browser, f"install-{language}")
        assert not app.installed and not portal.calls_of("imopenlines.config.update")
        browser.run("const button = document.querySelector('button.main'); button.click(); button.click();")
        until(lambda: app.installed, 30, what="the page has called installFinish")
        sees(browser, ".verdict", verdict)
        look(browser, f"state-{language}")
        wait_idle(server)
        bot_id = next(iter(portal.core.bots))
        assert len(portal.core.bots) == 1
        assert [portal.line(number).bot_id for number in (3, 7, 9)] == [bot_id, bot_id, 5]
        assert list(portal.core.private_chats) == [(bot_id, 1)]
        browser.to_top()
        assert browser.run("return window.heard.filter((name) => name === 'setInstallFinish').length") == 1

        browser.reload()
        sees(browser, ".verdict", verdict)
        browser.to_top()
        assert "setInstallFinish" not in browser.run("return window.heard")

        message = portal.client("Анна").writes("Здравствуйте")
        until(lambda: portal.handed_over(message.chat_id), 30, what="the dialog is handed over")
        assert "Здравствуйте" in [row["text"] for row in server.messages(message.chat_id)]


def test_two_windows_and_a_second_administrator_come_to_the_same_bot(browser: Browser) -> None:
    with offered() as (portal, server, app):
        portal.core.users[27].admin = True
        first = browser.tab()
        enter(browser, portal)
        sees(browser, "#choice")
        second = browser.new_tab()
        browser.to_tab(second)
        enter(browser, portal, 27, "en")
        sees(browser, "#choice")
        browser.click("button.main")
        browser.to_tab(first)
        browser.into_frame()
        browser.click("button.main")
        sees(browser, ".verdict", "Всё работает")
        browser.to_tab(second)
        sees(browser, ".verdict", "All is well")
        wait_idle(server)
        assert app.installed and len(portal.core.bots) == 1
        handlers = [(handler.event, handler.url) for handler in portal.core.handlers]
        assert len(handlers) == len(set(handlers))
        assert all(len(chat.messages) == 1 for chat in portal.core.private_chats.values())
        browser.close_tab()
        browser.to_tab(first)


def test_missing_and_expired_tokens_are_renewed_and_an_invalid_one_asks_to_open_again(
    browser: Browser, installed: tuple[SimulatedPortal, Server]
) -> None:
    portal, server = installed
    enter(browser, portal)
    sees(browser, "#test")
    expired = PageTokens(KeyFile(server.home / "page.key"), now=lambda: time.time() - 3600).issue(portal.url, 1)
    for broken in (expired, ""):
        browser.run("token = arguments[0]; load()", broken)
        until(lambda broken=broken: browser.run("return token") not in ("", broken), what="the page has renewed it")
        sees(browser, ".verdict")
        assert "устарела" not in browser.text()
    # The portal's own token is an hour old too: the page asks the portal's window for another.
    browser.complaints()
    browser.run("const init = BX24.init; BX24.init = async () => ({ ...(await init()), AUTH_ID: 'old' });")
    browser.run("token = ''; load()")
    until(lambda: browser.run("return token"), what="the page has renewed it")
    browser.to_top()
    assert "refreshAuth" in browser.run("return window.heard")
    browser.into_frame()
    browser.run("token = 'p1.1.9999999999.00'; load().catch(show)")
    sees(browser, "#notice", "Страница устарела")
    assert not browser.has(".verdict")
    browser.complaints()


def test_a_person_who_is_no_administrator_gets_an_explanation_and_no_data(
    browser: Browser, installed: tuple[SimulatedPortal, Server]
) -> None:
    portal, _ = installed
    for language, words in (("ru", "для администраторов портала"), ("en", "for administrators of the portal")):
        enter(browser, portal, 27, language)
        sees(browser, "#notice", words)
        assert "Продажи" not in browser.run("return document.documentElement.outerHTML")
        assert not browser.has("form") and not browser.has(".figures")
        browser.to_top()
        if SHOTS:
            browser.screenshot(Path(SHOTS) / f"no-administrator-{language}.png")
        assert all("403" in complaint for complaint in browser.complaints())


def test_the_connection_is_tested_in_both_directions(
    browser: Browser, installed: tuple[SimulatedPortal, Server]
) -> None:
    portal, _ = installed
    enter(browser, portal)
    sees(browser, "#test")
    browser.click("#test")
    sees(browser, "#test-result", "ответьте ping")
    bot_id = next(iter(portal.core.bots))
    assert "ping" in portal.core.private_chats[bot_id, 1].messages[-1][1]
    portal.operator(1).tells_bot(bot_id, "ping")
    sees(browser, "#test-result", "в обе стороны")
    look(browser, "tested-ru")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_is_readable_in_a_narrow_frame(
    language: str, browser: Browser, installed: tuple[SimulatedPortal, Server]
) -> None:
    portal, _ = installed
    portal.line(3).name = "Продажи и сопровождение корпоративных клиентов-юрлиц Санкт-Петербурга"
    browser.size(500, 1400)
    try:
        enter(browser, portal, language=language)
        sees(browser, ".verdict")
        browser.run("document.querySelector('details').open = true")
        browser.to_top()
        browser.run("document.querySelector('iframe').style.cssText = 'width: 320px; flex: 1'")
        browser.into_frame()
        until(lambda: browser.run("return innerWidth") == 320, what="the frame is narrow")
        look(browser, f"narrow-{language}")
    finally:
        browser.size(1000, 900)
        portal.line(3).name = "Продажи"


def test_no_other_site_can_put_the_page_into_a_frame(
    browser: Browser, installed: tuple[SimulatedPortal, Server]
) -> None:
    portal, _ = installed
    request = next(iter(portal.core.apps.values())).open(1)
    fields = "".join(f'<input name="{name}" value="{escape(value)}">' for name, value in request.form.items())
    body = f'<iframe name="x"></iframe><form method="POST" target="x" action="{escape(request.url)}">{fields}</form>'

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    site = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        browser.open(f"http://127.0.0.1:{site.server_address[1]}/")
        browser.complaints()
        browser.run("document.querySelector('form').submit()")
        said: list[str] = []
        until(lambda: said.extend(browser.complaints()) or any("frame-ancestors" in line for line in said), what="no")
        browser.into_frame()
        assert not browser.has("main")
    finally:
        site.shutdown()
        thread.join()
        site.server_close()
    assert json.dumps(said).count("hacked") == 0
