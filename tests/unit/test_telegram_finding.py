"""A message of which nobody knows whether it arrived is looked for by its number, and nothing changes by that."""

from __future__ import annotations

import pytest

from python_bot.channels.base import Doubt
from python_bot.channels.telegram.finding import NEXT_ANYWHERE, NEXT_IN_CHAT, Owner, candidates, sent

CHAT = 5200000123


def owners(*ours: int) -> dict[int, Owner]:
    return dict.fromkeys(ours, "ours")


def found(doubt: Doubt, wanted: int, *ours: int) -> tuple[str, ...]:
    known = owners(*ours)
    return sent(CHAT, wanted, doubt, lambda number: known.get(number, "nobody's"))


def test_the_next_number_of_the_chat_is_looked_at_first() -> None:
    assert candidates(CHAT, Doubt(0, (f"{CHAT}:41",), frozenset({f"{CHAT}:41"})))[0] == 42


def test_what_arrived_is_found_once() -> None:
    assert found(Doubt(0, (f"{CHAT}:41",), frozenset()), 1, 42, 43) == (f"{CHAT}:42",)


def test_what_did_not_arrive_is_not_found() -> None:
    assert found(Doubt(0, (f"{CHAT}:41",), frozenset()), 1, 40, 41) == ()


def test_an_album_is_as_many_messages_as_it_has_files() -> None:
    assert found(Doubt(0, (f"{CHAT}:41",), frozenset()), 2, 42, 43, 44) == (f"{CHAT}:42", f"{CHAT}:43")


def test_messages_that_are_known_are_not_taken_for_it() -> None:
    doubt = Doubt(0, (f"{CHAT}:41",), frozenset({f"{CHAT}:42"}))
    assert found(doubt, 1, 42, 43) == (f"{CHAT}:43",)


def test_private_chats_share_their_numbers_so_it_is_looked_for_behind_the_newest_anywhere() -> None:
    doubt = Doubt(0, (f"{CHAT}:41", "5200000999:70000", "-1002000000001:900000"), frozenset())
    assert found(doubt, 1, 70001 + NEXT_ANYWHERE // 2) == (f"{CHAT}:{70001 + NEXT_ANYWHERE // 2}",)


def test_a_supergroup_has_numbers_of_its_own() -> None:
    doubt = Doubt(0, ("-1002000000001:41", "5200000999:70000"), frozenset())
    assert candidates(-1002000000001, doubt) == list(range(42, 42 + NEXT_IN_CHAT))


@pytest.mark.parametrize("number", ["notice:5:failed", "5200000123:41:shown", "", ":", "abc:1"])
def test_numbers_that_are_not_the_messengers_say_nothing(number: str) -> None:
    assert candidates(CHAT, Doubt(0, (number,), frozenset({number})))[0] == 1
