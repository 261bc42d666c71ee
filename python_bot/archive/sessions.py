"""Which session of a chat an event belongs to.

The bot's entry (JOINCHAT) names no session, messages do, ends usually do not, and all of them arrive in any order.
A session is known by our own reference from its first sign on; Bitrix24's number is added when a message tells it.
What belongs together is decided by time, by the pure functions at the top; the SQL is below them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..db import Tx
from ..model import ChatFacts, HistoryMessage
from ..values import dataclass

LATE_JOIN_S: Final = 120  # the entry and the creation of one session are this close
SAME_S: Final = 2  # `ts` has whole seconds, and clocks of one portal differ a little


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`opening_known`: `opened_at` is when it began; otherwise only a time by which it had begun."""

    id: int
    session_id: int | None
    opened_at: int
    opening_known: bool
    joined_at: int | None
    closed_at: int | None
    handover: str


# --- decisions


def joined_one(rows: Sequence[SessionRow], at: int) -> SessionRow | None:
    """The session that the bot entered at this time; None when it is a new one."""
    for row in rows:
        if row.joined_at is not None and abs(row.joined_at - at) <= SAME_S:
            return row
    free = [row for row in rows if row.joined_at is None]
    begun = [row for row in free if row.opening_known and abs(row.opened_at - at) <= LATE_JOIN_S]
    return min(begun, key=lambda row: abs(row.opened_at - at)) if begun else _begun_before(rows, free, at)


def numbered_one(rows: Sequence[SessionRow], opened_at: int | None, at: int) -> SessionRow | None:
    """The session without a number that a message of this one belongs to; None when it is a new one."""
    free = [row for row in rows if row.session_id is None]
    if opened_at is not None:
        begun = [row for row in free if row.opening_known and abs(row.opened_at - opened_at) <= LATE_JOIN_S]
        if begun:
            return min(begun, key=lambda row: abs(row.opened_at - opened_at))
        return _begun_before(rows, free, opened_at)
    # Older builds do not tell when a session began: it is the one that was running.
    running = covering(rows, at)
    return running if running in free else _begun_before(rows, free, at)


def covering(rows: Sequence[SessionRow], at: int) -> SessionRow | None:
    """The session that was running at this time, as far as is known; the last one that began before, if none."""
    begun = [row for row in rows if row.opened_at <= at + SAME_S]
    last = max(begun, key=lambda row: (row.opened_at, row.id), default=None)
    if last is None or (last.closed_at is not None and at > last.closed_at + SAME_S):
        return _begun_before(rows, rows, at) or last
    return last


def _begun_before(rows: Sequence[SessionRow], chosen: Sequence[SessionRow], at: int) -> SessionRow | None:
    """Of the chosen, the one of which only a later sign was seen, if no other session began in between."""
    later = [row for row in chosen if not row.opening_known and row.opened_at + SAME_S >= at]
    found = min(later, key=lambda row: row.opened_at, default=None)
    if found is None or any(row.id != found.id and at < row.opened_at < found.opened_at for row in rows):
        return None
    return found


# --- the table

_COLUMNS: Final = "id, session_id, opened_at, opening_known, joined_at, closed_at, handover"
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM sessions WHERE session_id = ?"
_LATEST: Final = f"SELECT {_COLUMNS} FROM sessions WHERE chat_id = ? ORDER BY opened_at DESC, id DESC LIMIT 20"
_EMPTY_RESTS: Final = (
    "SELECT id FROM sessions WHERE chat_id = ? AND id <> ? AND session_id IS NULL AND joined_at IS NULL"
    " AND handover = '' AND NOT EXISTS (SELECT 1 FROM messages m"
    "  WHERE m.chat_id = sessions.chat_id AND m.session_ref = sessions.id)"
)
# With a number each, and read: what is only supposed to have begun ends no other.
_OVERLAPS: Final = (
    "SELECT id, next_id, next_at FROM (SELECT id, closed_at, LEAD(id) OVER w AS next_id,"
    "  LEAD(opened_at) OVER w AS next_at FROM sessions WHERE chat_id = ?1 AND session_id IS NOT NULL"
    "  AND reconciled_at IS NOT NULL WINDOW w AS (ORDER BY opened_at, id)) WHERE closed_at > next_at + ?2"
)
_GIVE_ENDS: Final = (
    "UPDATE OR REPLACE session_events SET session_ref = ?1 WHERE session_ref = ?2 AND kind = 'finished' AND at > ?3"
)
_END_BEFORE: Final = (
    "UPDATE sessions SET closed_at = COALESCE((SELECT MAX(m.sent_at) FROM session_events e JOIN messages m"
    "   USING (message_id) WHERE e.session_ref = ?1 AND e.kind = 'ended' AND m.session_ref = ?1 AND m.sent_at <= ?2),"
    "  (SELECT MAX(m.sent_at) FROM messages m WHERE m.chat_id = sessions.chat_id AND m.session_ref = ?1"
    "   AND m.sent_at <= ?2), opened_at) WHERE id = ?1"
)
_INSERT: Final = (
    "INSERT INTO sessions (session_id, chat_id, line_id, opened_at, opening_known, joined_at)"
    " VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
)


def of_join(tx: Tx, chat: ChatFacts, at: int) -> SessionRow:
    row = joined_one(_rows(tx, chat.chat_id), at)
    if row is None:
        return _insert(tx, chat, at, known=True, joined_at=at)
    if row.joined_at is not None:
        return row
    opened_at = row.opened_at if row.opening_known else at
    return _update(tx, replace(row, joined_at=at, opened_at=opened_at, opening_known=True))


def of_sign(tx: Tx, chat: ChatFacts, at: int) -> SessionRow:
    """The session that a message or the start of a session belongs to."""
    if chat.session_id is None:
        row = covering(_rows(tx, chat.chat_id), at)
        if row is None or (row.closed_at is not None and at > row.closed_at + SAME_S):
            return _insert(tx, chat, at, known=False)
        return row if row.opening_known or row.opened_at <= at else _update(tx, replace(row, opened_at=at))
    row = of_number(tx, chat.session_id)
    if row is None:
        row = numbered_one(_rows(tx, chat.chat_id), chat.session_opened_at, at)
        if row is None:
            return _insert(tx, chat, at, known=chat.session_opened_at is not None)
    wanted = replace(row, session_id=chat.session_id)
    if chat.session_opened_at is not None:
        wanted = replace(wanted, opened_at=chat.session_opened_at, opening_known=True)
    elif not row.opening_known:
        wanted = replace(wanted, opened_at=min(row.opened_at, at))
    return row if wanted == row else _update(tx, wanted)


def of_end(tx: Tx, chat: ChatFacts, at: int) -> SessionRow:
    """The session that ended at this time."""
    if chat.session_id is not None:
        return of_number(tx, chat.session_id) or of_sign(tx, chat, at)
    row = covering(_rows(tx, chat.chat_id), at)
    if row is None or (row.closed_at is not None and at > row.closed_at + SAME_S):
        return _insert(tx, chat, at, known=False)
    return row


def of_number(tx: Tx, session_id: int) -> SessionRow | None:
    row = tx.sql.execute(_BY_NUMBER, (session_id,)).fetchone()
    return _row(row) if row else None


def close(tx: Tx, row: SessionRow, closed_at: int | None) -> None:
    tx.sql.execute("UPDATE sessions SET closed_at = ? WHERE id = ?", (closed_at, row.id))


def reached(tx: Tx, row: SessionRow, message_id: int) -> None:
    """A message of the session is known; one that was known before leaves the row untouched."""
    tx.sql.execute(
        "UPDATE sessions SET last_message_id = ?1 WHERE id = ?2 AND last_message_id < ?1", (message_id, row.id)
    )


def compared(tx: Tx, row: SessionRow, chat_id: int, at: int, to: int, last_id: int) -> None:
    """The session was compared up to message `to`; `last_id` was the last one of its history."""
    tx.sql.execute(
        "UPDATE sessions SET reconciled_at = ?1, reconciled_to = MAX(reconciled_to, ?2),"
        " last_message_id = MAX(last_message_id, ?3) WHERE id = ?4",
        (at, to, last_id, row.id),
    )
    # What was kept apart because no number was known has found its session: an empty rest says nothing.
    rests = [(rest,) for (rest,) in tx.sql.execute(_EMPTY_RESTS, (chat_id, row.id))]
    if rests:
        tx.sql.execute("UPDATE dialogs SET session_ref = ? WHERE chat_id = ?", (row.id, chat_id))
        tx.sql.executemany("DELETE FROM session_events WHERE session_ref = ?", rests)
        tx.sql.executemany("DELETE FROM sessions WHERE id = ?", rests)


def end_as_told(tx: Tx, row: SessionRow, closed: bool, ended_at: int | None, last_at: int) -> None:
    """What the portal says of the session's end. `last_at`: its last message; only one after the end reopens it."""
    if closed and row.closed_at is None:
        close(tx, row, ended_at or last_at)
    elif not closed and row.closed_at is not None and last_at > row.closed_at + SAME_S:
        close(tx, row, None)


def opening_told(tx: Tx, row: SessionRow, history: Sequence[HistoryMessage]) -> None:
    """History begins with the session's first message: from then on the opening is known exactly."""
    if history and history[0].message.sent_at_exact:
        tx.sql.execute("UPDATE sessions SET opened_exact = 1 WHERE id = ? AND NOT opened_exact", (row.id,))


def line_told(tx: Tx, ref: int, line_id: int | None) -> None:
    """History and some events name no line: the first one told is where the session began."""
    if line_id is not None:
        tx.sql.execute("UPDATE sessions SET line_id = ? WHERE id = ? AND line_id IS NULL", (line_id, ref))


def separate(tx: Tx, chat_id: int) -> None:
    """A session is over when the next one of its chat begins.

    An end that names no session went to the one that we knew to be running; when history shows another one that had
    begun before, it was the end of that one, and the former had ended with its own last notice.
    """
    for ref, next_ref, began_at in tx.sql.execute(_OVERLAPS, (chat_id, SAME_S)).fetchall():
        tx.sql.execute(_GIVE_ENDS, (next_ref, ref, began_at + SAME_S))
        tx.sql.execute(_END_BEFORE, (ref, began_at + SAME_S))


def ask_handover(tx: Tx, row: SessionRow) -> int | None:
    """Mark that a hand-over was asked for; the reference when this was the first time, else None."""
    if row.handover:
        return None
    tx.sql.execute("UPDATE sessions SET handover = 'asked' WHERE id = ?", (row.id,))
    return row.id


def _rows(tx: Tx, chat_id: int) -> list[SessionRow]:
    return [_row(row) for row in tx.sql.execute(_LATEST, (chat_id,))]


def _row(row: tuple[int, int | None, int, int, int | None, int | None, str]) -> SessionRow:
    return SessionRow(row[0], row[1], row[2], bool(row[3]), row[4], row[5], row[6])


def _update(tx: Tx, row: SessionRow) -> SessionRow:
    tx.sql.execute(
        "UPDATE sessions SET session_id = ?, opened_at = ?, opening_known = ?, joined_at = ? WHERE id = ?",
        (row.session_id, row.opened_at, row.opening_known, row.joined_at, row.id),
    )
    return row


def _insert(tx: Tx, chat: ChatFacts, at: int, *, known: bool, joined_at: int | None = None) -> SessionRow:
    opened_at = chat.session_opened_at or at
    values = (chat.session_id, chat.chat_id, chat.line_id, opened_at, known, joined_at)
    (ref,) = tx.sql.execute(_INSERT, values).fetchone()
    return SessionRow(ref, chat.session_id, opened_at, known, joined_at, None, "")
