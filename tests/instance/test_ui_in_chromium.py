"""The archive as people see it: real Chromium over every page and action, two languages, a desk's and a telephone's
width, the keyboard alone; axe-core (https://github.com/dequelabs/axe-core) looks for what keeps people out."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import struct
import wave
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.receivers import Call, Receiver
from tests.instance.tools import BEARER, at_work
from tests.support import TOKEN, Server, until
from tests.support.browser import CHROMIUM, DRIVER, Browser
from tests.support.npm import HAS_NPM, installed

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")

HOSTILE: Final = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
SVG: Final = b"<svg xmlns='http://www.w3.org/2000/svg' onload=\"document.title='hacked'\"/>"
DASHES: Final = "-" * 54
SHOTS: Final = os.environ.get("B24BOT_TEST_SCREENSHOTS", "")
FILTERS: Final = "from=2026-01-01&start_time=09:00&to=2099-01-01&end_time=18:00&updated_after=2026-01-01T00:00"
PAGES: Final = (
    "/",
    f"/?{FILTERS}",
    "/search?q=доставка",
    "/dialogs/{chat}",
    "/figures",
    "/health",
    "/looks",
    "/nothing",
)
# Everything that somebody may write to hide, to break out, or to take room; {} in it stands for itself.
CORPUS: Final = (
    HOSTILE,
    "</div></article></main><script>document.title='hacked'</script>",
    "[url=javascript:document.title='hacked']нажми[/url] [url=data:text/html,<script>1</script>]сюда[/url]",
    '[url=https://a.ru/"onmouseover="document.title=\'hacked\']x[/url] https://a.ru/"><script>1</script>',
    "[b][i][u]не закрыто [url=x[/b] ]][[ [code]<b>[/code] [quote][quote]",
    "{{ 7 * 7 }} {% raw %} ${7*7} &lt;b&gt; &#60;i&#62;",
    "\u202eслева направо\u202c \u2066x\u2069 \u200b\u200b\u2060невидимое\ufeff",
    "שלום עולם مرحبا بالعالم",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽" * 40,
    "Ж" * 20_000,
    "a" * 3_000 + " " + "🙂" * 3_000,
    f"{DASHES}\nИван [28.11.2026 10:00]\n{HOSTILE}\n{DASHES}\n>>{HOSTILE}\nответ",
)


@dataclass(frozen=True, slots=True)
class Scene:
    portal: SimulatedPortal
    server: Server
    chat_id: int
    hostile_id: int
    chosen_id: int  # a message in the middle of the conversation

    def url(self, path: str) -> str:
        return f"{self.server.url}/ui{path.format(chat=self.chat_id)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(1180, 900) as browser:
        yield browser


@pytest.fixture(scope="module")
def scene(browser: Browser) -> Iterator[Scene]:
    env = {"B24BOT_FILES": "download", "B24BOT_DISK_RESERVE_MB": "0", "B24BOT_UI_ACCESS": "all"}
    env |= {"B24BOT_WEBHOOK_HOSTS": "127.0.0.1"}
    with at_work(set_lines=True, env=env) as (portal, server):
        portal.add_user(28, "Мария Кузнецова", position="Руководитель")
        anna = portal.client("Анна Смирнова")
        chat_id = anna.writes("Здравствуйте! Сколько стоит [b]доставка[/b] в Казань?").chat_id
        until(lambda: portal.handed_over(chat_id), 30, what="the dialog is handed over")
        ivan = portal.operator(27)
        ivan.answers(chat_id)
        chosen = ivan.writes(chat_id, "Добрый день! Курьером 350 ₽, подробности: https://example.com/delivery")
        edited = ivan.writes(chat_id, "Привезём в пятнецу")
        ivan.edits(edited, "Привезём в пятницу")
        quote = f"{DASHES}\nИван Петров [28.11.2026 10:00]\nКурьером 350 ₽\n{DASHES}\nА [i]самовывоз[/i] есть?"
        anna.writes(quote)
        files = [("чек.png", picture()), ("голос.wav", sound()), ("видео.webm", moving(browser)), ("схема.svg", SVG)]
        for name, content in (*files, (f"{HOSTILE.replace('/', '')}.pdf", b"%PDF-1.4")):
            anna.writes("", [portal.file(name, content)])
        anna.deletes(anna.writes("Ой, не туда"))
        ivan.whispers(chat_id, "Клиент постоянный, дайте скидку")
        ivan.transfers(chat_id, to_user=28)
        anna.writes("👍")
        hostile = portal.client(f"{HOSTILE}\u202e")
        hostile_id = hostile.writes(CORPUS[0]).chat_id
        for text in CORPUS[1:]:
            hostile.writes(text)
        for number in range(6):
            portal.client(f"Клиент {number}").writes(f"Вопрос про доставку номер {number}")
        kept = "SELECT COUNT(*) FROM files WHERE state = 'stored'"
        until(lambda: server.sql(kept) == [(5,)], 60, what="files are stored")
        until(lambda: len(server.messages(hostile_id)) >= len(CORPUS), 30, what="all is archived")
        yield Scene(portal, server, chat_id, hostile_id, chosen.message_id)


def picture() -> bytes:
    """A PNG, blue all over."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\x0b\x62\xbd" * 320) * 180
    head = struct.pack(">IIBBBBB", 320, 180, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000)
    return buffer.getvalue()


def moving(browser: Browser) -> bytes:
    """A little video, recorded by the browser itself."""
    browser.open("about:blank")
    script = """
      const canvas = document.createElement('canvas'); const pen = canvas.getContext('2d');
      const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm' }); const parts = [];
      recorder.ondataavailable = (event) => parts.push(event.data);
      const timer = setInterval(() => pen.fillRect(Math.random() * 300, 0, 40, 150), 30);
      recorder.start();
      return new Promise((done) => {
        recorder.onstop = () => { const reader = new FileReader(); reader.onload = () => done(reader.result);
          reader.readAsDataURL(new Blob(parts)); };
        setTimeout(() => { clearInterval(timer); recorder.stop(); }, 400);
      });"""
    return base64.b64decode(browser.run(script).partition(",")[2])


def enter(browser: Browser, scene: Scene, language: str = "ru") -> None:
    browser.open(scene.url(f"/enter?lang={language}"))
    if browser.has("#token"):
        browser.type("#token", TOKEN)
        browser.click("button.main")
        until(lambda: browser.has(".leave"), what="the cookie is there")


def look(browser: Browser, name: str) -> None:
    """Nothing was complained of, nothing runs off the side, nothing that was written became code."""
    width, room = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, (name, width, room)
    assert browser.run("return document.title") != "hacked", name
    assert browser.run("return document.querySelectorAll('main script, main [onerror], main [onload]').length") == 0
    if SHOTS:
        browser.screenshot(Path(SHOTS) / f"ui-{name}.png")
    complaints = [said for said in browser.complaints() if "404 (NOT FOUND)" not in said]
    assert complaints == [], name


@pytest.mark.parametrize("width", [1180, 375])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_is_readable_and_no_serious_fault_keeps_anybody_out(
    language: str, width: int, browser: Browser, scene: Scene
) -> None:
    browser.size(width, 900)
    enter(browser, scene, language)
    for path in (*PAGES, f"/dialogs/{scene.hostile_id}", f"/dialogs/{scene.chat_id}?at={scene.chosen_id}"):
        browser.open(scene.url(path))
        assert browser.run("return document.documentElement.lang") == language
        name = path.strip("/").partition("?")[0].replace("/", "-").replace("{chat}", "talk") or f"list{len(path)}"
        look(browser, f"{name}-{language}-{width}")
        assert serious(browser) == {}, path
    browser.size(1180, 900)


def test_in_the_dark_everything_is_seen_as_well(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    for path in (f"/?{FILTERS}", "/search?q=доставка", "/dialogs/{chat}", "/figures", "/health", "/looks"):
        browser.open(scene.url(path))
        look(browser, f"dark-{path.strip('/').partition('?')[0].replace('/', '-').replace('{chat}', 'talk')}")
        assert serious(browser) == {}, path
    browser.devtools("Emulation.setEmulatedMedia", features=[])


def serious(browser: Browser) -> dict[str, Any]:
    """Rule -> what breaks it, on the page that is shown."""
    if not HAS_NPM:
        return {}
    axe = (installed(Path(__file__).parent / "axe") / "node_modules/axe-core/axe.min.js").read_text()
    found = browser.run(f"{axe}; return axe.run(document, {{ resultTypes: ['violations'] }});")
    return {
        rule["id"]: [node["html"][:200] for node in rule["nodes"][:3]]
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    }


def test_a_conversation_shows_everything_that_happened_in_it(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.open(scene.url("/dialogs/{chat}"))
    text = browser.text("#talk")
    for words in (
        "Сеанс",
        "Диалог передан операторам",
        "Передан: Иван Петров →",
        "изменено",
        "удалено",
    ):
        assert words in text, words
    assert (
        browser.run("return document.querySelector('blockquote cite').textContent") == "Иван Петров [28.11.2026 10:00]"
    )
    assert browser.run("return document.querySelector('.said a').rel") == "noopener noreferrer nofollow"
    until(
        lambda: browser.run("const i = document.querySelector('.file img'); i.scrollIntoView(); return i.naturalWidth")
    )
    for kind in ("audio", "video"):
        browser.run(f"const media = document.querySelector('{kind}'); media.preload = 'auto'; media.load()")
        ready = f"return document.querySelector('{kind}').readyState"
        until(lambda ready=ready: browser.run(ready) == 4, what=f"{kind} can be played through")
    shown = browser.run("return [...document.querySelectorAll('.file img, .file video, .file audio')].length")
    assert shown == 3  # the SVG is only offered
    offered = browser.run("""
      const link = [...document.querySelectorAll('.file a')].find((a) => a.textContent.endsWith('.svg'));
      return fetch(link.href).then((a) => [a.headers.get('Content-Type'), a.headers.get('Content-Disposition')]);""")
    assert offered[0] == "application/octet-stream" and offered[1].startswith("attachment")
    history = ".bubble footer a[href*='/messages/']"
    browser.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", history)
    browser.click(history)
    until(lambda: browser.has(".versions"), what="the history is shown")
    assert "пятнецу" in browser.text() and "пятницу" in browser.text()
    look(browser, "history")


def test_a_hit_leads_to_its_place_and_filters_narrow_the_list(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.open(scene.url("/"))
    browser.type("[name=q]", "курьером")
    browser.click(".words button")
    until(lambda: browser.run("return document.querySelectorAll('.row').length") == 1, what="one dialog is left")
    browser.click(".inside")
    until(lambda: browser.has("mark"), what="the hits are shown")
    assert "Курьером" in browser.run("return document.querySelector('mark').textContent")
    browser.click(".row > a")
    until(lambda: browser.has(".sought"), what="the conversation is shown at its place")
    sought = browser.run("return document.querySelector('.sought').id")
    assert f"#{sought}" in browser.run("return location.hash")
    # The link of a message leads to it from anywhere, and is the same one.
    link = browser.run("return document.querySelector('.bubble .at').href")
    browser.open(scene.url("/looks"))
    browser.open(link)
    until(lambda: browser.run("return document.querySelector('.sought')?.id") == link.partition("#")[2], what=link)
    assert browser.run("return document.querySelector('.sought .at').href") == link
    browser.open(scene.url("/?operator_id=28"))
    assert browser.run("return document.querySelectorAll('.row').length") == 1
    browser.open(scene.url("/"))
    browser.click(".filters summary")
    past = {"from": "2026-01-01", "start_time": "09:00", "to": "2026-01-01", "end_time": "18:00"}
    for name, value in past.items():
        browser.run("document.querySelector(`[name='${arguments[0]}']`).value = arguments[1]", name, value)
    browser.click(".go button")
    until(lambda: "Ничего не найдено" in browser.text(), what="nothing was said in those hours")
    given = "return [...new FormData(document.querySelector('.filters'))].filter((pair) => pair[1])"
    assert dict(browser.run(given)) == {**past, "sort": "active"}
    browser.open(scene.url("/?status=closed"))
    assert "Ничего не найдено" in browser.text()


def test_the_print_button_leads_to_the_whole_conversation_and_prints_it(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    count = "window.print = () => { window.printed = (window.printed || 0) + 1; }"
    added = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=count)
    browser.open(scene.url("/dialogs/{chat}"))
    on_page = browser.run("return [...document.querySelectorAll('#talk > *')].map((each) => each.innerText)")
    browser.run("scrollTo(0, 0)")
    browser.click(".tools a[href$='/print']")
    until(lambda: browser.run("return window.printed") == 1, what="the printer is asked for")
    browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    look(browser, "print")
    assert browser.run("return [...document.querySelectorAll('#talk > *')].map((each) => each.innerText)") == on_page
    browser.devtools("Emulation.setEmulatedMedia", media="print")
    unseen = "header.top, nav, footer.bottom, .tools, .skip, .pages, .live, audio, video, form, button"
    shown = "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).length"
    assert (browser.run(shown, unseen), browser.run(shown, ".bubble")) == (0, len(scene.server.messages(scene.chat_id)))
    assert "Анна Смирнова" in browser.text() and "Состояние на" in browser.text()
    look(browser, "on-paper")
    pages = base64.b64decode(browser.devtools("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pages.startswith(b"%PDF-") and len(pages) > 10_000
    if SHOTS:
        (Path(SHOTS) / "ui-print.pdf").write_bytes(pages)
    browser.devtools("Emulation.setEmulatedMedia", media="")


def test_what_is_downloaded_is_the_conversation(browser: Browser, scene: Scene, tmp_path: Path) -> None:
    browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    enter(browser, scene)
    browser.open(scene.url("/dialogs/{chat}"))
    browser.run("scrollTo(0, 0)")
    for kind in ("html", "csv", "jsonl"):
        if not browser.run("return document.querySelector('.pick').open"):
            browser.click(".pick summary")
        browser.click(f".pick a[href$='format={kind}']")
        path = tmp_path / f"dialog-{scene.chat_id}.{kind}"
        until(path.exists, 20, what=f"{kind} is there")
        text = path.read_text("utf-8")
        for message in scene.server.messages(scene.chat_id):
            assert not message["text_plain"] or message["text_plain"].split("\n")[0][:20] in text, (kind, message)
    looked = [row[0] for row in scene.server.sql("SELECT what FROM looks ORDER BY id DESC LIMIT 3")]
    assert looked == ["exported"] * 3


def test_new_words_appear_by_themselves(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.open(scene.url("/dialogs/{chat}"))
    maria = scene.portal.operator(28)
    said = maria.writes(scene.chat_id, "Самовывоз — с Тверской, 1")
    until(lambda: "Самовывоз — с Тверской" in browser.text("#talk"), 20, what="the message is shown")
    maria.edits(said, "Самовывоз — с Тверской, 2")
    until(lambda: "Тверской, 2" in browser.text("#talk"), 20, what="the edit is shown")
    assert browser.run("return document.querySelectorAll(`[id='m${arguments[0]}']`).length", said.message_id) == 1
    browser.open(scene.url("/"))
    scene.portal.client("Олег").writes("А ночью работаете?")
    until(lambda: "А ночью работаете?" in browser.text("#rows"), 20, what="the list is fresh")
    look(browser, "live")


def test_the_keyboard_alone_leads_everywhere(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.open(scene.url("/"))
    reached = []
    for _ in range(30):
        browser.press("Tab")
        reached.append(browser.run("return document.activeElement.getAttribute('href') || document.activeElement.name"))
    assert reached[0] == "#main" and f"/ui/dialogs/{scene.chat_id}" in reached
    assert {"/ui/", "/ui/search", "/ui/figures", "/ui/health", "/ui/looks", "q"} <= set(reached)
    browser.open(scene.url("/dialogs/{chat}"))
    browser.run("document.querySelectorAll('.pick summary')[0].focus()")
    browser.press("Enter")
    assert browser.run("return document.querySelector('.pick').open")
    browser.press("Escape")
    assert not browser.run("return document.querySelector('.pick').open")


def test_every_action_is_done_by_the_keyboard_alone(browser: Browser, scene: Scene) -> None:
    """From the entry to the way out, every stop is seen, and nothing but keys is pressed."""
    script = """
      const stop = document.activeElement, seen = (e) => e && getComputedStyle(e).outlineStyle !== 'none';
      return [stop.matches(arguments[0]), seen(stop) || seen(stop.closest('.row')) || stop.matches('body, main')];"""

    def go(css: str, arrived: str, *, stays: bool = False) -> None:
        """Tab to it, press Enter, wait for what comes: another page, unless it `stays`."""
        for _ in range(120):
            browser.press("Tab")
            is_there, is_seen = browser.run(script, css)
            assert is_seen, (css, browser.run("return document.activeElement.outerHTML")[:200])
            if is_there:
                break
        else:
            raise AssertionError(f"no way to {css}")
        browser.run("document.body.dataset.left = '1'")
        browser.press("Enter")
        place = f"body{'' if stays else ':not([data-left])'} "
        until(lambda: browser.has(place + arrived), what=f"{css} led to {arrived}")

    browser.devtools("Browser.setDownloadBehavior", behavior="deny")
    enter(browser, scene)
    browser.open(scene.url("/"))
    go(".leave button", "#token")
    for character in TOKEN:  # the field has the focus
        browser.press(character)
    browser.press("Enter")
    until(lambda: browser.has(".leave"), what="the list is shown")
    go(".filters summary", ".filters details[open]", stays=True)
    go(".go button", ".rows")
    go(f".row > a[href$='/{scene.chat_id}']", ".bubble")
    go(".tools a[href$='/print']", "#talk.whole")
    go(".tools a", "#talk:not(.whole)")
    go(".pick summary", ".pick[open]", stays=True)
    go(".pick a[href$='format=csv']", ".pick[open]", stays=True)
    go(".bubble .at", ".sought")
    go("nav a[href$='/search']", "nav [aria-current][href$='/search']")
    go("nav a[href$='/figures']", "nav [aria-current][href$='/figures']")
    go("main details summary", "main details[open] table", stays=True)
    go("nav a[href$='/health']", "nav [aria-current][href$='/health']")
    go("form[action$='/compare'] button", ".notice.good")
    go("nav a[href$='/looks']", "nav [aria-current][href$='/looks']")
    go(f"td a[href$='/looks?chat_id={scene.chat_id}']", f"td a[href$='/dialogs/{scene.chat_id}']")
    go(".bottom a[lang='en']", ".bottom a[lang='ru']")
    go(".bottom .zone button", ".bottom a[lang='ru']")
    go(".bottom a[lang='ru']", ".bottom a[lang='en']")
    go(".visit form button", "main")


def test_without_a_visit_the_pages_are_closed_and_leaving_ends_it(browser: Browser, scene: Scene) -> None:
    enter(browser, scene)
    browser.open(scene.url("/health"))
    browser.click("form[action$='/health/compare'] button")
    until(lambda: browser.has(".notice.good"), what="it is being done")
    browser.click(".leave button")
    until(lambda: browser.has("#token"), what="the entry is shown")
    look(browser, "enter")
    browser.open(scene.url("/dialogs/{chat}"))
    assert browser.has("#token") and "Анна" not in browser.text()


def test_an_employee_opens_the_archive_inside_the_portal(browser: Browser, scene: Scene) -> None:
    app = next(iter(scene.portal.core.apps.values()))
    for user_id, name in ((27, "Иван"), (1, "")):
        browser.open(f"{scene.portal.url}/app/{app.client_id}/?user={user_id}&lang=ru")

        def offered() -> bool:
            browser.to_top()
            try:
                browser.into_frame()
            except LookupError:
                return False
            return bool(browser.run("return !(document.getElementById('archive')?.hidden ?? true)"))

        until(offered, 30, what="the archive is offered")
        browser.click("#archive button")
        until(lambda: browser.has(".rows"), 20, what="the list is shown in the frame")
        assert name in browser.text(".who")
        assert browser.has("nav a[href$='/health']") is (user_id == 1)
        browser.to_top()
        if SHOTS:
            browser.screenshot(Path(SHOTS) / f"ui-in-portal-{user_id}.png")


def test_what_is_in_trouble_is_seen_and_the_buttons_set_it_right(browser: Browser, scene: Scene) -> None:
    """By really failing: a machine answers 410, the portal refuses a job for good, the instance is switched off."""
    portal, server, status = scene.portal, scene.server, [410]

    def gone(receiver: Receiver, connection: socket.socket, call: Call) -> None:
        receiver.answer(connection, call, status[0])

    def press(act: str) -> None:
        browser.run("document.querySelector(`form[action$='/health/${arguments[0]}'] button`).focus()", act)
        browser.press("Enter")
        until(lambda: browser.run("return location.search") == f"?done={act}", what=f"{act} was done")
        assert browser.has(".notice.good")

    with Receiver(gone) as receiver:
        wish = json.dumps({"url": receiver.url, "events": ["message.created"]}).encode()
        made = server.request("POST", "/api/subscriptions", wish, **BEARER, Content_Type="application/json").json
        handover = "imopenlines.bot.session.operator"
        portal.faults.fail(handover, "SOMETHING_FINAL", 400, description="<b>никогда</b>")
        chat_id = portal.client("Пётр").writes("А нам ответят?").chat_id
        path = f"/api/subscriptions/{made['id']}"
        until(lambda: not server.api(path)["active"], 20, what="the webhook is disabled")
        until(lambda: server.api("/api/admin/status")["outbox"]["buried"], 20, what="the hand-over is given up")
        server.api("/api/admin/disable", "POST")
        enter(browser, scene)
        browser.open(scene.url("/health?lang=ru"))
        press("examine")
        assert "DISABLED" in browser.text(".verdict") and browser.has(".verdict.yellow")
        for language, width in (("ru", 1180), ("en", 375)):
            browser.size(width, 900)
            browser.open(scene.url(f"/health?lang={language}"))
            look(browser, f"trouble-{language}-{width}")
            assert serious(browser) == {}
        browser.size(1180, 900)
        for words in ("off", "410", "SOMETHING_FINAL", "<b>никогда</b>", f"#{made['id']} 127.0.0.1", "ONIMBOT"):
            assert words in browser.text("main"), words

        press("switch_on")
        assert server.api("/api/admin/status")["enabled"] and "DISABLED" not in browser.text(".verdict")
        status[0] = 200
        press("webhook")
        until(lambda: receiver.taken, what="what waited comes")
        assert server.api(path)["active"] and receiver.taken[0].message["chat_id"] == chat_id
        assert not portal.handed_over(chat_id)
        press("job")
        until(lambda: portal.handed_over(chat_id), 20, what="the dialog is handed over")
        portal.faults.fail(handover, "SOMETHING_FINAL", 400)
        again = portal.client("Фома").writes("А нам?").chat_id
        until(lambda: server.api("/api/admin/status")["outbox"]["buried"], 20, what="another one is given up")
        browser.open(scene.url("/health"))
        press("revive")
        until(lambda: portal.handed_over(again), 20, what="that one is handed over, too")
        told = len(portal.calls_of("imopenlines.session.history.get"))
        press("compare")
        until(lambda: len(portal.calls_of("imopenlines.session.history.get")) > told, 20, what="histories are read")
        asked = len(portal.calls_of("imbot.register"))
        press("set_up")
        until(lambda: len(portal.calls_of("imbot.register")) > asked, 20, what="the bot is set up")
        browser.open(scene.url("/health"))
        for act in ("switch_on", "webhook", "job", "revive"):
            assert not browser.has(f"form[action$='/health/{act}']"), act
        server.request("DELETE", path, **BEARER)


def test_the_corpus_is_text_in_every_view(browser: Browser, scene: Scene, tmp_path: Path) -> None:
    """The list, what was found, the conversation, what comes into it live, its history, its print, its download, the
    figures, the health, who looked; names of clients, operators and lines are of the same kind."""
    portal, server, chat_id = scene.portal, scene.server, scene.hostile_id
    portal.add_user(30, HOSTILE, position=HOSTILE)
    portal.line(3).name = HOSTILE
    mallory = portal.operator(30)
    mallory.answers(chat_id)
    edited = mallory.writes(chat_id, CORPUS[1])
    enter(browser, scene)
    browser.open(scene.url(f"/dialogs/{chat_id}"))
    for text in CORPUS:
        mallory.edits(edited, text)
    last = mallory.writes(chat_id, f"живое {CORPUS[-1]}")
    until(lambda: browser.has(f"#m{last.message_id}"), 20, what="it is shown by itself")
    harmless(browser, "corpus-live")
    history = f"/dialogs/{chat_id}/messages/{edited.message_id}"
    until(lambda: len(server.sql("SELECT 1 FROM message_versions")) >= len(CORPUS), 20, what="all edits are archived")
    pages = (f"/dialogs/{chat_id}", f"/dialogs/{chat_id}/print", history, "/", "/search?q=ответ", "/figures")
    for path in (*pages, "/health", "/looks", f"/?q={quote(HOSTILE)}", f"/enter?next={quote(HOSTILE)}"):
        browser.open(scene.url(path))
        harmless(browser, f"corpus{path.partition('?')[0].replace('/', '-')}")
        shown = browser.run("return document.body.textContent")
        if path in pages:
            assert "document.title='hacked'" in shown, path
        if path in pages[:3]:
            for text in (
                "{{ 7 * 7 }} {% raw %} ${7*7} &lt;b&gt;",
                "Ж" * 20_000,
                "שלום עולם",
                "нажми",
                "</main><script>",
            ):
                assert text in shown, (path, text[:30])
            assert shown.count("👩‍👩‍👧‍👦") >= 40, path
    browser.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.open(scene.url(f"/dialogs/{chat_id}"))
    browser.run("location.href = arguments[0]", scene.url(f"/dialogs/{chat_id}/export?format=html"))
    until((tmp_path / f"dialog-{chat_id}.html").exists, 20, what="it is downloaded")
    browser.open((tmp_path / f"dialog-{chat_id}.html").as_uri())
    assert browser.run("return document.title") != "hacked" and "Ж" * 200 in browser.run(
        "return document.body.textContent"
    )


def harmless(browser: Browser, name: str) -> None:
    """As `look`, and nothing of what was written is a script, an address of one, or a style."""
    look(browser, name)
    inside = "main script, main [onmouseover], main [style], main a[href^='javascript'], main a[href^='data']"
    assert browser.run("return document.querySelectorAll(arguments[0]).length", inside) == 0, name
