"""Whether a message is there of which nobody knows if it arrived. A bot cannot list what a chat holds, but it can ask
about one number, and nothing changes: a message of its own that would get no other buttons is refused as 'not
modified', another's as not to be edited, and one that is not there as not found.
https://core.telegram.org/bots/api#editmessagereplymarkup
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from ..base import Doubt
from .client import BotApi, Refused
from .inbound import message_id_of

NEXT_IN_CHAT: Final = 12
# All private chats of a bot share one sequence of numbers: so much may have been said elsewhere meanwhile.
NEXT_ANYWHERE: Final = 90

_NUMBER: Final = re.compile(r"-?[0-9]+:[0-9]+")

Owner = Literal["ours", "another's", "nobody's"]


def owner(api: BotApi, token: str, chat: Any, number: int) -> Owner:
    """Whose message has a number in a chat. Raises DeliveryFailed when that is not to be known now."""
    try:
        api.call(token, "editMessageReplyMarkup", {"chat_id": chat, "message_id": number})
    except Refused as refused:
        if "not modified" in refused.description:
            return "ours"
        if "to edit not found" in refused.description:
            return "nobody's"
        if "can't be edited" not in refused.description:
            raise
    return "another's"


def candidates(chat: int, doubt: Doubt) -> list[int]:
    """The numbers that a message may have which was sent to a chat and is not known, the likely ones first."""
    last = max((number for place, number in map(split, doubt.before) if place == chat), default=0)
    found = [*range(last + 1, last + 1 + NEXT_IN_CHAT)]
    if chat > 0:
        newest = max((number for place, number in map(split, doubt.before) if place > 0), default=0)
        found += range(newest + 1, newest + 1 + NEXT_ANYWHERE)
    return [number for number in dict.fromkeys(found) if message_id_of(chat, number) not in doubt.known]


def sent(chat: int, wanted: int, doubt: Doubt, ask: Callable[[int], Owner]) -> tuple[str, ...]:
    """What became of one request: `wanted` messages of ours, or fewer when they did not arrive."""
    found: list[str] = []
    for number in candidates(chat, doubt):
        if ask(number) == "ours":
            found.append(message_id_of(chat, number))
            if len(found) == wanted:
                break
    return tuple(found)


def split(message_id: str) -> tuple[int, int]:
    """'5200000123:41' -> (5200000123, 41); (0, 0) for what is no message of the messenger's, such as a notice."""
    if not _NUMBER.fullmatch(message_id):
        return 0, 0
    chat, _, number = message_id.rpartition(":")
    return int(chat), int(number)
