"""What was captured of what is known: counted by dialog and day, and honest where it is not known."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from python_bot.archive import SqliteComparison, SqliteCompleteness
from python_bot.archive import completeness as module
from python_bot.proof.report import Report
from python_bot.sync.discover import BEGAN
from tests.contract.conversations import CHAT, IVAN, Delete, Edit, Finish, Join, Say, facts, history, play, said

T = 1_785_312_000  # 2026-07-29T08:00:00Z
DAY = T - T % 86400
NEXT = DAY + 86400


def report(stores: Any) -> Report:
    return Report(
        stores.archive, SqliteComparison(stores.storage), SqliteCompleteness(stores.storage), lambda: T + 9000
    )


def days(stores: Any, since: int = 0, until: int | None = None, limit: int = 50) -> list[Any]:
    found, _ = report(stores).days(None, limit, since, until)
    return found


def conversation(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "привет", T, 1, T), Say(12, "алло", T + 9, 1, T), Finish(T + 100, 1)])


def compare(stores: Any, *messages: Any, at: int = T + 200) -> None:
    stores.write(lambda tx: stores.archive.apply_history(tx, history(*messages), at))


def test_m_is_not_known_before_the_history_was_read_and_n_of_m_afterwards(stores: Any) -> None:
    conversation(stores)
    (day,) = days(stores)
    assert (day["captured"], day["known"], day["complete"], day["sessions_uncompared"]) == (2, None, False, [1])
    assert report(stores).totals(0, None)["gaps"] is True
    compare(stores, said(10, "привет", T), said(11, "да", T + 5, author=IVAN), said(12, "алло", T + 9))
    (day,) = days(stores)
    assert day == {
        "chat_id": CHAT,
        "day": "2026-07-29",
        "known": 3,
        "captured": 2,
        "archived": 3,
        "in_history": 3,
        "unnoted": 0,
        "imported": 0,
        "missing": 0,
        "missing_ids": [],
        "sessions_uncompared": [],
        "sessions_behind": 0,
        "compared_at": "2026-07-29T08:03:20Z",
        "source": "history",
        "complete": True,
    }
    totals = report(stores).totals(0, None)
    assert (totals["captured"], totals["known"], totals["complete"], totals["gaps"]) == (2, 3, True, False)


def test_an_event_that_comes_after_its_history_has_captured_the_message(stores: Any) -> None:
    conversation(stores)
    compare(stores, said(10, "привет", T), said(11, "да", T + 5, author=IVAN), said(12, "алло", T + 9))
    play(stores, [Say(11, "да", T + 5, 1, T, IVAN)])
    assert [day["captured"] for day in days(stores)] == [3]


def test_a_message_of_which_only_a_change_was_seen_is_missing_until_it_comes(stores: Any) -> None:
    conversation(stores)
    play(stores, [Edit(13, "нет", T + 20, 1, T), Delete(14, T + 21, 1, T)])
    (day,) = days(stores)
    assert (day["missing"], day["missing_ids"], day["captured"], day["archived"]) == (2, [13, 14], 2, 4)
    play(stores, [Say(13, "да", T + 18, 1, T)])
    (day,) = days(stores)
    assert (day["missing_ids"], day["captured"]) == ([14], 3)


def test_a_session_of_which_no_word_was_seen_is_listed(stores: Any) -> None:
    play(stores, [Join(T)])
    (day,) = days(stores)
    assert (day["archived"], day["known"], day["sessions_uncompared"]) == (0, None, [None])


def test_a_later_message_makes_its_own_day_unknown_and_leaves_the_day_before(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "привет", T, 1, T)])
    compare(stores, said(10, "привет", T), at=NEXT + 60)
    play(stores, [Say(20, "ещё", NEXT + 120, 1, T)])
    first, second = days(stores)
    assert (first["known"], first["complete"]) == (1, True)
    assert (second["known"], second["sessions_behind"], second["complete"]) == (None, 1, False)
    totals = report(stores).totals(DAY, NEXT)
    assert (totals["known"], totals["complete"]) == (1, True)
    totals = report(stores).totals(DAY, NEXT + 86400)
    assert (totals["known"], totals["sessions_behind"], totals["gaps"]) == (None, 1, False)


def test_a_repeated_message_of_former_releases_is_counted_as_not_noted(stores: Any) -> None:
    conversation(stores)
    compare(stores, said(10, "привет", T), said(12, "алло", T + 9))
    stores.write(lambda tx: tx.sql.execute("UPDATE messages SET by_event = NULL"))
    (day,) = days(stores)
    assert (day["captured"], day["unnoted"], day["known"]) == (0, 2, 2)


def test_numbers_that_nobody_asked_for_are_counted_until_they_are(stores: Any) -> None:
    for chat_id, session_id in ((5, 1), (6, 60)):
        chat = facts(session_id, T, chat_id)
        message = said(chat_id * 10, "а", T, session_id, chat_id=chat_id)
        stores.write(lambda tx, chat=chat, message=message: stores.archive.add_message(tx, chat, message, 2))
    assert report(stores).unprobed(0) == 39  # from 2 to 40: the last twenty are asked for again anyway
    stores.write(lambda tx: SqliteComparison(stores.storage).settle(tx, 1, 30))
    assert report(stores).unprobed(0) == 10
    stores.write(lambda tx: SqliteComparison(stores.storage).settle(tx, 31, 40))
    assert report(stores).unprobed(0) == 0
    stores.write(lambda tx: stores.archive.set_fact(tx, BEGAN, T))
    assert report(stores).unprobed(0) == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_meet_every_dialog_and_day_once(stores: Any, limit: int) -> None:
    number = 0
    for chat_id in (7, 5, 9):
        for day in (0, 1, 4):
            number += 1
            at, chat = DAY + day * 86400 + chat_id, facts(chat_id, T, chat_id)
            message = said(number, "а", at, chat_id, chat_id=chat_id)
            stores.write(lambda tx, chat=chat, message=message: stores.archive.add_message(tx, chat, message, 2))
    met, after = [], None
    while True:
        rows, after = report(stores).days(after, limit, 0, None)
        met += [(row["day"], row["chat_id"]) for row in rows]
        if after is None:
            break
    assert met == sorted(met) and len(met) == 9
    part, _ = report(stores).days(None, limit, DAY + 86400, DAY + 2 * 86400)
    assert {row["day"] for row in part} == {"2026-07-30"}


def test_counting_touches_indexes_only(stores: Any) -> None:
    conversation(stores)
    with closing(sqlite3.connect(stores.storage.path)) as db:
        for sql in (module._TOTALS, module._DAY, module._FIRST_MESSAGE):
            values = {"since": 0, "until": 2**62, "after": -1, "limit": 50}
            plan = [
                row[3]
                for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values if ":since" in sql else (0, 2**62))
                if "messages" in row[3]
            ]
            assert plan and all("COVERING INDEX messages_by_time (sent_at>? AND sent_at<?)" in step for step in plan), (
                plan
            )
