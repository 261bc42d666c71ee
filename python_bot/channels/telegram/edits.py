"""Edits in which nothing is to be seen: Telegram tells of them when the preview of a link or a reaction has come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from ..base import Happened, Incoming

KEPT: Final = 1000  # messages that are remembered; an edit of an older one is shown as it comes


class LastSeen:
    """What each of the last messages looked like. Safe for several threads."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._looks: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()  # -> hash, update
        self._lock = threading.Lock()

    def without_unchanged(self, account_id: int, happened: Iterable[Happened]) -> tuple[Happened, ...]:
        """Without edits that show what was shown. An update that is told again is kept, for it may be because it could
        not be stored; it says nothing about how the message looks now."""
        with self._lock:
            return tuple(one for one in happened if not self._is_unchanged(account_id, one))

    def _is_unchanged(self, account_id: int, one: Happened) -> bool:
        if not isinstance(one, Incoming):
            return False
        place = (account_id, one.message_id)
        look = hash((one.text, tuple((file.name, file.size) for file in one.files)))
        known, number = self._looks.get(place), int(one.key.removeprefix("u"))
        if known is not None and number <= known[1]:
            return False
        if one.change == "edit" and known is not None and known[0] == look:
            return True
        self._looks[place] = (look, number)
        self._looks.move_to_end(place)
        if len(self._looks) > self._kept:
            self._looks.popitem(last=False)
        return False
