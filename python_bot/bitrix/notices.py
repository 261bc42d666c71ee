"""What the portal's own notices in a chat say about the course of a session. Pure.

Their text is in the portal's language; what a machine can rely on are the message's params (CLASS, CODE, IMOL_…) and
the mentions (`[USER=27]Иван[/USER]`) with their places: who acts stands first. Params carry upper-case keys in events
(`IMOL_VOTE_USER`) and camelised ones in history (`imolVoteUser`).
"""

from __future__ import annotations

import re
from typing import Final

from ..model import Notice
from .payload import Node

END_CLASS: Final = "bx-messenger-content-item-ol-end"
_START_CLASS: Final = "bx-messenger-content-item-ol-start"
_AUTOMATIC_CLASS: Final = "bx-messenger-content-item-ol-"
_SILENT_CLASS: Final = "bx-messenger-content-item-system"
_MENTION: Final = re.compile(r"\[user=(\d{1,18})(?: replace)?\]", re.IGNORECASE)
_BOLD: Final = re.compile(r"\[b\].+?\[/b\]", re.IGNORECASE | re.DOTALL)
_VOTES: Final = {"like": 5, "dislike": 1}
MAX_RATING: Final = 5


def notice_of(params: Node, text: str, *, system: bool) -> Notice | None:
    """None for what people say and for notices of other things."""
    values = Node({str(key).replace("_", "").lower(): value for key, value in params.raw.items()})
    style = values.text("class")
    rating = _rating(values)
    if END_CLASS in style:
        return Notice("ended", from_id=_actor(text), rating=_stars(values.text("imolvoteuser")))
    if _START_CLASS in style:
        return Notice("started")
    if rating is not None:
        return Notice("rated", rating=rating)
    if _AUTOMATIC_CLASS in style:
        return Notice("automatic")
    if _SILENT_CLASS in style and not system:
        return Notice("silent")
    if not system or values.text("code").upper().startswith("CHAT_"):
        return None  # somebody came into the chat or left it
    return _change_of_hands(text)


def _change_of_hands(text: str) -> Notice | None:
    """'A gave it to B', 'A gave it from line X to line Y', 'A began'; a list of people at the end is an offer."""
    mentions = [int(found) for found in _MENTION.findall(text)]
    actor = _actor(text)
    if actor is None:
        return Notice("handed", to_id=mentions[0]) if len(mentions) == 1 else None
    if len(mentions) == 2 and mentions[1] != actor:
        return Notice("handed", from_id=actor, to_id=mentions[1])
    if len(mentions) > 1:
        return None
    return Notice("to_line", from_id=actor) if len(_BOLD.findall(text)) == 2 else Notice("took", to_id=actor)


def _actor(text: str) -> int | None:
    found = _MENTION.match(text.lstrip())
    return int(found[1]) if found else None


def _rating(values: Node) -> int | None:
    """IMOL_VOTE holds the session's number while the portal asks for a rating, and the rating afterwards."""
    vote = values.text("imolvote").lower()
    if vote in _VOTES:
        return _VOTES[vote]
    return None if values.text("imolvotetext") else _stars(vote)


def _stars(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MAX_RATING else None
