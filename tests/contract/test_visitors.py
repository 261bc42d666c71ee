"""Visits and looks, whatever database is behind them; and what the pages read of an archive."""

from __future__ import annotations

from typing import Any

import pytest

from python_bot.archive import SqliteErasure, SqliteViews
from python_bot.model import DialogFilter
from python_bot.visitors import SqliteVisitors, Visit
from tests.contract.conversations import ANNA, CHAT, IVAN, Edit, Finish, Join, Say, facts, play, said

T = 1_785_312_000
HOUR = 3600


def visit(name: str = "anna", user_id: int | None = None, **more: Any) -> Visit:
    told = {"rights": "read", "lines": None, "own": False, "begun_at": T, "expires_at": T + HOUR, **more}
    return Visit(0, "authority", name, user_id, **told)


def test_a_visit_is_found_by_its_cookie_until_it_is_over_or_ended(stores: Any) -> None:
    visitors = SqliteVisitors(stores.storage)
    stores.write(lambda tx: visitors.begin(tx, "one", visit(lines=(3, 7), own=True)))
    found = visitors.find("one", T)
    assert found is not None and (found.lines, found.own, found.user_id) == ((3, 7), True, None)
    assert visitors.find("two", T) is None and visitors.find("one", T + HOUR) is None
    assert [each.name for each in visitors.going_on(T)] == ["anna"] and visitors.going_on(T + HOUR) == []
    assert stores.write(lambda tx: visitors.end(tx, found.id)) and visitors.find("one", T) is None
    assert not stores.write(lambda tx: visitors.end(tx, found.id))


def test_visits_that_are_over_go_with_the_next_one(stores: Any) -> None:
    visitors = SqliteVisitors(stores.storage)
    stores.write(lambda tx: visitors.begin(tx, "old", visit()))
    stores.write(lambda tx: visitors.begin(tx, "new", visit(begun_at=T + HOUR, expires_at=T + 2 * HOUR)))
    assert len(visitors.going_on(0)) == 1


def test_looks_are_told_newest_first_by_name_and_go_with_time_and_with_the_dialog(stores: Any) -> None:
    visitors = SqliteVisitors(stores.storage)
    play(stores, [Join(T), Say(10, "привет", T, 1, T), Say(11, "да", T + 5, 1, T, IVAN)])
    by_token, by_ivan = visit(), visit("кто-то", IVAN.id)
    for at, who, chat_id, what in (
        (T, by_token, CHAT, "opened"),
        (T + 1, by_ivan, CHAT, "file"),
        (T + 30, by_ivan, CHAT, "file"),  # of the same page
        (T + 90, by_ivan, CHAT, "file"),
        (T + 91, by_token, 0, "searched"),
    ):
        stores.write(lambda tx, w=who, c=chat_id, k=what, a=at: visitors.looked(tx, w, c, k, a))
    told = [(each.what, each.name, each.user_id) for each in visitors.looks(None, 10)]
    ivan = (IVAN.name, IVAN.id)
    assert told == [("searched", "anna", None), ("file", *ivan), ("file", *ivan), ("opened", "anna", None)]
    assert len(visitors.looks(None, 10, CHAT)) == 3
    assert [each.what for each in visitors.looks(visitors.looks(None, 1)[0].id, 1)] == ["file"]
    assert stores.write(lambda tx: visitors.forget_looks(tx, T + 2, 10)) == 2
    SqliteErasure(stores.storage).erase(CHAT, T + 1000)
    assert [each.what for each in visitors.looks(None, 10)] == ["searched"]


def test_the_list_tells_last_words_and_since_when_a_client_waits(stores: Any) -> None:
    views = SqliteViews(stores.storage)
    play(stores, [Join(T), Say(10, "раз", T, 1, T), Say(11, "два", T + 5, 1, T)])

    def row() -> Any:
        (found,) = views.overview(None, 10, DialogFilter(), "active").rows
        return found

    assert (row()["last"]["text"], row()["waiting_since"]) == ("два", row()["dialog"]["opened_at"])
    play(stores, [Say(12, "ответ", T + 9, 1, T, IVAN)])
    assert (row()["last"]["kind"], row()["waiting_since"]) == ("operator", None)
    play(stores, [Say(13, "спасибо", T + 60, 1, T)])
    assert row()["waiting_since"] is not None
    play(stores, [Finish(T + 100, 1)])
    assert row()["waiting_since"] is None


def test_a_glimpse_is_the_newest_or_stands_around_or_beside_a_message(stores: Any) -> None:
    views = SqliteViews(stores.storage)
    play(stores, [Say(10 + n, f"слово {n}", T + n, 1, T) for n in range(10)])

    def ids(**where: int) -> tuple[list[int], bool, bool]:
        found = views.glimpse(CHAT, 4, **where)
        return [row["shown"]["message_id"] for row in found.rows], found.earlier, found.later

    assert ids() == ([16, 17, 18, 19], True, False)
    assert ids(before=12) == ([10, 11], False, True)
    assert ids(after=17) == ([18, 19], True, False)
    assert ids(at=14) == ([12, 13, 14, 15], True, True)
    assert ids(at=500) == ([18, 19], True, False)
    assert views.glimpse(999, 4).rows == ()
    around, whole = views.glimpse(CHAT, 4, at=14), views.glimpse(CHAT, 100)
    assert around.behind == whole.rows[1]["shown"]["sent_at"] and whole.behind == ""


def test_changes_of_a_conversation_are_met_once(stores: Any) -> None:
    views = SqliteViews(stores.storage)
    play(stores, [Say(10, "раз", T, 1, T), Say(11, "два", T + 1, 1, T)])
    seen = views.glimpse(CHAT, 10).seen
    assert views.changed(CHAT, seen, 10).rows == ()
    play(stores, [Edit(10, "Раз!", T + 9, 1, T)])
    news = views.changed(CHAT, seen, 10)
    assert [(row["shown"]["text"], row["versions"]) for row in news.rows] == [("Раз!", 1)]
    assert views.changed(CHAT, news.seen, 10).rows == ()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DialogFilter(), True),
        (DialogFilter(line_ids=(3, 9)), True),
        (DialogFilter(line_ids=(9,)), False),
        (DialogFilter(line_ids=()), False),
        (DialogFilter(participant_id=IVAN.id), True),
        (DialogFilter(participant_id=745), False),
        (DialogFilter(participant_id=0), False),
    ],
)
def test_what_a_visit_may_see_is_decided_by_line_and_by_who_takes_part(
    stores: Any, wanted: DialogFilter, expected: bool
) -> None:
    views = SqliteViews(stores.storage)
    play(stores, [Say(10, "привет", T, 1, T), Say(11, "да", T + 5, 1, T, IVAN)])
    assert facts(1, T).line_id == 3 and said(10, "x", T).author == ANNA
    assert views.is_wanted(CHAT, wanted) is expected
    assert len(views.overview(None, 10, wanted, "active").rows) == expected


def test_choices_are_each_told_once(stores: Any) -> None:
    play(stores, [Say(10, "привет", T, 1, T), Say(11, "да", T + 5, 1, T, IVAN)])
    found = SqliteViews(stores.storage).choices()
    assert found.lines == (3,) and len(found.connectors) == 1
