"""The sessions of a dialog for the API: their row, their timeline, how long people waited."""

from __future__ import annotations

import json
from typing import Any, Final

from ..db import Tx
from ..model import iso_utc
from . import session_events
from .timeline import Known, TimelineEvent, timeline

_SESSIONS: Final = (
    "SELECT id, session_id, line_id, opened_at, opened_exact, joined_at, handed_over_at, handover_exact, closed_at,"
    " handover, handover_error FROM sessions WHERE chat_id = ? ORDER BY opened_at, id"
)
_NAMES: Final = "SELECT user_id, name FROM users WHERE user_id IN (SELECT value FROM json_each(?))"


def sessions(tx: Tx, chat_id: int) -> str:
    """A JSON list, oldest session first."""
    rows = tx.sql.execute(_SESSIONS, (chat_id,)).fetchall()
    signs = session_events.of_chat(tx, chat_id)
    shown: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for (
        ref,
        number,
        line_id,
        opened_at,
        opened_exact,
        joined_at,
        handed_at,
        handed_exact,
        closed_at,
        state,
        why,
    ) in rows:
        known = Known(opened_at, bool(opened_exact), joined_at, handed_at, bool(handed_exact), closed_at, line_id)
        found = timeline(known, signs.get(ref, ()))
        events = [_event(event, people) for event in found.events]
        shown.append(
            {
                "session_id": number,
                "line_id": line_id,
                "opened_at": iso_utc(opened_at),
                "joined_at": iso_utc(joined_at),
                "handover": state or None,
                "handed_over_at": iso_utc(handed_at),
                "handover_error": why or None,
                "answered_at": iso_utc(found.answered_at),
                "closed_at": iso_utc(closed_at),
                "first_response_s": found.first_response_s,
                "resolution_s": found.resolution_s,
                "events": events,
            }
        )
    names = dict(tx.sql.execute(_NAMES, (json.dumps([person["id"] for person in people]),)))
    for person in people:
        person["name"] = names.get(person["id"], "")
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def _event(event: TimelineEvent, people: list[dict[str, Any]]) -> dict[str, Any]:
    def person(user_id: int | None) -> dict[str, Any] | None:
        if user_id is None:
            return None
        people.append({"id": user_id, "name": ""})
        return people[-1]

    return {
        "kind": event.kind,
        "at": iso_utc(event.at),
        "exact": event.exact,
        "message_id": event.message_id,
        "by": person(event.by_id),
        "from": person(event.from_id),
        "to": person(event.to_id),
        "from_line_id": event.from_line_id,
        "to_line_id": event.to_line_id,
        "rating": event.rating,
        "reason": event.reason or None,
    }
