"""What was captured of what the portal's history knows, by dialog and day. Counted in indexes alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from ..db import Storage, Tx
from ..model import Captured, CompletenessTotals, DialogDay
from ..values import dataclass
from .comparison import UNSETTLED

DAY_S: Final = 24 * 3600

_COUNTS: Final = (
    "COUNT(message_id), COALESCE(SUM(message_id > 0 AND (by_event OR (by_event IS NULL AND source IN (1, 2)))), 0),"
    " COALESCE(SUM(source = 3), 0), COALESCE(SUM(source = 0), 0), COALESCE(SUM(source = 3 AND by_event IS NULL), 0),"
    " COALESCE(SUM(message_id < 0), 0)"
)
_TOTALS: Final = (
    f"SELECT {_COUNTS} FROM messages INDEXED BY messages_by_time WHERE sent_at >= :since AND sent_at < :until"
)
# A session that was running in between. One whose beginning nobody told may have begun any time before.
_OVERLAPS: Final = (
    "(opened_at < :until OR NOT opening_known) AND (closed_at IS NULL OR closed_at >= :since OR last_message_id = 0)"
)
_SESSION_TOTALS: Final = f"SELECT COUNT(*), MIN(reconciled_at) FROM sessions WHERE {_OVERLAPS}"
_OPEN_QUESTIONS: Final = (
    "SELECT COALESCE(SUM(reconciled_at IS NULL), 0),"
    " COALESCE(SUM(reconciled_at IS NOT NULL AND reconciled_at < :until), 0)"
    f" FROM sessions INDEXED BY sessions_unsettled WHERE {UNSETTLED} AND {_OVERLAPS}"
)
_FIRST_MESSAGE: Final = "SELECT MIN(sent_at) FROM messages WHERE sent_at >= ? AND sent_at < ?"
_FIRST_QUESTION: Final = f"SELECT MIN(opened_at) FROM sessions WHERE opened_at >= ? AND opened_at < ? AND {UNSETTLED}"
# With the dialogs of which only a session is known: all that was said in it is missing.
_DAY: Final = (
    f"SELECT chat_id, {_COUNTS}, json_group_array(message_id) FILTER (WHERE source = 0) FROM ("
    "  SELECT chat_id, message_id, source, by_event FROM messages INDEXED BY messages_by_time"
    "   WHERE sent_at >= :since AND sent_at < :until AND chat_id > :after"
    "  UNION ALL SELECT chat_id, NULL, NULL, NULL FROM sessions"
    f"   WHERE opened_at >= :since AND opened_at < :until AND {UNSETTLED} AND chat_id > :after"
    ") GROUP BY chat_id ORDER BY chat_id LIMIT :limit"
)
_SESSIONS: Final = (
    "SELECT chat_id, session_id, opened_at, opening_known, closed_at, reconciled_at, reconciled_to >= last_message_id,"
    " last_message_id FROM sessions WHERE chat_id IN (SELECT value FROM json_each(?)) ORDER BY opened_at, id"
)


@dataclass(frozen=True, slots=True)
class _Session:
    chat_id: int
    session_id: int | None
    opened_at: int
    opening_known: int
    closed_at: int | None
    reconciled_at: int | None
    is_settled: int
    last_message_id: int

    def overlaps(self, since: int, until: int) -> bool:
        has_begun = self.opened_at < until or not self.opening_known
        return has_begun and (self.closed_at is None or self.closed_at >= since or not self.last_message_id)


class SqliteCompleteness:
    """Implements `contract.Completeness` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def totals(self, since: int, until: int) -> CompletenessTotals:
        span = {"since": since, "until": until}
        with self._storage.read() as tx:
            counts = tx.sql.execute(_TOTALS, span).fetchone()
            sessions, compared_at = tx.sql.execute(_SESSION_TOTALS, span).fetchone()
            uncompared, behind = tx.sql.execute(_OPEN_QUESTIONS, span).fetchone()
        return CompletenessTotals(Captured(*counts), sessions, uncompared, behind, None if uncompared else compared_at)

    def days(self, after: tuple[int, int], limit: int, since: int, until: int) -> list[DialogDay]:
        found: list[DialogDay] = []
        day, chat_id = after
        with self._storage.read() as tx:
            looking_for = _Days(tx, until)
            while len(found) < limit:
                at = looking_for.first(max(since, day))
                if at is None:
                    break
                if at >= day + DAY_S:
                    chat_id = -1
                day = at - at % DAY_S
                found += _of_day(tx, max(since, day), min(until, day + DAY_S), chat_id, limit - len(found))
                day, chat_id = day + DAY_S, -1
        return found


class _Days:
    """The next time at which something was said, or a session began whose history is still to be read."""

    def __init__(self, tx: Tx, until: int) -> None:
        self._tx = tx
        self._until = until
        self._question: int | None = -1

    def first(self, since: int) -> int | None:
        (message,) = self._tx.sql.execute(_FIRST_MESSAGE, (since, self._until)).fetchone()
        if self._question is not None and self._question < since:
            (self._question,) = self._tx.sql.execute(_FIRST_QUESTION, (since, self._until)).fetchone()
        return min((at for at in (message, self._question) if at is not None), default=None)


def _of_day(tx: Tx, since: int, until: int, after: int, limit: int) -> list[DialogDay]:
    rows = tx.sql.execute(_DAY, {"since": since, "until": until, "after": after, "limit": limit}).fetchall()
    sessions: dict[int, list[_Session]] = {}
    for row in tx.sql.execute(_SESSIONS, (json.dumps([row[0] for row in rows]),)):
        sessions.setdefault(row[0], []).append(_Session(*row))
    return [_dialog_day(row, sessions, since, until) for row in rows]


def _dialog_day(row: Sequence[object], sessions: Mapping[int, list[_Session]], since: int, until: int) -> DialogDay:
    chat_id, *counts, missing = row
    assert isinstance(chat_id, int)
    own = [session for session in sessions.get(chat_id, []) if session.overlaps(since, until)]
    times = [session.reconciled_at for session in own if session.reconciled_at is not None]
    return DialogDay(
        chat_id,
        since - since % DAY_S,
        Captured(*counts),  # type: ignore[arg-type]  # the columns of _COUNTS
        tuple(json.loads(str(missing))),
        tuple(session.session_id for session in own if session.reconciled_at is None) if own else (None,),
        sum(1 for s in own if s.reconciled_at is not None and s.reconciled_at < until and not s.is_settled),
        min(times) if times and len(times) == len(own) else None,
    )
