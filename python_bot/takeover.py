"""Takes the archive of the single-file bot over: its messages stand in until the portal's history tells the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from .archive import imports
from .archive.former import FormerArchive, FormerDialog, FormerMessage
from .archive.imports import Taken
from .bitrix.bbcode import plain
from .db import Storage
from .model import Message, User
from .values import dataclass

CHUNK: Final = 500  # messages of one transaction, so that no event waits


@dataclass(frozen=True, slots=True)
class Summary:
    """What was read, and what became of it.

    `first_at`, `last_at`: Unix seconds, 0 without messages. `unreadable_times`: those messages got the time of the one
    before.
    """

    dialogs: int
    users: int
    messages: int
    first_at: int
    last_at: int
    unreadable_times: int
    taken: Taken


def take_over(former: FormerArchive, storage: Storage | None, progress: Callable[[int], None]) -> Summary:
    """Safe to repeat, and to go on with after an interruption. Without `storage` it only reads.

    `progress` is told how many messages were read since it was told last.
    """
    source = former.source
    first = storage.write(lambda tx: imports.first_number(tx, source)) if storage is not None else 0
    dialogs = former.dialogs()
    taken, count, times = Taken(), 0, set[int]()
    for dialog in dialogs:
        rows = former.messages(dialog.chat_id)
        while True:
            chunk = list(islice(rows, CHUNK))
            count += len(chunk)
            if chunk:
                times = {min(times | {row.sent_at for row in chunk}), max(times | {row.sent_at for row in chunk})}
            if storage is not None:
                taken += _take(storage, former, dialog, chunk, first)
            progress(len(chunk))
            if len(chunk) < CHUNK:
                break
        if storage is not None:
            taken += Taken(replaced=_settle(storage, dialog.chat_id))
    return Summary(
        dialogs=len(dialogs),
        users=len(former.users),
        messages=count,
        first_at=min(times, default=0),
        last_at=max(times, default=0),
        unreadable_times=former.unreadable_times,
        taken=taken,
    )


def _take(
    storage: Storage, former: FormerArchive, dialog: FormerDialog, rows: Sequence[FormerMessage], first: int
) -> Taken:
    users = [_user(former, user_id) for user_id in dialog.user_ids]
    messages = [_message(former, dialog.chat_id, row, first) for row in rows]
    opened_at = dialog.opened_at or (rows[0].sent_at if rows else 0)
    return storage.write(lambda tx: imports.take(tx, dialog.chat_id, opened_at, users, messages))


def _settle(storage: Storage, chat_id: int) -> int:
    return storage.write(lambda tx: imports.settle(tx, chat_id))


def _user(former: FormerArchive, user_id: int) -> User:
    found = former.users.get(user_id)
    return User(user_id, found.name, found.kind) if found else User(user_id, "", "client")


def _message(former: FormerArchive, chat_id: int, row: FormerMessage, first: int) -> Message:
    author = _user(former, row.author_id) if row.author_id else User(0, "", "system")
    return Message(first + row.row, chat_id, None, author, row.text, plain(row.text), row.sent_at)
