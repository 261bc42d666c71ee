from __future__ import annotations

from typing import Any

import pytest

from python_bot.bitrix.client import Command
from python_bot.bitrix.ensure import LINE_FIELDS, wanted_fields
from python_bot.bitrix.handover import already_done, command, fallback
from python_bot.errors import CallRefused, PortalUnavailable
from python_bot.model import Handover

QUEUE, USER, LINE = Handover("operator"), Handover("user", 27), Handover("queue", 3)


@pytest.mark.parametrize(
    ("target", "method", "params"),
    [
        (QUEUE, "imopenlines.bot.session.operator", {"CHAT_ID": 1763}),
        (USER, "imopenlines.bot.session.transfer", {"CHAT_ID": 1763, "USER_ID": 27, "LEAVE": "N"}),
        (LINE, "imopenlines.bot.session.transfer", {"CHAT_ID": 1763, "QUEUE_ID": 3, "LEAVE": "N"}),
    ],
)
def test_a_hand_over_is_one_call_with_keys_in_upper_case(target: Handover, method: str, params: dict[str, Any]) -> None:
    assert command(target, 1763) == Command(method, params)


def test_a_dialog_that_a_person_has_already_is_handed_over() -> None:
    assert already_done(CallRefused("m", "WRONG_CHAT", "Operator is not a bot", 400))
    for other in (CallRefused("m", "ACCESS_DENIED", ""), PortalUnavailable("WRONG_CHAT"), True, None):
        assert not already_done(other)


@pytest.mark.parametrize(
    "code", ["OPERATOR_WRONG", "USER_ID_EMPTY", "QUEUE_ID_EMPTY", "TRANSFER_ID_EMPTY", "BOT_ID_ERROR"]
)
def test_a_target_that_takes_no_dialogs_falls_back_to_the_lines_queue(code: str) -> None:
    refusal = CallRefused("m", code, "", 400)
    assert fallback(USER, refusal) and fallback(LINE, refusal)
    assert not fallback(QUEUE, refusal)


@pytest.mark.parametrize(
    "outcome",
    [True, None, PortalUnavailable("x"), CallRefused("m", "WRONG_CHAT", ""), CallRefused("m", "ACCESS_DENIED", "")],
)
def test_other_outcomes_do_not_fall_back(outcome: object) -> None:
    assert not fallback(USER, outcome)


def test_all_five_fields_of_a_line_are_always_sent_together() -> None:
    assert wanted_fields(597) == {
        "WELCOME_BOT_ENABLE": "Y",
        "WELCOME_BOT_ID": "597",
        "WELCOME_BOT_JOIN": "always",
        "WELCOME_BOT_TIME": "60",
        "WELCOME_BOT_LEFT": "close",
    }
    assert tuple(wanted_fields(1)) == LINE_FIELDS
