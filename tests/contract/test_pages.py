"""Keyset pages: rows that arrive between two pages neither repeat nor skip any that was there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source
from python_bot.model import JsonPage, User
from tests.contract.conversations import facts, said

T = 1_785_312_000
ids = st.integers(1, 60)


def walk(
    page: Callable[[int | None], JsonPage], key: str, between: list[list[int]], insert: Callable[[list[int]], None]
) -> list[int]:
    """All ids of the list in the order in which the pages showed them, with rows inserted between the pages."""
    seen: list[int] = []
    position: int | None = None
    arrivals = iter(between)
    for _ in range(200):
        found = page(position)
        seen += [row[key] for row in json.loads(found.items)]
        if found.next_key is None:
            return seen
        (position,) = found.next_key
        insert(next(arrivals, []))
    raise AssertionError("the pages do not end")


def add(stores: Any, chat_id: int, message_id: int, user: User) -> None:
    message = said(message_id, "x", T, None, user, chat_id)
    stores.write(lambda tx: stores.archive.add_message(tx, facts(None, None, chat_id), message, Source.SECOND_FEED))


@given(st.sets(ids), st.lists(st.lists(ids, max_size=4), max_size=6), st.integers(1, 5))
def test_messages_are_shown_once_in_order_while_others_arrive(
    fresh_stores: Any, before: set[int], between: list[list[int]], limit: int
) -> None:
    with fresh_stores() as stores:

        def insert(message_ids: list[int]) -> None:
            for message_id in message_ids:
                add(stores, 5, message_id, User(744, "Анна", "client"))

        insert(sorted(before))
        add(stores, 6, 61, User(1, "Другой", "client"))
        seen = walk(lambda p: stores.archive.messages_page(5, p or 0, limit), "message_id", between, insert)
        assert seen == sorted(set(seen))
        assert before <= set(seen) <= before.union(*between)


@given(st.sets(ids), st.lists(st.lists(ids, max_size=4), max_size=6), st.integers(1, 5))
def test_dialogs_are_shown_once_newest_first_while_others_arrive(
    fresh_stores: Any, before: set[int], between: list[list[int]], limit: int
) -> None:
    with fresh_stores() as stores:

        def insert(chat_ids: list[int]) -> None:
            for chat_id in chat_ids:
                add(stores, chat_id, 1000 + chat_id, User(744, "Анна", "client"))

        insert(sorted(before))
        seen = walk(
            lambda p: stores.archive.dialogs_page(None if p is None else (p,), limit), "chat_id", between, insert
        )
        assert seen == sorted(set(seen), reverse=True)
        assert before <= set(seen) <= before.union(*between)


@given(st.sets(ids), st.lists(st.lists(ids, max_size=4), max_size=6), st.integers(1, 5))
def test_people_are_shown_once_in_order_while_others_arrive(
    fresh_stores: Any, before: set[int], between: list[list[int]], limit: int
) -> None:
    with fresh_stores() as stores:

        def insert(user_ids: list[int]) -> None:
            for user_id in user_ids:
                add(stores, 5, 1000 + user_id, User(user_id, f"№{user_id}", "operator"))

        insert(sorted(before))
        seen = walk(lambda p: stores.archive.users_page(p or 0, limit), "id", between, insert)
        assert [i for i in seen if i != 744] == sorted(set(seen) - {744})
        assert before <= set(seen)


def test_a_page_that_holds_everything_names_no_next(stores: Any) -> None:
    for message_id in (1, 2, 3):
        add(stores, 5, message_id, User(744, "Анна", "client"))
    assert stores.archive.messages_page(5, 0, 3).next_key is None
    assert stores.archive.messages_page(5, 0, 2).next_key == (2,)
    assert stores.archive.messages_page(5, 2, 2).next_key is None
    assert stores.archive.dialogs_page(None, 1).next_key is None


def test_an_empty_list_is_an_empty_page(stores: Any) -> None:
    for page in (
        stores.archive.messages_page(5, 0, 10),
        stores.archive.dialogs_page(None, 10),
        stores.archive.users_page(0, 10),
    ):
        assert page == JsonPage(b"[]", None)


@pytest.mark.parametrize(
    "text", ["", "\"'\\/", "\u2028\u2029", "\x01\x1f\x7f", "👍🏽", "</script>", "{}", "a" * 100_000]
)
def test_any_text_is_told_in_json_as_it_was_said(stores: Any, text: str) -> None:
    stores.write(lambda tx: stores.archive.add_message(tx, facts(1, T), said(10, text, T), Source.BOT))
    assert stores.message(10)["text"] == text
