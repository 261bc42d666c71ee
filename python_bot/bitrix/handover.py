"""The call that hands a dialog to a person, and what its refusals mean. Pure.

https://apidocs.bitrix24.com/api-reference/imopenlines/openlines/chat-bots/index.html . The keys of
`session.transfer` are case-sensitive; LEAVE=N keeps the bot listening where the line allows it.
"""

from __future__ import annotations

from ..errors import CallRefused
from ..model import Handover
from .client import Command


def command(target: Handover, chat_id: int) -> Command:
    match target.kind:
        case "user":
            return Command(
                "imopenlines.bot.session.transfer",
                {"CHAT_ID": chat_id, "USER_ID": target.target_id, "LEAVE": "N"},
            )
        case "queue":
            return Command(
                "imopenlines.bot.session.transfer",
                {"CHAT_ID": chat_id, "QUEUE_ID": target.target_id, "LEAVE": "N"},
            )
        case _:
            return Command("imopenlines.bot.session.operator", {"CHAT_ID": chat_id})


def already_done(error: object) -> bool:
    """WRONG_CHAT: the session's operator is no bot any more, so a person (or the queue) has it."""
    return isinstance(error, CallRefused) and error.code == "WRONG_CHAT"


def fallback(target: Handover, error: object) -> bool:
    """The chosen user or line does not take dialogs: the line's own queue still does."""
    return (
        target.kind != "operator"
        and isinstance(error, CallRefused)
        and error.code in ("OPERATOR_WRONG", "USER_ID_EMPTY", "QUEUE_ID_EMPTY", "TRANSFER_ID_EMPTY", "BOT_ID_ERROR")
    )
