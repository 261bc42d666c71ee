"""The bot's private chats with employees: one for each, whatever is asked for how often."""

from __future__ import annotations

from typing import Any

import pytest

from python_bot.archive import SqliteStaff, Staff


@pytest.fixture
def staff(stores: Any) -> Staff:
    return SqliteStaff(stores.storage)


def test_who_is_wanted_again_keeps_the_chat(stores: Any, staff: Staff) -> None:
    stores.write(lambda tx: staff.want(tx, [27, 1]))
    stores.write(lambda tx: staff.spoke(tx, 27, 597, 1801, 100))
    stores.write(lambda tx: staff.want(tx, [1]))
    assert [chat.user_id for chat in staff.wanted()] == [1]
    assert not stores.write(lambda tx: staff.asked(tx, 27, 1801, 150))
    stores.write(lambda tx: staff.want(tx, [27]))
    (chat,) = staff.wanted()
    assert (chat.user_id, chat.bot_id, chat.chat_id, chat.greeted_at) == (27, 597, 1801, 100)


def test_a_stranger_leaves_nothing_behind(stores: Any, staff: Staff) -> None:
    assert not stores.write(lambda tx: staff.asked(tx, 28, 1802, 150))
    assert staff.chat(28) is None and staff.wanted() == []


def test_later_words_of_the_same_bot_are_no_greeting_and_those_of_a_new_one_are(stores: Any, staff: Staff) -> None:
    stores.write(lambda tx: staff.want(tx, [27]))
    stores.write(lambda tx: staff.spoke(tx, 27, 597, 1801, 100))
    stores.write(lambda tx: staff.spoke(tx, 27, 597, None, 200))
    found = staff.chat(27)
    assert found is not None and (found.greeted_at, found.chat_id) == (100, 1801)
    stores.write(lambda tx: staff.spoke(tx, 27, 598, None, 300))
    found = staff.chat(27)
    assert found is not None and (found.bot_id, found.greeted_at, found.chat_id) == (598, 300, None)


def test_nobody_at_all_may_be_wanted(stores: Any, staff: Staff) -> None:
    stores.write(lambda tx: staff.want(tx, [27]))
    stores.write(lambda tx: staff.want(tx, []))
    assert staff.wanted() == []
