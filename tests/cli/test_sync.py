"""`botctl <instance> sync` beside an instance that runs, and beside one that does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from python_bot.cli.sync import progress_line
from python_bot.simulator import SimulatedPortal
from python_bot.sync.runs import View
from tests.cli.tools import StagedServer, botctl, create, ok
from tests.instance.tools import adopt, attach_by_hand
from tests.support import until


@pytest.fixture
def working(tmp_path: Path) -> Iterator[tuple[Path, SimulatedPortal, StagedServer]]:
    with SimulatedPortal() as portal:
        server = StagedServer(tmp_path, portal)
        adopt(portal, server)
        with server:
            until(lambda: (server.api("/api/admin/status")["portal"] or {}).get("bot_id"), what="it is set up")
            yield tmp_path, portal, server


def past(portal: SimulatedPortal, count: int) -> list[int]:
    chats = []
    for number in range(count):
        client = portal.client(f"Клиент {number}", connector="telegrambot", line=3, external_id=f"c{number}")
        chats.append(client.writes("Вопрос").chat_id)
        portal.operator(27).finishes(chats[-1])
    return chats


def complete(server: StagedServer, chat_id: int) -> bool:
    found: bool = server.api(f"/api/dialogs/{chat_id}")["dialog"]["complete"]
    return found


def test_the_whole_past_comes_in_with_lines_where_nobody_watches_a_bar(
    working: tuple[Path, SimulatedPortal, StagedServer],
) -> None:
    root, portal, server = working
    server.api("/api/admin/disable", "POST")  # while nobody listens
    portal.faults.drop_events(1_000)
    chats = past(portal, 8)
    portal.wait_quiet()
    server.api("/api/admin/enable", "POST")
    shown = ok(root, "shop-1", "sync", "--all")
    assert "\r" not in shown and "8 new sessions were found" in shown
    assert all(complete(server, chat_id) for chat_id in chats)
    again = json.loads(ok(root, "shop-1", "sync", "--all", "--json"))
    assert (again["found"], again["refused"], again["resumed"]) == (0, 0, False)


def test_one_dialog_and_everything_since_a_day(working: tuple[Path, SimulatedPortal, StagedServer]) -> None:
    root, portal, server = working
    attach_by_hand(portal)
    (chat_id,) = past(portal, 1)
    portal.faults.drop_events(1_000)
    until(lambda: server.messages(chat_id), what="the dialog is known")
    portal.reopen(portal.sessions(chat_id)[0].session_id)
    word = portal.operator(27).writes(chat_id, "Ещё одно слово")
    portal.wait_quiet()
    assert json.loads(ok(root, "shop-1", "sync", "--chat", str(chat_id), "--json"))["refused"] == 0
    assert word.message_id in {row["message_id"] for row in server.messages(chat_id)}
    later = portal.operator(27).writes(chat_id, "И ещё")
    ok(root, "shop-1", "sync", "--since", "2020-01-01")
    assert later.message_id in {row["message_id"] for row in server.messages(chat_id)}
    newest = portal.operator(27).writes(chat_id, "Последнее")
    assert "Compared." in ok(root, "shop-1", "sync", "--chat", str(chat_id))
    assert newest.message_id in {row["message_id"] for row in server.messages(chat_id)}


def test_an_instance_that_cannot_work_says_why(tmp_path: Path) -> None:
    create(tmp_path)
    done = botctl(tmp_path, "shop-1", "sync")
    assert done.returncode == 3 and "not running" in done.stderr and "botctl shop-1 on" in done.stderr
    with SimulatedPortal() as portal, StagedServer(tmp_path, portal) as server:
        done = botctl(tmp_path, "shop-1", "sync")
        assert done.returncode == 1 and "not installed yet" in done.stderr
        server.api("/api/admin/disable", "POST")
        done = botctl(tmp_path, "shop-1", "sync", "--all")
        assert done.returncode == 1 and "botctl shop-1 enable" in done.stderr


def test_two_wishes_at_once_are_refused(tmp_path: Path) -> None:
    create(tmp_path)
    done = botctl(tmp_path, "shop-1", "sync", "--all", "--chat", "5")
    assert done.returncode == 2 and "exclude each other" in done.stderr


@pytest.mark.parametrize(
    ("view", "bar", "line"),
    [
        (View(5, 0, 40, 501, 1000), True, "[###############...............]  50%  session 500 of 1000, 40 found, "),
        (View(5, 0, 40, 501, 1000), False, "50%  session 500 of 1000, 40 found, 5 requests wait, about 2 min left"),
        (View(2, 3), False, "80%  2 requests wait, about 25 s left, 3 refused"),
    ],
)
def test_the_line_tells_how_far_it_is_and_how_long_it_takes(view: View, bar: bool, line: str) -> None:
    shown = progress_line(view, View(1, 0, 0, 1, view.high), 10, 100.0, bar=bar)
    assert shown.startswith(line)
