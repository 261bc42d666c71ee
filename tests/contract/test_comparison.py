"""What is compared with the portal, and what was: the same for every store."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source
from python_bot.model import SessionCheck
from tests.contract.conversations import ANNA, CHAT, facts, history, said

T = 1_785_312_000


def say(stores: Any, message_id: int, at: int, session_id: int = 1, chat_id: int = CHAT) -> None:
    message = said(message_id, f"слово {message_id}", at, session_id, chat_id=chat_id)
    chat = facts(session_id, at, chat_id)
    stores.write(lambda tx: stores.archive.add_message(tx, chat, message, Source.BOT))


def tell(stores: Any, *ids: int, at: int = T + 60, session_id: int = 1, known_to: int = 0, **more: Any) -> None:
    rows = [said(i, f"слово {i}", T + i, session_id) for i in ids]
    answer = replace(history(*rows, session_id=session_id), **more)
    stores.write(lambda tx: stores.archive.apply_history(tx, answer, at, known_to))


def complete(stores: Any) -> bool:
    found: bool = stores.dialog()["dialog"]["complete"]
    return found


# --- what ended some days ago


def test_sessions_are_listed_by_their_end_until_they_were_read_late_enough(stores: Any) -> None:
    for number in range(1, 6):
        say(stores, number * 10, T + number, number, chat_id=number)
        word = said(number * 10, "слово", T + number, number, chat_id=number)
        rows = replace(history(word, session_id=number), closed=True, ended_at=T + number)
        stores.write(lambda tx, rows=rows, at=T + 200 * number: stores.archive.apply_history(tx, rows, at))
    found = [stores.compared.closed_between(T + 1, T + 5, limit, 700) for limit in (100, 2)]
    assert found == [([(2, 2), (3, 3)], T + 5), ([(2, 2), (3, 3)], T + 3)]
    assert stores.compared.closed_between(T + 5, T + 5, 100, 700) == ([], T + 5)


# --- complete is honest


def test_a_dialog_is_complete_until_the_next_message_of_any_of_its_sessions(stores: Any) -> None:
    say(stores, 10, T, 1)
    say(stores, 20, T + 5000, 2)
    tell(stores, 20, session_id=2)
    assert not complete(stores)  # its first session was never compared
    tell(stores, 10, session_id=1)
    assert complete(stores)
    say(stores, 11, T + 1, 1)  # a message of the older session, told late
    assert not complete(stores)
    tell(stores, 10, 11, session_id=1)
    assert complete(stores)
    assert stores.archive.counts()["complete_dialogs"] == 1


def test_a_message_that_history_does_not_show_is_compared_when_it_was_known_before(stores: Any) -> None:
    say(stores, 10, T)
    say(stores, 12, T + 2)
    tell(stores, 10)
    assert not complete(stores)  # it may have come after the question
    tell(stores, 10, known_to=12)
    assert complete(stores)


def test_an_empty_rest_without_a_number_disappears_when_its_message_finds_its_session(stores: Any) -> None:
    say(stores, 10, T, 1)
    tell(stores, 10, closed=True, ended_at=T + 20)
    chat = replace(facts(), session_id=None)
    stores.write(lambda tx: stores.archive.edit_message(tx, chat, 11, ANNA, "x", "x", T + 500))
    assert len(stores.dialog()["sessions"]) == 2
    tell(stores, 10, 11)
    assert [row["session_id"] for row in stores.dialog()["sessions"]] == [1]
    assert complete(stores)


# --- ends


def test_the_portal_tells_the_end_of_a_session(stores: Any) -> None:
    say(stores, 10, T)
    tell(stores, 10, closed=True, ended_at=T + 30)
    found = stores.dialog()
    assert (found["dialog"]["status"], found["sessions"][0]["closed_at"]) == ("closed", "2026-07-29T08:00:30Z")


def test_only_a_message_after_the_end_opens_a_session_again(stores: Any) -> None:
    say(stores, 10, T)
    stores.write(lambda tx: stores.archive.session_finished(tx, facts(1), T + 30))
    tell(stores, 10, closed=False)
    assert stores.dialog()["dialog"]["status"] == "closed"
    tell(stores, 10, 90, closed=False, at=T + 200)
    assert stores.dialog()["dialog"]["status"] == "open"


# --- what is due


def test_what_is_open_or_not_settled_is_due(stores: Any) -> None:
    for chat_id, session_id in ((5, 1), (6, 2), (7, 3)):
        say(stores, chat_id * 10, T, session_id, chat_id)
    tell(stores, 50, session_id=1, closed=True)
    stores.write(
        lambda tx: stores.archive.apply_history(tx, history(said(60, "слово 60", T, 2, chat_id=6), session_id=2), T)
    )
    assert stores.compared.due_chats(T, 0, 9) == [7]
    assert stores.compared.due_chats(T + 1, 0, 9) == [6, 7]
    assert stores.compared.due_chats(T + 1, 6, 9) == [7]
    assert stores.compared.due_chats(T + 1, 0, 1) == [6]
    assert stores.compared.sessions_of(5) == [SessionCheck(1, closed=True, settled=True, last_message_id=50)]
    assert stores.compared.chats_since(T, 5, 9) == [6, 7]
    assert stores.compared.chats_since(T + 9999, 0, 9) == []


# --- numbers


def test_known_numbers_and_their_bounds(stores: Any) -> None:
    assert stores.compared.number_bounds() is None
    for number in (3, 9, 5):
        say(stores, number, T + number * 1000, number, number)
    assert stores.compared.numbers(4, 9) == {5, 9}
    assert stores.compared.number_bounds() == (3, 9)
    assert stores.compared.number_bounds(T + 4000) == (5, 9)
    assert stores.compared.began_at() == T + 3000


def test_ranges_hold_exactly_the_numbers_that_were_looked_at(fresh_stores: Any) -> None:
    @given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), max_size=12))
    def holds(looked: list[tuple[int, int]]) -> None:
        with fresh_stores() as stores:
            expected: set[int] = set()
            for first, width in looked:
                stores.write(lambda tx, f=first, w=width: stores.compared.settle(tx, f, f + w))
                expected |= set(range(first, first + width + 1))
            ranges = stores.compared.ranges(1, 99)
            assert [n for first, last in ranges for n in range(first, last + 1)] == sorted(expected)
            assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(ranges))

    holds()


def test_the_newest_answer_of_a_session_is_kept(stores: Any) -> None:
    for at, body in ((T, b"a"), (T + 5, b"b"), (T + 3, b"late")):
        stores.write(lambda tx, a=at, b=body: stores.compared.keep_answer(tx, 1, CHAT, a, b))
    assert list(stores.compared.answers(0, 9)) == [(1, CHAT, T + 5, b"b")]
    assert list(stores.compared.answers(1, 9)) == []
