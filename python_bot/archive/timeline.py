"""The course of a session, worked out from what shows it. Pure: the same signs in any order give the same timeline.

A *sign* is one row of `session_events` with the time of its message. Two kinds of signs tell who has a session: the
portal's notices (a mention is a person, the text is in any language), and what the events of messages said of their
chat. Where both speak, the event is believed: a notice with two names may be an invitation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest
from typing import Final, Literal

from ..values import dataclass

SAME_END_S: Final = 60  # an end is announced by an event and by a notice, each with its own time
SAME_S: Final = 2  # `ts` has whole seconds

EventKind = Literal[
    "opened", "joined", "handed_over", "handover_refused", "assigned", "answered", "transferred", "rated", "closed",
    "reopened",
]  # fmt: skip
_RANK: Final = {
    kind: rank
    for rank, kind in enumerate(
        (
            "opened",
            "joined",
            "handover_refused",
            "handed_over",
            "transferred",
            "assigned",
            "answered",
            "reopened",
            "rated",
            "closed",
        )
    )
}


@dataclass(frozen=True, slots=True)
class Sign:
    """`message_id` 0: no message shows it. `author_id`: who wrote the message."""

    kind: str
    message_id: int
    at: int
    exact: bool
    author_id: int | None = None
    from_id: int | None = None
    to_id: int | None = None
    line_id: int | None = None
    rating: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the session's own row says."""

    opened_at: int
    opened_exact: bool
    joined_at: int | None
    handed_over_at: int | None
    handover_exact: bool
    closed_at: int | None
    line_id: int | None


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """`by_id`: who did it; `from_id`, `to_id`: operators; `message_id` None: no message shows it."""

    kind: EventKind
    at: int
    exact: bool
    message_id: int | None = None
    by_id: int | None = None
    from_id: int | None = None
    to_id: int | None = None
    from_line_id: int | None = None
    to_line_id: int | None = None
    rating: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times in Unix seconds; the two spans are None unless both their ends are known exactly."""

    events: tuple[TimelineEvent, ...]
    answered_at: int | None
    first_response_s: int | None
    resolution_s: int | None


def timeline(known: Known, signs: Sequence[Sign]) -> Timeline:
    signs = sorted(signs, key=lambda sign: (sign.message_id, sign.kind, sign.at))
    ends = _ends(known, signs)
    events = [
        TimelineEvent("opened", known.opened_at, known.opened_exact),
        *_handover(known, signs),
        *_hands(known, signs),
        *_ratings(signs),
        *ends,
        *_reopenings(ends, signs),
    ]
    asked, answer = _first(signs, "client"), _first(signs, "operator")
    if answer is not None:
        events.append(TimelineEvent("answered", answer.at, answer.exact, answer.message_id, by_id=answer.author_id))
    begun_at = max(known.opened_at, known.joined_at or 0)
    events.sort(key=lambda event: (_place(event, begun_at), _RANK[event.kind], event.message_id or 0))
    end = ends[-1] if ends and known.closed_at is not None else None
    return Timeline(
        tuple(events),
        answered_at=answer.at if answer else None,
        first_response_s=_span(asked, answer) if asked and answer and asked.message_id < answer.message_id else None,
        resolution_s=end.at - known.opened_at if end and end.exact and known.opened_exact else None,
    )


def _place(event: TimelineEvent, begun_at: int) -> int:
    """The hand-over has the time of our clock, everything else that of the portal's: a little difference must not put
    it before the beginning."""
    return max(event.at, begun_at) if event.kind in ("handed_over", "handover_refused") else event.at


def _span(start: Sign, end: Sign) -> int | None:
    return end.at - start.at if start.exact and end.exact else None


def _first(signs: Iterable[Sign], kind: str) -> Sign | None:
    return next((sign for sign in signs if sign.kind == kind), None)


def _handover(known: Known, signs: Iterable[Sign]) -> Iterable[TimelineEvent]:
    if known.joined_at is not None:
        yield TimelineEvent("joined", known.joined_at, False)
    if known.handed_over_at is not None:
        yield TimelineEvent("handed_over", known.handed_over_at, known.handover_exact)
    for sign in signs:
        if sign.kind == "refused":
            yield TimelineEvent("handover_refused", sign.at, True, reason=sign.reason)


# --- who has it


def _hands(known: Known, signs: Iterable[Sign]) -> Iterable[TimelineEvent]:
    """Assignments and transfers, message by message."""
    operator_id, line_id = None, known.line_id
    shown = (sign for sign in signs if sign.message_id and sign.kind in _SHOW_HANDS)
    for _, group in groupby(shown, key=lambda sign: sign.message_id):
        by_kind = {sign.kind: sign for sign in group}
        facts, word = by_kind.get("facts"), by_kind.get("operator")
        notice = by_kind.get("handed") or by_kind.get("took") or by_kind.get("to_line")
        now = _told_by_event(facts, operator_id, line_id) if facts else _told_by_notice(notice, operator_id, line_id)
        sign = notice or facts
        line_id = now[1] if line_id is None else line_id  # the first one told is where it began
        if sign is not None and now != (operator_id, line_id):
            yield _change(sign, notice, (operator_id, line_id), now)
        elif notice is not None and notice.kind == "to_line" and facts is None:
            yield replace(_change(notice, notice, (operator_id, line_id), now), kind="transferred")
        operator_id, line_id = now
        if word is not None and operator_id is None:
            operator_id = word.author_id


_SHOW_HANDS: Final = ("facts", "handed", "took", "to_line", "operator")
Hands = tuple[int | None, int | None]


def _told_by_event(facts: Sign, operator_id: int | None, line_id: int | None) -> Hands:
    """An event that names no operator leaves the one who was there; on a change of line it may still name the last."""
    if facts.line_id is not None and line_id is not None and facts.line_id != line_id:
        return (facts.to_id if facts.to_id != operator_id else None), facts.line_id
    return (facts.to_id if facts.to_id is not None else operator_id), facts.line_id or line_id


def _told_by_notice(notice: Sign | None, operator_id: int | None, line_id: int | None) -> Hands:
    """A notice tells no line's number. Somebody who does not have the session cannot give it away."""
    match notice:
        case Sign(kind="took"):
            return notice.to_id, line_id
        case Sign(kind="handed") if operator_id is None or notice.from_id in (None, operator_id):
            return notice.to_id, line_id
        case Sign(kind="to_line"):
            return None, line_id
    return operator_id, line_id


def _change(sign: Sign, notice: Sign | None, before: Hands, after: Hands) -> TimelineEvent:
    giver = notice.from_id if notice else None
    from_id, to_line = before[0] or giver, before[1] != after[1]
    to_id = after[0] if after[0] != from_id else None
    kind: EventKind = "transferred" if to_line or from_id is not None else "assigned"
    return TimelineEvent(
        kind,
        sign.at,
        sign.exact,
        sign.message_id,
        by_id=giver,
        from_id=from_id,
        to_id=to_id,
        from_line_id=before[1] if to_line else None,
        to_line_id=after[1] if to_line else None,
    )


# --- ends


def _ends(known: Known, signs: Sequence[Sign]) -> list[TimelineEvent]:
    """A notice of an end may announce a mere pause: it counts when an event tells of the end too, or of what began
    after it."""
    told = {sign.at for sign in signs if sign.kind == "finished"}
    if known.closed_at is not None:
        told.add(known.closed_at)
    last_start = max((sign.message_id for sign in signs if sign.kind == "started"), default=0)
    found = [
        TimelineEvent("closed", sign.at, sign.exact, sign.message_id, by_id=sign.from_id)
        for sign in signs
        if sign.kind == "ended"
        and (sign.message_id < last_start or any(abs(at - sign.at) <= SAME_END_S for at in told))
    ]
    for at in sorted(told):
        if not any(abs(at - end.at) <= SAME_END_S for end in found):
            found.append(TimelineEvent("closed", at, False))
    return sorted(found, key=lambda end: end.at)


def _reopenings(ends: Sequence[TimelineEvent], signs: Sequence[Sign]) -> Iterable[TimelineEvent]:
    for end, next_end in zip_longest(ends, ends[1:]):
        began = [
            sign
            for sign in signs
            if sign.kind in ("started", "client", "operator")
            and sign.at > end.at + (0 if end.exact and sign.kind == "started" else SAME_S)
            and (next_end is None or sign.at <= next_end.at)
        ]
        if began:
            first = min(began, key=lambda sign: (sign.at, sign.message_id))
            by_id = None if first.kind == "started" else first.author_id
            yield TimelineEvent("reopened", first.at, first.exact, first.message_id, by_id=by_id)


def _ratings(signs: Sequence[Sign]) -> Iterable[TimelineEvent]:
    """The notice of the end carries the rating too; when it was given is not known then."""
    given = set()
    for sign in signs:
        if sign.kind == "rated":
            given.add(sign.rating)
            yield TimelineEvent("rated", sign.at, sign.exact, sign.message_id, rating=sign.rating)
    for sign in signs:
        if sign.kind == "ended" and sign.rating is not None and sign.rating not in given:
            given.add(sign.rating)
            yield TimelineEvent("rated", sign.at, False, sign.message_id, rating=sign.rating)
