"""Asking Avito what its webhook may not have told: chats that changed since, and their messages down to what is known.

The cursor is {"since": Unix seconds, "last": {chat: message id}, "unread": {chat: [message id, Unix seconds]}}.
Whatever Avito dated before `since` has been told, and so have those messages; `unread` are the shop's own last words,
until the client has read them: no webhook tells that. Times are Avito's own, so that clocks need not agree. The cursor
moves on when a whole round is done; a round that takes too long is told in pieces. Avito shows no more than the newest
1,100 chats, and as many messages of each: https://developers.avito.ru/api-catalog/messenger/documentation
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Final
from urllib.parse import quote

from ...values import dataclass
from ..base import ChatCard, Happened, ReadUpTo
from .inbound import read_card, read_message

CHAT_TYPES: Final = "u2i,u2u,a2u"  # left alone, Avito shows chats about adverts only
PAGE: Final = 100
MAX_OFFSET: Final = 1000
OVERLAP_S: Final = 120  # Avito may show something a while after the time that it gives it
BUDGET_S: Final = 20.0
READS_AWAITED_S: Final = 6 * 3600  # who has not read an answer by then is not asked about any more
READS_A_ROUND: Final = 5  # chats that are asked whether the client has read; the others have their turn
IN_DOUBT_S, USUAL_S, WELL_S = 20.0, 60.0, 300.0  # pauses, by what is known of the webhook

Get = Callable[[str, Mapping[str, str]], Any]  # a path and its query to the JSON of the answer


@dataclass(frozen=True, slots=True)
class Cursor:
    since: int
    last: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, start: int) -> Cursor:
        """`start`: when the account was made; what was said before is not brought in."""
        kept = json.loads(text) if text else {}
        unread = {chat_id: (message_id, at) for chat_id, (message_id, at) in kept.get("unread", {}).items()}
        return cls(kept.get("since", start), kept.get("last", {}), unread)

    def __str__(self) -> str:
        kept = {"since": self.since, "last": self.last, "unread": self.unread}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Round:
    """`is_whole`: nothing is left for another asking."""

    happened: tuple[Happened, ...]
    cursor: Cursor
    is_whole: bool


@dataclass(frozen=True, slots=True)
class _Chat:
    id: str
    updated: int
    last_id: str
    is_ours: bool  # the last word
    card: ChatCard


def ask(get: Get, user_id: str, cursor: Cursor, is_stopping: Callable[[], bool]) -> Round:
    """One round, or as much of it as fits into its time. Raises DeliveryFailed; nothing is lost then."""
    until, floor = time.monotonic() + BUDGET_S, cursor.since - OVERLAP_S
    chats = sorted(_changed(get, user_id, floor).values(), key=lambda chat: chat.updated)
    happened: list[Happened] = []
    done, unread = dict(cursor.last), dict(cursor.unread)
    for chat in chats:
        if cursor.last.get(chat.id) == chat.last_id:
            continue
        if is_stopping() or time.monotonic() > until:
            return Round(tuple(happened), Cursor(cursor.since, done, unread), False)
        happened.extend(_told(get, user_id, chat, cursor.last.get(chat.id, ""), floor))
        done[chat.id] = chat.last_id
        if chat.is_ours:
            unread[chat.id] = (chat.last_id, chat.updated)
    since = max([cursor.since, *(chat.updated for chat in chats)])
    # Older chats are known by their time alone: they come again only when something new is said.
    recent = {chat.id: chat.last_id for chat in chats if chat.updated >= since - OVERLAP_S}
    unread = {key: (last_id, at) for key, (last_id, at) in unread.items() if at > time.time() - READS_AWAITED_S}
    for chat_id in list(unread)[:READS_A_ROUND]:
        looked_for = unread.pop(chat_id)
        read = _read(get, user_id, chat_id, *looked_for)
        if read is None:
            unread[chat_id] = looked_for  # at the end: the next round begins with others
        happened.extend(read or ())
    return Round(tuple(happened), Cursor(since, recent, unread), True)


def _read(get: Get, user_id: str, chat_id: str, message_id: str, at: int) -> Sequence[Happened] | None:
    """That the client has read up to this message; None: not yet. Nothing when it is there no more."""

    def is_enough(row: Mapping[str, Any]) -> bool:
        created = row.get("created")
        return isinstance(created, int) and created < at - OVERLAP_S

    rows = messages(get, user_id, chat_id, is_enough)
    own = next((row for row in rows if row.get("id") == message_id), None)
    if own is None:
        return ()
    reads = [one for one in read_message(user_id, chat_id, own) if isinstance(one, ReadUpTo)]
    return reads or None


def messages(get: Get, user_id: str, chat_id: str, is_enough: Callable[[Mapping[str, Any]], bool]) -> list[Any]:
    """The messages of a chat as Avito has them, newest first, down to the first that is enough (left out)."""
    found: list[Any] = []
    for offset in range(0, MAX_OFFSET + 1, PAGE):
        path = f"/messenger/v3/accounts/{user_id}/chats/{quote(chat_id, safe='~')}/messages/"
        answer = get(path, {"limit": str(PAGE), "offset": str(offset)})
        # The specification promises a bare list; Avito wraps it.
        page = answer.get("messages") if isinstance(answer, dict) else answer
        rows = [row for row in page if isinstance(row, dict)] if isinstance(page, list) else []
        for row in rows:
            if is_enough(row):
                return found
            found.append(row)
        if len(rows) < PAGE:
            break
    return found


def _told(get: Get, user_id: str, chat: _Chat, known_id: str, floor: int) -> Iterator[Happened]:
    """What a chat holds that is newer than `known_id`, or than `floor` when that is unknown; oldest first."""

    def is_enough(row: Mapping[str, Any]) -> bool:
        created = row.get("created")
        return (bool(known_id) and row.get("id") == known_id) or (isinstance(created, int) and created < floor)

    for row in reversed(messages(get, user_id, chat.id, is_enough)):
        yield from read_message(user_id, chat.id, row, chat.card)


def _changed(get: Get, user_id: str, floor: int) -> dict[str, _Chat]:
    """Chats that changed at `floor` or later: all that are unread, and the newest of all, for staff may have opened
    a chat in Avito's own program."""
    unread = {chat.id: chat for page in _pages(get, user_id, {"unread_only": "true"}) for chat in page}
    newest: dict[str, _Chat] = {}
    for page in _pages(get, user_id, {}):
        newest |= {chat.id: chat for chat in page}
        if min(chat.updated for chat in page) < floor:
            break
    return {key: chat for key, chat in (unread | newest).items() if chat.updated >= floor}


def _pages(get: Get, user_id: str, query: Mapping[str, str]) -> Iterator[list[_Chat]]:
    for offset in range(0, MAX_OFFSET + 1, PAGE):
        fields = {**query, "chat_types": CHAT_TYPES, "limit": str(PAGE), "offset": str(offset)}
        answer = get(f"/messenger/v2/accounts/{user_id}/chats", fields)
        rows = answer.get("chats") if isinstance(answer, dict) else None
        page = [_chat(user_id, row) for row in (rows or []) if isinstance(row, dict) and isinstance(row.get("id"), str)]
        if page:
            yield page
        if len(page) < PAGE:
            return


def _chat(user_id: str, row: Mapping[str, Any]) -> _Chat:
    last = row.get("last_message")
    updated, last_id = row.get("updated"), last.get("id") if isinstance(last, dict) else None
    return _Chat(
        row["id"],
        updated if isinstance(updated, int) else 0,
        last_id if isinstance(last_id, str) else "",
        isinstance(last, dict) and str(last.get("author_id")) == user_id,
        read_card(user_id, row),
    )
