"""What the portal's notices say, from params of events and of history, in any language."""

from __future__ import annotations

from typing import Any

import pytest

from python_bot.bitrix.notices import notice_of
from python_bot.bitrix.payload import Node
from python_bot.model import Notice

END = "bx-messenger-content-item-ol-end"
IVAN, PETR, OLEG = "[USER=27]Иван[/USER]", "[USER=28]Пётр[/USER]", "[USER=29 REPLACE]Олег[/USER]"


def read(text: str = "", params: Any = None, system: bool = True) -> Notice | None:
    return notice_of(Node(params or {}), text, system=system)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{IVAN} начал(а) работу с диалогом", Notice("took", to_id=27)),
        ("[user=27][/user] started the conversation", Notice("took", to_id=27)),
        (f"{IVAN} перенаправил(а) диалог на {PETR}", Notice("handed", from_id=27, to_id=28)),
        (f"Чат-бот перенаправил диалог на {PETR}", Notice("handed", to_id=28)),
        (f"{IVAN} перевёл с линии [b]А[/b] на линию [b]Б[/b]", Notice("to_line", from_id=27)),
        (f"Обращение направлено на {IVAN}, {PETR}", None),
        (f"{IVAN} добавил {PETR} и {OLEG}", None),
        (f"{IVAN} и снова {IVAN}", None),
        ("Чат-бот завершил работу, обращение направлено в очередь", None),
        ("", None),
    ],
)
def test_mentions_and_their_places_tell_who_gave_it_to_whom(text: str, expected: Notice | None) -> None:
    assert read(text) == expected


def test_what_people_write_about_each_other_is_no_notice() -> None:
    assert read(f"{IVAN} перенаправил диалог на {PETR}", system=False) is None


def test_an_invitation_into_the_chat_is_no_transfer() -> None:
    assert read(f"{IVAN} пригласил в чат {PETR}", {"CODE": "CHAT_JOIN"}) is None


@pytest.mark.parametrize(
    "params",
    [
        {"CLASS": END, "IMOL_VOTE_SID": "321", "IMOL_VOTE_USER": "5", "IMOL_VOTE_HEAD": "0"},
        {"class": END, "imolVoteSid": 321, "imolVoteUser": 5, "imolVoteHead": 0},
    ],
)
def test_an_end_names_who_ended_it_and_the_clients_rating_in_events_and_in_history(params: dict[str, Any]) -> None:
    assert read(f"{IVAN} завершил(а) диалог", params) == Notice("ended", from_id=27, rating=5)


@pytest.mark.parametrize("vote", ["0", "", "6", "321", "-1", "five", "٣", "9" * 5000])
def test_a_rating_is_1_to_5(vote: str) -> None:
    assert read("", {"CLASS": END, "IMOL_VOTE_USER": vote}) == Notice("ended")
    assert read("", {"IMOL_VOTE": vote}) is None


@pytest.mark.parametrize(("vote", "rating"), [("like", 5), ("dislike", 1), ("LIKE", 5), ("3", 3), (4, 4)])
def test_a_rating_of_the_client_is_a_number(vote: Any, rating: int) -> None:
    assert read("", {"IMOL_VOTE": vote}) == Notice("rated", rating=rating)


def test_the_request_for_a_rating_holds_a_session_number_and_no_rating() -> None:
    assert read("", {"IMOL_VOTE": "3", "IMOL_VOTE_TEXT": "Оцените"}) is None


def test_a_start_and_an_automatic_answer_are_told_by_their_class() -> None:
    assert read("", {"CLASS": "bx-messenger-content-item-ol-start"}) == Notice("started")
    assert read("Мы скоро ответим", {"CLASS": "bx-messenger-content-item-ol-output"}, system=False) == Notice(
        "automatic"
    )


def test_a_whisper_is_told_by_its_class() -> None:
    assert read("между нами", {"CLASS": "bx-messenger-content-item-system"}, system=False) == Notice("silent")


@pytest.mark.parametrize("params", [[], None, {"CLASS": []}, {"CLASS": {"a": 1}}, {"IMOL_VOTE": ["5"]}, {"": ""}])
def test_params_of_another_shape_say_nothing(params: Any) -> None:
    assert notice_of(Node(params), "", system=True) is None
