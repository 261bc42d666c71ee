"""What our Flask leaves out, and that nobody misses it; and the pages that are loaded when somebody looks."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Response, url_for

from python_bot import gunicorn_conf, serving
from python_bot.web.application import Application
from python_bot.web.first_visit import AtFirstVisit


@pytest.fixture
def app() -> Any:
    app = Application(__name__)

    @app.get("/dialogs/<int:chat_id>")
    def dialog(chat_id: int) -> Response:
        return Response(url_for("dialog", chat_id=chat_id + 1, sort="newest"))

    return app


def test_addresses_can_be_made_though_nothing_is_compiled_for_them(app: Any) -> None:
    assert app.test_client().get("/dialogs/41").text == "/dialogs/42?sort=newest"


@pytest.mark.parametrize(
    "host", ["bots.example.ru", "127.0.0.1:18080", "боты.рф".encode().decode("latin-1"), "", "a b"]
)
def test_a_request_finds_its_place_by_whatever_name_it_came(app: Any, host: str) -> None:
    assert app.test_client().get("/dialogs/1", headers={"Host": host}).status_code == 200


def test_two_slashes_lead_to_one_below_the_same_name(app: Any) -> None:
    answer = app.test_client().get("/dialogs//1?sort=newest", headers={"Host": "bots.example.ru"})
    assert (answer.status_code, answer.headers["Location"]) == (308, "http://bots.example.ru/dialogs/1?sort=newest")


def test_what_is_not_there_is_told_as_the_api_tells_it(app: Any) -> None:
    answer = app.test_client().get("/nothing")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")


# --- the pages


def answered(app: AtFirstVisit, path: str) -> str:
    return b"".join(app({"PATH_INFO": path}, lambda *_: lambda _: None)).decode()


def says(word: str) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return [word.encode()]

    return app


def test_the_pages_are_made_at_the_first_visit_and_once() -> None:
    made: list[float] = []

    def make() -> Any:
        made.append(time.monotonic())
        time.sleep(0.05)
        return says("pages")

    app = AtFirstVisit(says("rest"), make)
    assert [answered(app, path) for path in ("/", "/uibuk", "/api/ui/", "/python_bot/ui")] == ["rest"] * 4
    assert not made
    found: list[str] = []
    visitors = [threading.Thread(target=lambda: found.append(answered(app, "/ui/"))) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert (found, answered(app, "/ui"), len(made)) == (["pages"] * 8, "pages", 1)


def test_a_visit_that_fails_to_make_them_leaves_the_next_one_its_try() -> None:
    tries = iter([None, says("pages")])

    def make() -> Any:
        made = next(tries)
        if made is None:
            raise OSError("too many open files")
        return made

    app = AtFirstVisit(says("rest"), make)
    with pytest.raises(OSError, match="open files"):
        answered(app, "/ui/")
    assert answered(app, "/ui/") == "pages"


@pytest.mark.parametrize(
    ("program", "spared"),
    [
        (
            "python_bot.app",
            ("python_bot.ui", "python_bot.web.ui.dialogs", "python_bot.export.names", "python_bot.relay.outgoing"),
        ),
        ("python_bot.serving", ("ctypes", "sqlite3", "flask", "python_bot.db")),
    ],
)
def test_what_an_idle_instance_does_not_need_is_not_loaded(program: str, spared: tuple[str, ...]) -> None:
    code = f"import sys, {program}; print([name for name in {spared!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_collector_of_a_worker_leaves_alone_what_stays_for_good() -> None:
    for settle in (lambda: gunicorn_conf.pre_fork(None, None), serving._settle):
        settle()
        frozen = gc.get_freeze_count()
        gc.unfreeze()
        assert frozen > 10_000
