"""Walking through an archive for the formats: as JSON objects, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..archive import Archive
from ..model import DialogFilter, Passage
from .wish import Mask

Looked = Callable[[int], None]  # told how many further messages were looked at

DIALOGS: Final = 200
MESSAGES: Final = 500
FIRST: Final = -(2**62)  # below every number: imported messages have some below zero


def messages(passage: Passage, mask: Mask, looked: Looked) -> Iterator[dict[str, Any]]:
    for part in passage.slices:
        for line in part.lines.splitlines():
            yield mask.message(json.loads(line))
        looked(part.seen)


def conversations(archive: Archive, wanted: DialogFilter, mask: Mask) -> Iterator[dict[str, Any]]:
    """{"dialog", "sessions", "participants"}, by chat_id."""
    after: int | None = None
    while True:
        page = archive.conversations(after, DIALOGS, wanted)
        for conversation in json.loads(page.items):
            yield mask.conversation(conversation)
        if page.next_key is None:
            return
        (after,) = page.next_key


def messages_of(archive: Archive, chat_id: int, mask: Mask) -> Iterator[dict[str, Any]]:
    """The messages of one dialog, by message_id."""
    after = FIRST
    while True:
        page = archive.messages_page(chat_id, after, MESSAGES)
        for message in json.loads(page.items):
            yield mask.message(message)
        if page.next_key is None:
            return
        (after,) = page.next_key
