"""The archive in a browser over HTTP: who gets in, what each may see, that nothing anybody wrote becomes code."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from typing import Final

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.web.api import wanted
from python_bot.web.api_tokens import FILE_NAME, ApiToken, hash_of, write_tokens
from tests.instance.tools import at_work, client_message
from tests.support import TOKEN, Server, until
from tests.support.server import Answer

HOSTILE: Final = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ENV: Final = {"B24BOT_UI_ACCESS": "own", "B24BOT_FILES": "download", "B24BOT_DISK_RESERVE_MB": "0"}


class Visitor:
    """A browser without a script: cookies, redirects, forms."""

    def __init__(self, server: Server, token: str = "") -> None:
        self.server = server
        self.jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        if token:
            assert self.post("/ui/enter", token=token).status == 200

    def get(self, path: str, **headers: str) -> Answer:
        return self._send(urllib.request.Request(self.server.url + path, headers=_named(headers)))

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        body = urllib.parse.urlencode(fields).encode()
        return self._send(urllib.request.Request(self.server.url + path, body, headers or {}))

    def form_token(self) -> str:
        found = re.search(r'name="form" value="([0-9a-f]+)"', self.get("/ui/").text)
        assert found
        return found[1]

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return Answer(answer.status, answer.read(), {**answer.headers, "Location": answer.url})
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), dict(error.headers))


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="module")
def settled() -> Iterator[tuple[SimulatedPortal, Server, int]]:
    """An instance with one conversation, whose client is called like an attack and writes like one."""
    with at_work(set_lines=True, env=ENV) as (portal, server):
        portal.line(3).name = f"Продажи {HOSTILE}"
        message = portal.client(f"Анна {HOSTILE}").writes(f"Сколько стоит [b]доставка[/b]? {HOSTILE}")
        until(lambda: portal.handed_over(message.chat_id), 30, what="the dialog is handed over")
        yield portal, server, message.chat_id


Settled = tuple[SimulatedPortal, Server, int]


def introduced(settled: Settled, user_id: int) -> dict[str, str]:
    """What the page inside the portal is told when this employee opens the application."""
    portal, server, _ = settled
    app = next(iter(portal.core.apps.values()))
    body = json.dumps({"AUTH_ID": app.access_token(user_id), "DOMAIN": portal.host, "PROTOCOL": "0"}).encode()
    answer = server.request("POST", "/python_bot/page/session", body, Content_Type="application/json")
    found: dict[str, str] = answer.json
    return found


def test_without_a_visit_every_page_leads_to_the_entry_and_back(settled: Settled) -> None:
    _, server, chat_id = settled
    stranger = Visitor(server)
    for path in ("/ui/", f"/ui/dialogs/{chat_id}", "/ui/search?q=a", "/ui/files/1"):
        answer = stranger.get(path)
        assert answer.status == 200 and "/ui/enter?next=" in answer.headers["Location"]
        assert "Анна" not in answer.text
    back = stranger.post("/ui/enter", token=TOKEN, next=f"/ui/dialogs/{chat_id}")
    assert back.headers["Location"].endswith(f"/ui/dialogs/{chat_id}")


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/ui/\\evil"])
def test_the_entry_leads_to_pages_of_ours_only(settled: Settled, address: str) -> None:
    _, server, _ = settled
    assert Visitor(server).post("/ui/enter", token=TOKEN, next=address).headers["Location"] == f"{server.url}/ui/"


def test_a_wrong_token_and_another_site_open_nothing(settled: Settled) -> None:
    _, server, _ = settled
    stranger = Visitor(server)
    assert stranger.post("/ui/enter", token="wrong").status == 401
    assert stranger.post("/ui/enter", {"Sec-Fetch-Site": "cross-site"}, token=TOKEN).status == 403
    assert stranger.post("/ui/enter", word="x.y").status == 401
    assert not list(stranger.jar)


def test_another_site_may_lead_here_and_load_nothing_into_itself(settled: Settled) -> None:
    _, server, chat_id = settled
    visitor = Visitor(server, TOKEN)

    def asked(site: str, mode: str, dest: str) -> int:
        headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
        return visitor.get(f"/ui/dialogs/{chat_id}", **headers).status

    for site in ("cross-site", "same-site"):
        assert asked(site, "navigate", "document") == 200
        ways = (("navigate", "iframe"), ("navigate", "object"), ("no-cors", "image"), ("cors", "empty"), ("", ""))
        assert {asked(site, *way) for way in ways} == {403}
    assert {asked(site, "navigate", "iframe") for site in ("same-origin", "none")} == {200}


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_ends_with_the_visit(settled: Settled) -> None:
    _, server, _ = settled
    visitor = Visitor(server, TOKEN)
    (cookie,) = visitor.jar
    assert cookie.path == "/ui/" and cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax" and not cookie.secure
    assert cookie.value and server.sql("SELECT COUNT(*) FROM visits WHERE cookie = ?", cookie.value) == [(0,)]
    assert visitor.post("/ui/leave", form="wrong").status == 403
    token = visitor.form_token()
    other = Visitor(server)
    other.jar.set_cookie(cookie)
    assert visitor.post("/ui/leave", form=token).headers["Location"].endswith("/ui/enter")
    assert "/ui/enter" in other.get("/ui/").headers["Location"]


def test_nothing_that_was_written_becomes_code(settled: Settled) -> None:
    portal, server, chat_id = settled
    visitor = Visitor(server, TOKEN)
    for path in (
        "/ui/",
        "/ui/rows",
        f"/ui/dialogs/{chat_id}",
        f"/ui/dialogs/{chat_id}/print",
        "/ui/search?q=%D0%B4%D0%BE%D1%81%D1%82%D0%B0%D0%B2%D0%BA%D0%B0",
    ):
        answer = visitor.get(path)
        assert answer.status == 200 and "&lt;script&gt;" in answer.text, path
        assert "<script>" not in answer.text and "<img src=x" not in answer.text, path
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy
        assert policy.endswith(f"; frame-ancestors {portal.url}")
    assert "<strong>доставка</strong>" in visitor.get(f"/ui/dialogs/{chat_id}").text


def test_what_is_not_there_and_bad_values_are_pages_too(settled: Settled) -> None:
    _, server, _ = settled
    visitor = Visitor(server, TOKEN)
    expected = {
        "/ui/nothing": 404,
        "/ui/dialogs/999999": 404,
        "/ui/dialogs/99999999999999999999999": 404,
        "/ui/files/1": 404,
        "/ui/?from=yesterday": 400,
        "/ui/?from=2026-11-28&to=2026-11-01": 400,
        "/ui/?line_id=x": 400,
        "/ui/?cursor=x": 400,
        "/ui/static/../app.py": 404,
        "/ui/search?q=%22": 200,
        "/ui/?tz=../../etc/passwd": 200,
    }
    for path, status in expected.items():
        answer = visitor.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8"), path


def test_whatever_filters_the_api_filters_the_pages(settled: Settled) -> None:
    _, server, chat_id = settled
    visitor, row = Visitor(server, TOKEN), f'/ui/dialogs/{chat_id}"'
    (client_id,) = server.sql("SELECT client_id FROM dialogs WHERE chat_id = ?", chat_id)[0]
    for page in ("/ui/", "/ui/search"):
        fields = set(re.findall(r'name="(\w+)"', visitor.get(f"{page}?client_id={client_id}").text))
        # A day of the reader's clock stands for the moments and for the zone.
        assert set(wanted.NAMES) - {"since", "until", "date", "tz_offset"} <= fields, page
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() - 3600)).split()
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    asked = f"client_id={client_id}&from={now[0]}&start_time={now[1]}&updated_after={now[0]}T{now[1]}&to={later}"
    for shown, query in (
        (True, asked),
        (True, f"{asked}&q=%D0%B4%D0%BE%D1%81%D1%82%D0%B0%D0%B2%D0%BA%D0%B0"),
        (False, f"from={later}&start_time=23:59"),
        (False, f"to={now[0]}&end_time={now[1]}"),
        (False, f"updated_after={later}T00:00"),
        (False, "client_id=999999"),
    ):
        for page in ("/ui/", "/ui/rows"):
            assert (row in visitor.get(f"{page}?{query}").text) is shown, (page, query)
    assert "&lt;img src=x" in re.findall(r'name="client_id">(.*?)</select>', visitor.get(f"/ui/?{asked}").text)[0]
    assert visitor.get("/ui/?start_time=09:00").status == 400


def test_every_look_at_a_conversation_is_written_down(settled: Settled) -> None:
    _, server, chat_id = settled
    visitor = Visitor(server, TOKEN)
    before = server.sql("SELECT COUNT(*) FROM looks")[0][0]
    visitor.get(f"/ui/dialogs/{chat_id}")
    visitor.get(f"/ui/dialogs/{chat_id}/print")
    visitor.get(f"/ui/dialogs/{chat_id}/export?format=html")
    visitor.get("/ui/search?q=abc")
    visitor.get("/ui/?q=abc")
    page = visitor.get(f"/ui/dialogs/{chat_id}").text
    place = re.findall(r'data-seen="([0-9]+\.[0-9a-f]+)"', page)[0]
    for _ in range(2):
        place = visitor.get(f"/ui/dialogs/{chat_id}/news?seen={place}").json["seen"]
    visitor.get("/ui/rows?q=abc")
    # Without the page, or with the place of another visit or conversation, it is a look of its own.
    other = Visitor(server, TOKEN)
    for who, seen in ((visitor, "0"), (visitor, f"0.{place.partition('.')[2]}"), (other, place), (visitor, "")):
        assert who.get(f"/ui/dialogs/{chat_id}/news?seen={seen}").status == 200
    rows = server.sql("SELECT chat_id, what, user_id, token FROM looks ORDER BY id")[before:]
    opened = (chat_id, "opened", None, "")
    assert rows[-6:] == [opened, (0, "searched", None, ""), *[opened] * 4]
    assert rows[:-6] == [
        *[(chat_id, "opened", None, "")] * 2,
        (chat_id, "exported", None, ""),
        *[(0, "searched", None, "")] * 2,
    ]


def test_a_long_conversation_is_read_page_by_page_and_printed_whole(settled: Settled) -> None:
    _, server, _ = settled
    numbers = range(900_001, 900_001 + 1_010)
    with ThreadPoolExecutor(8) as pool:
        posted = pool.map(lambda number: server.post_event(client_message(number, 8_001, 8_001, "да")), numbers)
        assert {answer.status for answer in posted} == {200}
    visitor = Visitor(server, TOKEN)

    def shown(path: str) -> tuple[list[int], str]:
        page = visitor.get(f"/ui/dialogs/8001{path}").text
        return [int(number) for number in re.findall(r'<article id="m(\d+)"', page)], page

    pages = [shown("")]
    while pages[0][1].count('rel="prev"'):
        pages.insert(0, shown(f"?before={pages[0][0][0]}"))
    assert [len(page[0]) for page in pages] == [10, 500, 500]
    assert [number for page in pages for number in page[0]] == list(numbers)
    assert shown(f"?after={numbers[9]}")[0] == pages[1][0]
    whole, page = shown("/print")
    assert whole == list(numbers) and page.rstrip().endswith("</html>")
    assert not re.findall(r"<nav|<form|rel=.prev|class=.live", page)


def test_an_administrator_of_the_portal_enters_by_its_word_and_sees_everything(settled: Settled) -> None:
    _, server, chat_id = settled
    visitor = Visitor(server)
    word = introduced(settled, 1)["word"]
    assert visitor.post("/ui/enter", word=word, framed="1").status == 200
    for path in (f"/ui/dialogs/{chat_id}", "/ui/health", "/ui/looks"):
        assert visitor.get(path).status == 200, path
    for broken in (word[:-1], f"{word}0", word.replace(".", "", 1), word[1:], "."):
        assert Visitor(server).post("/ui/enter", word=broken).status == 401


def test_an_employee_sees_what_the_setting_allows_and_nobody_elses_dialogs(settled: Settled) -> None:
    portal, server, chat_id = settled
    told = introduced(settled, 27)
    assert told["token"] == "" and told["word"]
    employee = Visitor(server)
    assert employee.post("/ui/enter", word=told["word"]).status == 200
    for path in ("/ui/health", "/ui/looks"):
        assert employee.get(path).status == 403, path
    assert f"/ui/dialogs/{chat_id}" not in employee.get("/ui/").text
    assert employee.get(f"/ui/dialogs/{chat_id}").status == 404
    assert employee.get(f"/ui/dialogs/{chat_id}/news?seen=0").status == 404
    assert employee.get(f"/ui/dialogs/{chat_id}/print").status == 404
    portal.operator(27).answers(chat_id)
    until(lambda: len(server.messages(chat_id)) >= 3, 30, what="the answer is archived")
    assert f"/ui/dialogs/{chat_id}" in employee.get("/ui/").text
    assert employee.get(f"/ui/dialogs/{chat_id}").status == 200
    assert employee.get(f"/ui/dialogs/{chat_id}/export").status == 403
    assert server.sql("SELECT user_id, token FROM looks ORDER BY id DESC LIMIT 1") == [(27, None)]


def test_a_token_of_one_line_sees_that_line_alone_and_an_expired_one_nothing(settled: Settled) -> None:
    _, server, chat_id = settled
    created, path = "2026-01-01T00:00:00Z", server.home / FILE_NAME
    path.write_bytes(
        write_tokens([ApiToken(f"line {line}", "read", created, hash_of(f"token-{line}"), "", line) for line in (3, 4)])
    )
    (client_id,) = server.sql("SELECT client_id FROM dialogs WHERE chat_id = ?", chat_id)[0]
    words = "%D0%B4%D0%BE%D1%81%D1%82%D0%B0%D0%B2%D0%BA%D0%B0"
    own, other = Visitor(server, "token-3"), Visitor(server, "token-4")
    lists = ("/ui/", "/ui/rows", f"/ui/search?q={words}", "/ui/figures", f"/ui/?client_id={client_id}")
    for page in lists:
        assert "Анна" in own.get(page).text, page
        assert "Анна" not in other.get(page).text, page
    for page in ("", "/print", "/news?seen=0"):
        assert own.get(f"/ui/dialogs/{chat_id}{page}").status == 200, page
        assert other.get(f"/ui/dialogs/{chat_id}{page}").status == 404, page
    for page in (f"/ui/dialogs/{chat_id}/export", "/ui/health", "/ui/looks"):
        assert own.get(page).status == 403, page
    path.write_bytes(write_tokens([ApiToken("line 3", "read", created, hash_of("token-3"), "2026-01-02T00:00:00Z", 3)]))
    for visitor in (own, other):
        assert "/ui/enter" in visitor.get("/ui/").headers["Location"]


def test_what_can_be_tried_again_needs_a_form_of_the_visit(settled: Settled) -> None:
    _, server, _ = settled
    visitor = Visitor(server, TOKEN)
    for act in ("compare", "set_up", "revive", "switch_on"):
        assert visitor.post(f"/ui/health/{act}").status == 403
        assert visitor.post(f"/ui/health/{act}", form=visitor.form_token()).headers["Location"].endswith(f"done={act}")
    for nothing in ("reinit", "webhook", "job"):
        for number in ("", "99", "x"):
            assert visitor.post(f"/ui/health/{nothing}", form=visitor.form_token(), id=number).status == 404
    other = Visitor(server, TOKEN)
    number = server.sql("SELECT MAX(id) FROM visits")[0][0]
    assert visitor.post(f"/ui/visits/{number}/end", form=visitor.form_token()).status == 200
    assert "/ui/enter" in other.get("/ui/").headers["Location"]


def test_figures_are_plots_and_the_same_numbers_as_a_table(settled: Settled) -> None:
    _, server, chat_id = settled
    visitor = Visitor(server, TOKEN)
    page = visitor.get("/ui/figures?days=7").text
    assert page.count('<svg class="plot"') == 5 and page.count("<script") == 1
    assert "style=" not in page
    table = visitor.get("/ui/figures.csv?days=7")
    assert table.headers["Content-Type"].startswith("text/csv")
    rows = [line.split(";") for line in table.text.lstrip("\ufeff").splitlines()]
    days = [row for row in rows if row[0] == "day"]
    assert sum(int(row[3]) for row in days) == len(server.messages(chat_id))
    assert {"operator", "line", "connector"} <= {row[0] for row in rows} or len(days) == 1


def test_figures_and_searches_of_an_employee_hold_nobody_elses_dialogs(settled: Settled) -> None:
    portal, server, _ = settled
    message = portal.client("Зинаида").writes("Нужна консультация")
    until(lambda: server.messages(message.chat_id), what="it is archived")
    visitor, employee = Visitor(server, TOKEN), Visitor(server)
    assert employee.post("/ui/enter", word=introduced(settled, 27)["word"]).status == 200
    words = "%D0%BA%D0%BE%D0%BD%D1%81%D1%83%D0%BB%D1%8C%D1%82%D0%B0%D1%86%D0%B8%D1%8F"
    places = ("/ui/", "/ui/figures", "/ui/figures.csv", f"/ui/search?q={words}", f"/ui/?q={words}")
    for path in places:
        found = re.compile(rf"Зинаида|{message.chat_id}")
        assert found.search(visitor.get(path).text), path
        assert not found.search(employee.get(path).text), path


def test_every_file_that_is_handed_out_is_written_down(settled: Settled) -> None:
    portal, server, _ = settled
    looks = "SELECT COUNT(*) FROM looks WHERE what = 'file' AND chat_id = ?"

    def handed_out(**headers: str) -> tuple[int, int]:
        """The answer's status, and how many looks it left; of a dialog that nobody looked at before."""
        message = portal.client("Олег").writes("", [portal.file("счёт.pdf", b"%PDF-1.4 0123456789")])
        stored = "SELECT file_id FROM files WHERE state = 'stored' AND message_id = ?"
        until(lambda: server.sql(stored, message.message_id), 30, what="the file is stored")
        path = f"/ui/files/{server.sql(stored, message.message_id)[0][0]}"
        return Visitor(server, TOKEN).get(path, **headers).status, server.sql(looks, message.chat_id)[0][0]

    assert handed_out() == (200, 1)
    assert handed_out(Range="bytes=1-") == (206, 1)
    assert handed_out(If_None_Match='"another"') == (200, 1)
