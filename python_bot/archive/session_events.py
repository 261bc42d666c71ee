"""The SQL of what shows the course of a session (`timeline.Sign`).

Rows are only added, and a row with a message has that message's time and follows it into another session: nothing
has to be worked out again when history brings exact times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from ..db import Tx
from ..model import ChatFacts, HistoryMessage, Message
from .timeline import SAME_END_S, Sign

_PUT: Final = (
    "INSERT INTO session_events (session_ref, kind, message_id, at, from_id, to_id, line_id, rating, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_ref, kind, message_id, at) DO UPDATE"
    " SET rating = excluded.rating WHERE excluded.rating IS NOT NULL"
)
_LAST_BEFORE: Final = (
    "SELECT message_id, to_id, line_id FROM session_events WHERE session_ref = ? AND kind = ? AND message_id < ?"
    " ORDER BY message_id DESC LIMIT 1"
)
_TOLD_END: Final = (
    "SELECT 1 FROM session_events e LEFT JOIN messages m ON m.message_id = e.message_id"
    " WHERE e.session_ref = ?1 AND e.kind IN ('ended', 'finished') AND COALESCE(m.sent_at, e.at) BETWEEN"
    " (SELECT sent_at FROM messages WHERE message_id = ?2) AND ?3 LIMIT 1"
)
_LATER_WORD: Final = (
    "SELECT message_id, author_kind FROM messages WHERE chat_id = ? AND message_id > ? AND session_ref = ?"
    " AND sent_at > ? AND author_kind IN ('client', 'operator') AND NOT hidden AND source > 0"
    " ORDER BY message_id LIMIT 1"
)
_EXACT_END: Final = (
    "SELECT m.sent_at FROM session_events e JOIN messages m ON m.message_id = e.message_id"
    " WHERE e.session_ref = ?1 AND e.kind = 'ended' AND m.sent_at_exact AND ABS(m.sent_at - ?2) <= ?3"
    " ORDER BY ABS(m.sent_at - ?2), m.sent_at LIMIT 1"
)
_OF_CHAT: Final = (
    "SELECT e.session_ref, e.kind, e.message_id, COALESCE(m.sent_at, e.at), COALESCE(m.sent_at_exact, 0), m.author_id,"
    " e.from_id, e.to_id, e.line_id, e.rating, e.reason FROM sessions s JOIN session_events e ON e.session_ref = s.id"
    " LEFT JOIN messages m ON m.message_id = e.message_id WHERE s.chat_id = ? AND (e.message_id = 0"
    " OR (m.session_ref = s.id AND (e.kind NOT IN ('client', 'operator')"
    "  OR (m.author_kind = e.kind AND NOT m.hidden AND m.source > 0))))"
)


def is_word(message: Message) -> bool:
    """Somebody said it to the other side; the portal's notices and automatic answers are no words."""
    return message.author.kind in ("client", "operator") and not message.hidden and message.notice is None


def of_chat(tx: Tx, chat_id: int) -> dict[int, list[Sign]]:
    """The signs of every session of a chat, by our reference."""
    found: dict[int, list[Sign]] = defaultdict(list)
    for ref, kind, message_id, at, exact, *rest in tx.sql.execute(_OF_CHAT, (chat_id,)):
        found[ref].append(Sign(kind, message_id, at, bool(exact), *rest))
    return found


def seen(tx: Tx, ref: int, message: Message, chat: ChatFacts | None) -> None:
    """What a message shows. `chat`: what its own event says of the chat at that moment; None when it does not."""
    _notice(tx, ref, message)
    if chat is not None and (chat.operator_id is not None or chat.session_line_id is not None):
        _facts(tx, ref, message, chat)
    if message.notice is not None and message.notice.kind == "ended":
        later_word(tx, message.chat_id, ref, message.sent_at, message.message_id)
    if is_word(message):
        before = tx.sql.execute(_LAST_BEFORE, (ref, message.author.kind, message.message_id)).fetchone()
        if before is None or tx.sql.execute(_TOLD_END, (ref, before[0], message.sent_at)).fetchone():
            _put(tx, ref, message.author.kind, message.message_id)


def seen_in_history(tx: Tx, ref: int, items: Sequence[HistoryMessage]) -> int | None:
    """What a whole session shows, oldest message first. Returns the time of a last notice of its end, if nobody spoke
    after it."""
    end: int | None = None
    ends = [
        row[0]
        for row in tx.sql.execute(
            "SELECT at FROM session_events WHERE session_ref = ? AND kind = 'finished' ORDER BY at DESC", (ref,)
        )
    ]
    spoke: set[str] = set()
    for item in items:
        message = item.message
        while ends and message.sent_at > ends[-1]:
            ends.pop()
            spoke.clear()
        _notice(tx, ref, message)
        if message.notice is not None and message.notice.kind == "ended":
            spoke.clear()
            end = message.sent_at if message.sent_at_exact else None
        if is_word(message) or (message.notice is not None and message.notice.kind == "started"):
            end = None
        if is_word(message) and message.author.kind not in spoke:
            spoke.add(message.author.kind)
            _put(tx, ref, message.author.kind, message.message_id)
    return end


def finished(tx: Tx, ref: int, at: int) -> bool:
    """An end was told. True when no later one was told before."""
    _put(tx, ref, "finished", at=at)
    last: int = tx.sql.execute(
        "SELECT MAX(at) FROM session_events WHERE session_ref = ? AND kind = 'finished'", (ref,)
    ).fetchone()[0]
    return at == last


def exact_end(tx: Tx, ref: int, at: int) -> int:
    """The time of the portal's notice of the end that was told for this time; the time itself until history tells."""
    row = tx.sql.execute(_EXACT_END, (ref, at, SAME_END_S)).fetchone()
    return row[0] if row else at


def refused(tx: Tx, ref: int, at: int, reason: str) -> None:
    _put(tx, ref, "refused", at=at, reason=reason)


def later_word(tx: Tx, chat_id: int, ref: int, at: int, after_id: int = -(2**62)) -> bool:
    """Whether somebody spoke in the session after this time; the first such word is kept."""
    row = tx.sql.execute(_LATER_WORD, (chat_id, after_id, ref, at)).fetchone()
    if row is not None:
        _put(tx, ref, row[1], row[0])
    return row is not None


def moved(tx: Tx, message_id: int, old_ref: int | None, new_ref: int) -> None:
    """A message turned out to belong to another session: what it shows goes with it."""
    if old_ref is not None and old_ref != new_ref:
        tx.sql.execute(
            "UPDATE OR REPLACE session_events SET session_ref = ? WHERE session_ref = ? AND message_id = ?",
            (new_ref, old_ref, message_id),
        )


def _notice(tx: Tx, ref: int, message: Message) -> None:
    notice = message.notice
    if notice is not None and notice.kind not in ("automatic", "silent"):
        _put(tx, ref, notice.kind, message.message_id, from_id=notice.from_id, to_id=notice.to_id, rating=notice.rating)


def _facts(tx: Tx, ref: int, message: Message, chat: ChatFacts) -> None:
    """Changes come with a notice, whose facts are always kept; those of others only when they say something new."""
    if message.author.kind != "system":
        before = tx.sql.execute(_LAST_BEFORE, (ref, "facts", message.message_id)).fetchone()
        if before is not None and before[1:] == (chat.operator_id, chat.session_line_id):
            return
    _put(tx, ref, "facts", message.message_id, to_id=chat.operator_id, line_id=chat.session_line_id)


def _put(
    tx: Tx,
    ref: int,
    kind: str,
    message_id: int = 0,
    *,
    at: int = 0,
    from_id: int | None = None,
    to_id: int | None = None,
    line_id: int | None = None,
    rating: int | None = None,
    reason: str = "",
) -> None:
    tx.sql.execute(_PUT, (ref, kind, message_id, at, from_id, to_id, line_id, rating, reason))
