"""Sessions that nobody announced: found by asking the portal for their numbers.

Numbers of sessions only grow (steps of 1 and of 2 have been seen), and the portal answers alike for one that it does
not know and one that it does not show. The card of a chat is asked for, not its history: it is short, and it names the
line, so that nothing of a line that is none of ours is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from ..archive import Comparison
from ..bitrix.client import BATCH_LIMIT, BitrixClient, Command
from ..bitrix.history import RecentChat, chat_facts, read_recent
from ..db import Tx
from ..errors import BadEvent, CallRefused
from ..intake import found_job
from ..model import ChatFacts, Lines
from ..outbox import Outbox
from ..values import dataclass

CARD: Final = "imopenlines.dialog.get"
RECENT: Final = "im.recent.list"
RECENT_PAGE: Final = 200
UNKNOWN: Final = frozenset({"ACCESS_ERROR", "ACCESS_DENIED"})
PROBE: Final = BATCH_LIMIT


@dataclass(frozen=True, slots=True)
class Found:
    session_id: int
    chat_id: int
    line_id: int | None


class Numbers:
    """Asks the portal about numbers and recent chats, and puts the jobs that read what was found."""

    def __init__(self, client: BitrixClient, compared: Comparison, outbox: Outbox, lines: Callable[[], Lines]) -> None:
        self._client = client
        self._compared = compared
        self._outbox = outbox
        self._lines = lines

    def pause_s(self) -> float:
        return self._client.operating.pause_s((CARD,))

    def ask(self, numbers: Sequence[int]) -> list[Found]:
        """Which of these (at most 50) are sessions. Raises PortalError when that of one number could not be told."""
        return [Found(number, chat.chat_id, chat.line_id) for number, chat in self._cards(numbers)]

    def chat_of(self, connector_id: str, external_id: str) -> int | None:
        """The chat that a connector's chat became a moment ago, which nobody announced: among the newest sessions.

        Raises PortalError. None when no number of a session is known, or none leads there.
        """
        bounds = self._compared.number_bounds()
        if bounds is None:
            return None
        first = max(1, bounds[1] - PROBE)
        while True:
            known = self._compared.numbers(first, first + PROBE - 1)
            cards = self._cards([number for number in range(first, first + PROBE) if number not in known])
            for _, chat in cards:
                _, _, *foreign, _ = (chat.entity_id or "||").split("|")
                if chat.connector_id == connector_id and "|".join(foreign) == external_id:
                    return chat.chat_id
            if first > bounds[1] and not cards:
                return None
            first += PROBE

    def _cards(self, numbers: Sequence[int]) -> list[tuple[int, ChatFacts]]:
        found: list[tuple[int, ChatFacts]] = []
        if not numbers:
            return found
        answers = self._client.batch([Command(CARD, {"SESSION_ID": number}) for number in numbers])
        for number, answer in zip(numbers, answers, strict=True):
            if isinstance(answer, CallRefused) and answer.code in UNKNOWN:
                continue
            if isinstance(answer, Exception):
                raise answer
            with suppress(BadEvent):
                found.append((number, chat_facts(answer)))
        return found

    def recent(self, offset: int) -> tuple[list[RecentChat], bool]:
        """A page of the chats that the installer saw last, newest first, and whether more follow."""
        params = {"SKIP_DIALOG": "Y", "LIMIT": RECENT_PAGE, "OFFSET": offset}
        return read_recent(self._client.call(RECENT, params))

    def take(self, tx: Tx, found: Sequence[Found], trace_id: str, since: int = 0) -> int:
        """Put a job for each that is to be kept; how many. Those that began before `since` are looked at only."""
        kept = [one for one in found if self.keeps(one.chat_id, one.line_id)]
        for one in kept:
            self._outbox.put(tx, found_job(one.chat_id, one.session_id, trace_id, since), time.time())
        return len(kept)

    def keeps(self, chat_id: int, line_id: int | None) -> bool:
        """Lines that the setting does not name are none of ours, unless the bot was brought into the chat."""
        ids = self._lines().ids
        return not ids or line_id in ids or self._compared.last_message(chat_id) is not None
