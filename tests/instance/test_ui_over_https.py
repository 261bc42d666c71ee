"""The archive inside the portal over real https, in real Chromium: the portal on one site, the archive on another, and
a third that is neither. With cookies of third parties and without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from python_bot.simulator import App, SimulatedPortal
from tests.instance.tools import at_work
from tests.support import TOKEN, Server, until
from tests.support.browser import CHROMIUM, DRIVER, Browser
from tests.support.tls import Authority, TlsFront

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")

ARCHIVE: Final = "https://archive.test"
STRANGER: Final = "https://stranger.test"


@dataclass(frozen=True, slots=True)
class World:
    portal: SimulatedPortal
    server: Server
    app: App
    chat_id: int
    stranger: dict[str, str]  # pages of the third site, by path
    front: TlsFront
    browser: Callable[..., Browser]

    @property
    def home(self) -> str:
        """The portal's page with the application in its frame."""
        return f"{self.portal.url}/app/{self.app.client_id}/?user=1&lang=ru"

    def looks(self) -> int:
        found: int = self.server.sql("SELECT COUNT(*) FROM looks")[0][0]
        return found

    def visits(self) -> int:
        found: int = self.server.sql("SELECT COUNT(*) FROM visits")[0][0]
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = Authority.made(folder, "archive.test", "stranger.test")
    pages: dict[str, str] = {}
    with ExitStack() as stack:
        portal = stack.enter_context(SimulatedPortal())
        portal.core.url = f"https://127.0.0.1:{stack.enter_context(TlsFront(portal.url, authority)).port}"
        env = {"SSL_CERT_FILE": str(authority.certificate), "B24BOT_UI_ACCESS": "all"}
        env |= {"B24BOT_FILES": "download", "B24BOT_DISK_RESERVE_MB": "0"}
        _, server = stack.enter_context(at_work(portal, env=env))
        front = stack.enter_context(TlsFront(server.url, authority))
        stranger = stack.enter_context(TlsFront(stack.enter_context(site(pages)), authority))
        app = next(iter(portal.core.apps.values()))
        app.handler_url = f"{ARCHIVE}/python_bot/"  # what the portal opens; events go straight to the instance
        anna = portal.client("Анна")
        chat_id = anna.writes("Сколько стоит доставка?").chat_id
        anna.writes("", [portal.file("счёт.pdf", b"%PDF-1.4")])
        until(lambda: portal.handed_over(chat_id), 30, what="the dialog is handed over")
        stored = "SELECT COUNT(*) FROM files WHERE state = 'stored'"
        until(lambda: server.sql(stored) == [(1,)], 30, what="the file is stored")
        hosts = {"archive.test": front.port, "stranger.test": stranger.port}

        def browser(**more: Any) -> Browser:
            return Browser(hosts=hosts, trusted=authority.fingerprint(), **more)

        yield World(portal, server, app, chat_id, pages, front, browser)


class site:
    """`with site(pages) as url:`"""

    def __init__(self, pages: dict[str, str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *what: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def enter_in_frame(browser: Browser, world: World) -> None:
    """Afterwards the archive's list is shown in the portal's frame, and the frame is what the browser means."""
    browser.open(world.home)

    def offered() -> bool:
        browser.to_top()
        try:
            browser.into_frame()
        except LookupError:
            return False
        return browser.has("#archive button")

    until(offered, 30, what="the archive is offered")
    browser.click("#archive button")
    until(lambda: browser.has(".rows"), 20, what="the list is shown in the frame")


def given(world: World, part: str) -> bool:
    """Whether the browser got something under such an address."""
    return any(part in path and status == 200 for _, path, status in world.front.hits)


def cookies(browser: Browser) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.devtools("Storage.getCookies")["cookies"]
    return [cookie for cookie in found if cookie["domain"] == "archive.test"]


@pytest.mark.parametrize("blocked", [False, True])
def test_a_visit_inside_the_portal_is_kept_over_https_in_its_frame_alone(blocked: bool, world: World) -> None:
    with world.browser(blocks_third_party_cookies=blocked, zone="Asia/Tokyo") as browser:
        enter_in_frame(browser, world)
        assert browser.run("return [location.origin, window.parent !== window]") == [ARCHIVE, True]
        common = "document.cookie = 'common=1; SameSite=None; Secure'; return document.cookie"
        assert ("common=1" in browser.run(common)) is not blocked
        assert "b24bot_ui" not in browser.run("return document.cookie")

        browser.click(".row > a")
        until(lambda: browser.has(".bubble"), what="the conversation is shown")
        assert browser.run("return document.body.dataset.zone") == "Asia/Tokyo"
        # A new tab, and a download by the browser alone, would be without the visit.
        world.front.hits.clear()
        browser.click(".file figcaption a")
        until(lambda: given(world, "/files/"), what="the file is handed out")
        browser.click(".pick summary")
        browser.click(".pick a[href$='format=html']")
        until(lambda: given(world, "/export?"), what="the export is handed out")
        assert browser.has(".bubble")

        browser.run("scrollTo(0, 1e6)")
        browser.click(".bottom a[lang='ru']")
        until(lambda: browser.run("return document.documentElement.lang") == "ru", what="the page is Russian")
        browser.run("document.querySelector(\"nav a[href$='/health']\").click()")
        until(lambda: browser.has("form[action$='/compare']"), what="the health is shown")
        assert browser.run("return [document.documentElement.lang, document.body.dataset.zone]") == ["ru", "Asia/Tokyo"]
        browser.click("form[action$='/health/compare'] button")
        until(lambda: browser.has(".notice.good"), what="a form works in the frame")

        browser.to_top()
        kept = {cookie["name"]: cookie for cookie in cookies(browser)}
        for name in ("b24bot_ui", "b24bot_lang", "b24bot_tz"):
            assert (kept[name]["sameSite"], kept[name]["secure"]) == ("None", True), name
            assert kept[name]["partitionKey"]["topLevelSite"] == "https://127.0.0.1", name
        assert kept["b24bot_ui"]["httpOnly"]

        browser.open(f"{ARCHIVE}/ui/dialogs/{world.chat_id}")
        assert browser.has("#token"), "in a tab of its own the frame's visit does not count"
        visits = world.visits()
        enter_in_frame(browser, world)
        browser.click(".leave button")
        until(lambda: browser.has("#token"), what="the visit is over")
        assert world.visits() == visits, "the one of the frame ended, a new one had begun"
        assert "В новом окне" in browser.text()
        browser.to_top()
        assert "b24bot_ui" not in {cookie["name"] for cookie in cookies(browser)}


def test_in_a_window_of_its_own_the_cookie_is_the_archives_own(world: World) -> None:
    with world.browser(blocks_third_party_cookies=True) as browser:
        browser.open(f"{ARCHIVE}/ui/dialogs/{world.chat_id}")
        browser.type("#token", TOKEN)
        browser.click("button.main")
        until(lambda: browser.has(".bubble"), what="the conversation is shown")
        (cookie,) = [each for each in cookies(browser) if each["name"] == "b24bot_ui"]
        assert (cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == ("Lax", True, True)
        assert "partitionKey" not in cookie


def test_a_foreign_site_gets_nothing_and_can_do_nothing(world: World) -> None:
    with world.browser() as browser:
        browser.open(f"{ARCHIVE}/ui/")
        browser.type("#token", TOKEN)
        browser.click("button.main")
        until(lambda: browser.has(".rows"), what="somebody is signed in")
        visit_id = world.server.sql("SELECT MAX(id) FROM visits")[0][0]
        before = (world.looks(), world.visits())

        # Into a frame comes nothing, neither from us nor through the portal's own page.
        framed = ("/ui/", f"/ui/dialogs/{world.chat_id}", "/ui/enter", "/python_bot/")
        for address in (*(f"{ARCHIVE}{path}" for path in framed), world.home):
            world.stranger["/"] = f'<iframe src="{address}" width="900" height="700"></iframe>'
            browser.open(f"{STRANGER}/")
            browser.into_frame()
            if address == world.home:
                until(lambda: browser.has("iframe"), what="the portal's page is shown")
                browser.into_inner_frame()
            until(lambda: not browser.run("return document.body.innerHTML.includes('/ui/')"), what="it is empty")
            assert not browser.has("main, form, [name=token]"), address
            browser.to_top()

        # What is sent from there changes nothing: neither with the visit of the victim, nor into one of the attacker.
        acts = ("health/compare", "health/switch_on", "health/set_up", "leave", f"visits/{visit_id}/end", "enter")
        for act in acts:
            fields = f'<input name="token" value="{TOKEN}"><input name="form" value="x">'
            world.stranger["/"] = f'<form method="post" action="{ARCHIVE}/ui/{act}">{fields}</form>'
            browser.open(f"{STRANGER}/")
            browser.run("document.querySelector('form').submit()")
            until(lambda: browser.run("return location.origin") == ARCHIVE, what="the form was sent")
            until(lambda: browser.has(".narrow h1"), what="it was refused")
            assert not browser.has(".notice.good"), act

        # What it loads into itself is not ours; a window that it opens is none that it can reach into.
        world.stranger["/"] = f"""<script>
            window.addEventListener('error', () => {{ window.failed = true; }}, true);
            const tries = ['cors', 'no-cors'].map((mode) => fetch('{ARCHIVE}/ui/', {{ mode, credentials: 'include' }})
              .then((answer) => answer.text(), () => ''));
            Promise.all(tries).then((texts) => {{ window.read = texts.join(''); }});
            </script><script src="{ARCHIVE}/ui/figures.csv"></script><img src="{ARCHIVE}/ui/static/icon.svg">"""
        browser.open(f"{STRANGER}/")
        until(lambda: browser.run("return 'read' in window && window.failed"), what="the attempts are over")
        assert browser.run("return [window.read, document.querySelector('img').naturalWidth]") == ["", 0]
        opened = f"window.other = open('{ARCHIVE}/ui/'); return new Promise((done) => setTimeout(done, 600))"
        browser.run(opened)
        assert browser.run("return window.other.closed"), "the opener has lost it"

        assert (world.looks(), world.visits()) == before
        browser.open(f"{ARCHIVE}/ui/")
        assert browser.has(".rows"), "the victim is still signed in"


def test_another_application_inside_the_portal_cannot_look_in_somebodys_name(world: World) -> None:
    """It has the portal as its top-level site, and so the very cookie of our frame goes with what it asks for."""
    with world.browser() as browser:
        enter_in_frame(browser, world)
        looks, path = world.looks(), f"/ui/dialogs/{world.chat_id}"
        world.stranger["/app"] = f"""<script>
            fetch('{ARCHIVE}{path}?other', {{ mode: 'no-cors', credentials: 'include' }})
              .then(() => {{ window.asked = true; }}, () => {{ window.asked = true; }});
            </script><iframe src="{ARCHIVE}{path}?framed"></iframe>"""
        browser.to_top()
        script = "const frame = document.createElement('iframe'); frame.src = arguments[0]; document.body.append(frame)"
        browser.run(script, f"{STRANGER}/app")

        def was_asked() -> bool:
            return {("GET", f"{path}?{how}", 403) for how in ("other", "framed")} <= set(world.front.hits)

        until(was_asked, what="it was tried and refused")
        assert world.looks() == looks
