"""Before the first message for a chat leaves after a start: what operators said before it, while nothing could tell us.

The portal sends an event once. What it said while we were away stands in its history only, and was said before whatever
an event tells us now. So the history is read before the first message of a chat goes out, of many chats together;
what is found there waits in the outbox then, and goes first. A chat that began later has nothing to be read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ..channels.messages import SqliteChannelMessages
from ..channels.store import SqliteChannels
from ..db import Storage, Tx
from ..errors import CallRefused
from ..intake import CHANNEL_SEND
from ..model import Job
from ..outbox import Outbox
from .kinds import portal_place

AT_ONCE: Final = 50  # chats of one comparison
LOOK_AHEAD: Final = 500  # waiting jobs among which other chats are looked for
WINDOW_S: Final = 3600.0  # by then all that changed while we were away was read by itself
PATIENCE_S: Final = 20.0  # with a portal that does not answer: then clients get what is here
PAUSE_S: Final = 2.0  # between tries, for all chats together
CALM_S: Final = 60.0  # the same, when the patience is used up

Compare = Callable[[Sequence[int]], Mapping[int, Exception | None]]


class Abreast:
    """`compare`: reads the latest sessions of these chats into the archive; for each None, or why it could not."""

    def __init__(
        self,
        storage: Storage,
        channels: SqliteChannels,
        messages: SqliteChannelMessages,
        outbox: Outbox,
        compare: Compare,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._channels = channels
        self._messages = messages
        self._outbox = outbox
        self._compare = compare
        self._now = now
        self._lock = threading.Lock()
        self._since = now()
        self._known: set[int] = set()
        self._failing_since: float | None = None
        self._tried_at = 0.0
        self._problem: Exception | None = None

    def doubt(self) -> None:
        """Events may have been lost until now."""
        self._since, self._known = self._now(), set()

    def catch_up(self, job: Job) -> None:
        """Before a message goes out. Raises PortalError when it is to be tried again in a moment."""
        if self._is_known(job):
            return
        with self._lock:
            if self._is_known(job) or not self._is_to_be_asked():
                return
            self._ask(job)

    def _is_known(self, job: Job) -> bool:
        since, known = self._since, self._known
        if self._now() - since >= WINDOW_S:
            known.clear()
            return True
        return portal_place(job)[0] in known or not self._is_old(job, since)

    def _is_old(self, job: Job, since: float) -> bool:
        """Whether something passed through the chat before that moment."""
        held = self._channels.of_connector(job.payload["connector_id"])
        began_at = self._messages.began_at(held.account.id, _chat_of(job)) if held is not None else None
        return began_at is not None and began_at <= since

    def _is_to_be_asked(self) -> bool:
        """False when the message is not to wait for a portal that does not answer."""
        if self._failing_since is None or self._problem is None:
            return True
        now = self._now()
        is_patient = now - self._failing_since < PATIENCE_S
        if now - self._tried_at >= (PAUSE_S if is_patient else CALM_S):
            return True
        if is_patient:
            raise self._problem
        return False

    def _ask(self, job: Job) -> None:
        known, began_at = self._known, self._now()
        own = portal_place(job)[0]
        chats = self._chats(job)
        self._storage.write(lambda tx: self._tie(tx, chats))
        outcomes = self._compare(list(chats))
        # Of a chat that the portal will not show, nobody can tell more.
        known.update(chat for chat, outcome in outcomes.items() if outcome is None or _is_final(outcome))
        self._problem = None if own in known else outcomes[own]
        self._tried_at = self._now()
        if self._problem is None:
            self._failing_since = None
            return
        self._failing_since = self._failing_since or began_at
        if self._now() - self._failing_since < PATIENCE_S:
            raise self._problem

    def _chats(self, job: Job) -> dict[int, Job]:
        """The portal's chat of a message, and others for which something waits: all are read together."""
        waiting = (each for each in self._outbox.waiting(LOOK_AHEAD) if each.kind == CHANNEL_SEND)
        found = {portal_place(job)[0]: job}
        for each in waiting:
            chat_id = portal_place(each)[0]
            if len(found) < AT_ONCE and chat_id not in found and not self._is_known(each):
                found[chat_id] = each
        return found

    def _tie(self, tx: Tx, chats: Mapping[int, Job]) -> None:
        """We may have died before we kept which chat of the portal a messenger's chat has become."""
        for portal_chat_id, job in chats.items():
            self._channels.portal_chat(tx, job.payload["connector_id"], _chat_of(job), portal_chat_id)


def _chat_of(job: Job) -> str:
    return str((job.payload["item"].get("chat") or {}).get("id") or "")


def _is_final(outcome: Exception) -> bool:
    return isinstance(outcome, CallRefused) and not outcome.is_passing
