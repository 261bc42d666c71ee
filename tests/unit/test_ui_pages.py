from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask

from python_bot.visitors import Visit
from python_bot.web.access import Caller
from python_bot.web.api_tokens import hash_of
from python_bot.web.errors import ApiError
from python_bot.web.key_file import KeyFile
from python_bot.web.ui import asked, bubbles
from python_bot.web.ui.clock import Clock, span, zone_of
from python_bot.web.ui.frame import Frame
from python_bot.web.ui.keeper import Allowed, Keeper, Word, within
from python_bot.web.ui.markup import shown_name, spoken, written

NOW = 1_795_000_000
PORTAL = "https://acme.bitrix24.ru"


def clock(zone: str = "Europe/Moscow", language: Any = "ru") -> Clock:
    return Clock(*zone_of(zone), language, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("просто & <b>", "просто &amp; &lt;b&gt;"),
        ("[b]a[/b] [i]<i>[/i]", "<strong>a</strong> <em>&lt;i&gt;</em>"),
        ("[url=javascript:alert(1)]x[/url]", "x"),
        ("[user=5]Иван[/user]", '<span class="mention">Иван</span>'),
        ("[color=red]a[/color][disk=5]", "a"),
        ("[icon=https://a.ru/i.png title=:)]", ":)"),
        (">>да\nнет", "<blockquote>да</blockquote>нет"),
        ("[code]<script>[b]x[/b][/code]", "<code>&lt;script&gt;[b]x[/b]</code>"),
        ("[timestamp=0 format=x]", "01.01.1970 03:00"),
    ],
)
def test_what_was_written_becomes_harmless_markup(text: str, expected: str) -> None:
    assert written(text, clock().full) == expected


def test_addresses_are_links_with_and_without_a_tag_and_never_inside_each_other() -> None:
    text = "см. https://a.ru/x?y=1&z=2, [url=https://b.ru]https://c.ru [img]https://d.ru/i.png[/img][/url]"
    html = str(written(text, str))
    assert html.count("<a ") == 2 and 'href="https://a.ru/x?y=1&amp;z=2"' in html and 'href="https://b.ru"' in html
    assert html.count('rel="noopener noreferrer nofollow" target="_blank"') == 2


@pytest.mark.parametrize(
    ("name", "seen"), [("Анна", "Анна"), ("\u200b\u2060 ", "?"), ("", "?"), ("🙂", "🙂"), ("\u202eA", "\u202eA")]
)
def test_a_name_that_nobody_can_see_is_none(name: str, seen: str) -> None:
    assert shown_name(name, "?") == seen


def test_a_line_of_a_list_is_one_line() -> None:
    assert spoken("см. [url=x]сайт[/url]\n\nда") == "см. сайт да"
    assert len(spoken("да " * 300)) == 200


def test_a_line_of_a_list_is_the_answer_and_not_what_it_quotes() -> None:
    dashes = "-" * 54
    assert spoken(f"{dashes}\nИван [28.11.2026 10:00]\nКурьером\n{dashes}\nА самовывоз?") == "А самовывоз?"
    assert spoken(">>да\nнет") == "нет"
    assert spoken(">>да") == "да"


def test_times_are_those_of_the_reader() -> None:
    moscow = clock()
    assert moscow.full("2026-07-29T21:30:00Z") == "30.07.2026 00:30"
    assert clock("+05:30", "en").full("2026-07-29T21:30:00Z") == "2026-07-30 03:00"
    assert moscow.day(datetime(2026, 11, 28, tzinfo=UTC).date()) == "28 ноября 2026, суббота"
    assert moscow.local("10000-01-01T00:00:00Z").year == 1970
    for nonsense in ("", "Mars/Olympus", "../../etc/passwd", "+15:00", "a" * 200):
        assert zone_of(nonsense)[0] == "UTC"
    assert [span(s, "ru") for s in (45, 330, 7_300, 200_000)] == ["45 с", "5 мин", "2 ч 1 мин", "2 д 7 ч"]


SOMEBODY = Visit(1, "", "", None, "read", None, False, 0, 0)


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"from": "2026-07-29", "to": "2026-07-29"}, "2026-07-28T21:00", "2026-07-29T21:00"),
        ({"from": "2026-07-29", "start_time": "09:30"}, "2026-07-29T06:30", None),
        ({"from": "2026-07-29", "start_time": "09:00", "to": "2026-07-30", "end_time": "18:00"},
         "2026-07-29T06:00", "2026-07-30T15:00"),
        ({"to": "2026-07-29", "end_time": "00:00"}, None, "2026-07-28T21:00"),
    ],
)  # fmt: skip
def test_days_and_hours_of_a_filter_are_the_readers(given: dict[str, str], since: Any, until: Any) -> None:
    found = asked.read(given, SOMEBODY, clock()).wanted
    expected = [at and int(datetime.fromisoformat(f"{at}+00:00").timestamp()) for at in (since, until)]
    assert [found.since, found.until] == expected


def test_what_changed_after_a_time_is_asked_for_by_the_readers_clock() -> None:
    read = [asked.read({"updated_after": at}, SOMEBODY, clock()) for at in ("2026-07-29T12:00", "2026-07-29T09:00Z")]
    assert {each.wanted.updated_after for each in read} == {int(datetime(2026, 7, 29, 9, tzinfo=UTC).timestamp())}
    assert read[0].query == "updated_after=2026-07-29T12%3A00"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"start_time": "09:00"}, "bad_hours"),
        ({"from": "2026-07-29", "end_time": "18:00"}, "bad_hours"),
        ({"from": "2026-07-29", "start_time": "morning"}, "bad_hours"),
        ({"from": "2026-07-29", "start_time": "09:00+03:00"}, "bad_hours"),
        ({"updated_after": "yesterday"}, "bad_hours"),
        ({"from": "2026-07-29", "start_time": "12:00", "to": "2026-07-29", "end_time": "12:00"}, "bad_days"),
    ],
)
def test_hours_that_cannot_be_read_are_refused(given: dict[str, str], code: str) -> None:
    with pytest.raises(ApiError) as refused:
        asked.read(given, SOMEBODY, clock())
    assert refused.value.code == code


def row(message_id: int, at: str, **changes: Any) -> dict[str, Any]:
    shown = {
        "message_id": message_id, "author": {"id": 1, "name": "Анна", "kind": "client"}, "text": "да",
        "sent_at": at, "sent_at_exact": True, "edited_at": None, "deleted_at": None, "files": [], **changes,
    }  # fmt: skip
    return {"shown": shown, "hidden": 0, "versions": 0}


def test_days_and_turns_stand_between_the_bubbles() -> None:
    def event(kind: str, at: str) -> dict[str, Any]:
        nobody = dict.fromkeys(("by", "from", "to", "to_line_id", "rating", "reason"))
        return {"kind": kind, "at": at, **nobody}

    course = (("opened", 29, 10), ("answered", 29, 11), ("closed", 30, 10))
    told = [event(kind, f"2026-07-{day}T{hour}:00:00Z") for kind, day, hour in course]
    turns = bubbles.events([{"session_id": 1, "events": told}])
    rows = [row(1, "2026-07-29T10:00:00Z"), row(2, "2026-07-30T09:00:00Z")]
    weaver = bubbles.Weaver(turns, clock("UTC"))
    items = [*weaver.rows(rows), *weaver.rest()]
    kinds = [getattr(item, "kind", "day") if not isinstance(item, bubbles.Day) else "day" for item in items]
    assert kinds == ["day", "opened", "client", "day", "client", "closed"]
    cut = bubbles.Weaver(turns, clock("UTC"), behind="2026-07-29T10:00:00Z").rows(rows[1:])
    assert [type(item).__name__ for item in cut] == ["Day", "Bubble"]


@pytest.mark.parametrize("at", ["10:00:00", "10:30:00", "11:00:00"])
def test_a_turn_at_the_seam_of_two_pages_stands_on_one_of_them(at: str) -> None:
    nobody = dict.fromkeys(("by", "from", "to", "to_line_id", "rating", "reason"))
    told = [{"kind": kind, "at": f"2026-07-29T{at}Z", **nobody} for kind in ("closed", "opened")]
    turns = bubbles.events([{"session_id": 1, "events": told}])
    first, second = row(1, "2026-07-29T10:00:00Z"), row(2, "2026-07-29T11:00:00Z")
    pages = [bubbles.Weaver(turns, clock()).rows([first])]
    weaver = bubbles.Weaver(turns, clock(), behind="2026-07-29T10:00:00Z")
    pages.append([*weaver.rows([second]), *weaver.rest()])
    shown = [item.kind for page in pages for item in page if isinstance(item, bubbles.Event)]
    assert sorted(shown) == ["closed", "opened"]


@pytest.mark.parametrize(
    ("name", "state", "shows"),
    [("a.png", "stored", "image"), ("a.ogg", "stored", "audio"), ("a.mp4", "stored", "video"), ("a.svg", "stored", ""),
     ("a.html", "stored", ""), ("a.pdf", "stored", ""), ("a.png", "waiting", ""), ("a.png\u202egnp.exe", "stored", "")],
)  # fmt: skip
def test_only_pictures_sound_and_video_are_shown(name: str, state: str, shows: str) -> None:
    file = {"id": 1, "name": name, "size": 1, "type": "file", "url": "javascript:alert(1)", "state": state}
    (found,) = bubbles.bubble(row(1, "2026-07-29T10:00:00Z", files=[file]), clock()).files
    assert found.shows == shows and found.address == ""


# --- who may see what


class Kept:
    """Visits in memory."""

    def __init__(self) -> None:
        self.visits: dict[str, Visit] = {}

    def write(self, work: Any) -> Any:
        return work(None)

    def begin(self, tx: Any, cookie: str, visit: Visit) -> None:
        self.visits[cookie] = visit

    def find(self, cookie: str, now: int) -> Visit | None:
        found = self.visits.get(cookie)
        return found if found is not None and found.expires_at > now else None


class Doors:
    """Tokens by their text."""

    def __init__(self, **callers: Caller) -> None:
        self.callers = callers

    def caller_with(self, given: str, scope: str) -> Caller:
        if given not in self.callers:
            raise ApiError(401, "token_unknown", "")
        return self.callers[given]

    def caller_behind(self, is_it: Any) -> Caller | None:
        return next((caller for token, caller in self.callers.items() if is_it(hash_of(token))), None)


def keeper(tmp_path: Any, kept: Kept, allowed: Allowed = "admins", **more: Any) -> Keeper:
    told: dict[str, Any] = {"doors": Doors(), "portal": PORTAL, "now": NOW, **more}
    kept_any, key = SimpleNamespace(write=kept.write), KeyFile(tmp_path / "page.key")
    return Keeper(kept_any, kept, told["doors"], key, lambda: told["portal"], allowed, lambda: told["now"])  # type: ignore[arg-type]  # stand-ins


def test_a_visit_opens_what_its_token_opens_now(tmp_path: Any) -> None:
    kept, doors = Kept(), Doors(secret=Caller("anna", "export"))
    guard = keeper(tmp_path, kept, doors=doors)
    cookie = guard.enter_with_token("secret")
    found = guard.visit(cookie)
    assert found is not None and (found.rights, found.lines) == ("export", None)
    doors.callers["secret"] = Caller("anna", "read", 7)
    narrowed = guard.visit(cookie)
    assert narrowed is not None and (narrowed.rights, narrowed.lines) == ("read", (7,))
    doors.callers.clear()
    assert guard.visit(cookie) is None
    assert guard.visit("") is None and guard.visit("x") is None
    assert "secret" not in repr(kept.visits) and cookie not in repr(kept.visits)


@pytest.mark.parametrize(
    ("allowed", "is_administrator", "lines", "own"),
    [("admins", True, None, False), ("own", True, None, False), ("line", True, None, False),
     ("own", False, None, True), ("line", False, (3,), False), ("all", False, None, False)],
)  # fmt: skip
def test_the_portals_word_opens_what_the_sysadmin_allows(
    tmp_path: Any, allowed: Allowed, is_administrator: bool, lines: Any, own: bool
) -> None:
    kept = Kept()
    guard = keeper(tmp_path, kept, allowed)
    found = guard.visit(guard.enter_with_word(guard.word(Word(27, "Иван", is_administrator, (3,)))))
    assert found is not None and (found.lines, found.own) == (lines, own)
    assert found.rights == ("admin" if is_administrator else "read")
    assert within(found).participant_id == (27 if own else None) and within(found).line_ids == lines


def test_a_word_is_good_once_for_a_while_for_one_portal_and_for_nobody_who_may_see_nothing(tmp_path: Any) -> None:
    kept = Kept()
    guard = keeper(tmp_path, kept)
    assert guard.word(Word(27, "Иван", False)) == ""
    word = guard.word(Word(1, "Админ", True))
    late, elsewhere = keeper(tmp_path, kept, now=NOW + 901), keeper(tmp_path, kept, portal="https://b.ru")
    for other in (late, elsewhere, keeper(tmp_path, kept, portal="")):
        with pytest.raises(ApiError):
            other.enter_with_word(word)
    cookie = guard.enter_with_word(word)
    assert guard.visit(cookie) is not None
    assert keeper(tmp_path, kept, now=NOW + 3600).visit(cookie) is None
    assert keeper(tmp_path, kept, portal="https://b.ru").visit(cookie) is None


def test_what_the_sysadmin_narrows_counts_at_once(tmp_path: Any) -> None:
    kept = Kept()
    wide = keeper(tmp_path, kept, "all")
    cookie = wide.enter_with_word(wide.word(Word(27, "Иван", False)))
    own = keeper(tmp_path, kept, "own").visit(cookie)
    assert own is not None and own.own
    assert keeper(tmp_path, kept, "line").visit(cookie) is None
    assert keeper(tmp_path, kept, "admins").visit(cookie) is None


def test_a_form_belongs_to_one_visit(tmp_path: Any) -> None:
    guard = keeper(tmp_path, Kept())
    assert guard.is_form_token("a", guard.form_token("a"))
    for given in (guard.form_token("b"), "", "é"):
        assert not guard.is_form_token("a", given)


def test_a_fault_of_ours_is_a_page_without_a_trace_of_the_stack(caplog: pytest.LogCaptureFixture) -> None:
    app, pages = Flask(__name__), Blueprint("ui", __name__, url_prefix="/ui")
    Frame(SimpleNamespace(), lambda: "", "/ui").handle_errors(pages)  # type: ignore[arg-type]  # nobody is signed in

    @pages.get("/broken")
    def broken() -> str:
        raise RuntimeError("secret detail")

    app.register_blueprint(pages)
    answer = app.test_client().get("/ui/broken", headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "That did not work" in answer.text and "secret" not in answer.text
    assert "a page failed in an unforeseen way" in caplog.text
