"""Operators' messages whose event never came: the portal sends an event once, and we may have been down.

The portal's history tells of them when the chat is compared; what no event has told to send is sent then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Final

from ..channels.messages import SqliteChannelMessages, Unsent
from ..channels.store import Held, SqliteChannels
from ..db import Tx
from ..intake import CHANNEL_SEND, channel_job
from ..model import NewJob
from ..outbox import Outbox

LOOK_BACK_S: Final = 24 * 3600  # what is older would surprise the client more than it helps


class Missed:
    """Called in the transaction that has just stored what the portal's history told of a chat."""

    def __init__(
        self,
        channels: SqliteChannels,
        messages: SqliteChannelMessages,
        outbox: Outbox,
        wake: Callable[[Collection[str]], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._channels = channels
        self._messages = messages
        self._outbox = outbox
        self._wake = wake
        self._now = now

    def stored(self) -> None:
        """What was found may go: the transaction is on disk."""
        self._wake((CHANNEL_SEND,))

    def __call__(self, tx: Tx, portal_chat_id: int) -> list[NewJob]:
        found = self._channels.of_portal_chat(tx, portal_chat_id)
        if found is None:
            return []
        held, chat_id = found
        since = max(held.account.created_at, int(self._now()) - LOOK_BACK_S)
        now = self._now()
        jobs = [
            channel_job(held.connector_id, held.account.line_id or 0, _item(held, chat_id, row), "", now)
            for row in self._messages.unsent(tx, held.account.id, portal_chat_id, since)
        ]
        # One that is being sent right now is not missed.
        told = {job.dedupe_key for job in self._outbox.of_lane(jobs[0].lane)} if jobs else set()
        return [job for job in jobs if job.dedupe_key not in told]


def _item(held: Held, chat_id: str, row: Unsent) -> dict[str, Any]:
    """As the portal's event would have brought it, with the operator's signature."""
    is_signed = bool(held.account.options.get("signature", True)) and row.author and row.text
    text = f"[b]{row.author}:[/b] [br]{row.text}" if is_signed else row.text
    files = [{"name": name, "type": kind, "size": size, "link": url} for name, kind, size, url in row.files]
    return {
        "im": {"chat_id": row.portal_chat_id, "message_id": row.portal_message_id},
        "message": {"user_id": row.author_id, "text": text, "files": files},
        "chat": {"id": chat_id},
    }
