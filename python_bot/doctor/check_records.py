"""Sections C and F: chats, and what is recorded, waits, or is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .facts import Facts
from .findings import Finding, green, red, yellow

STUCK_S: Final = 300.0
DAY_S: Final = 86_400
JOURNAL_LATE_S: Final = 60.0  # the journal is written once a second
REFUSALS: Final = ("missing", "expired", "malformed", "unknown", "mismatch", "insufficient")


def integrity(facts: Facts) -> Iterator[Finding]:
    archive = facts.archive
    if not archive.exists:
        return
    if archive.verdict not in (None, "ok"):
        yield red("F", "database_damaged", verdict=archive.verdict)
    elif archive.set_aside:
        yield red("F", "database_set_aside", names=archive.set_aside)
    elif archive.problem:
        yield yellow("F", "archive_unread", problem=archive.problem)
    elif archive.verdict is None:
        yield green("F", "database_unchecked")
    else:
        yield green("F", "database_ok", dialogs=archive.dialogs)


def chats(facts: Facts) -> Iterator[Finding]:
    if facts.archive.doubled:
        yield yellow("C", "chats_doubled", people=facts.archive.doubled, count=len(facts.archive.doubled))
    elif facts.archive.exists:
        yield green("C", "chats_ok", dialogs=facts.archive.dialogs)


def events(facts: Facts) -> Iterator[Finding]:
    archive = facts.archive
    if archive.last_event_s is not None:
        yield green("F", "events_seen", event=archive.last_event, ago=span(archive.last_event_s))
    elif archive.exists:
        yield green("F", "events_none")


def refusals(facts: Facts) -> Iterator[Finding]:
    """Whom we turned away in the last day, and who turned us away: was the token absent, too old, or a wrong one?"""
    if facts.archive.traffic is None:
        return
    rows = [row for row in facts.archive.traffic if row.outcome in REFUSALS]
    if rows:
        said = [f"{row.direction} {row.kind}, {row.authorization}: {row.outcome} ×{row.requests}" for row in rows]
        yield green("B", "refusals_seen", refusals="; ".join(said))
    else:
        yield green("B", "refusals_none")


def recorded(facts: Facts) -> Iterator[Finding]:
    """Is every request recorded: an event that was archived has to be in the HTTP journal, too."""
    archive, days = facts.archive, facts.subject.journal_days
    if archive.traffic is None or not days:
        return
    event_s = archive.last_event_s
    is_kept = event_s is not None and event_s < (days - 1) * DAY_S and facts.subject.wish.event_mode == "webhook"
    late_s = 0.0  # how much later than the newest event the newest request is, or how long a first one is awaited
    if event_s is not None and is_kept:
        late_s = event_s if archive.traffic_s is None else archive.traffic_s - event_s
    if event_s is not None and late_s > JOURNAL_LATE_S:
        newest = span(archive.traffic_s) if archive.traffic_s is not None else "-"
        yield yellow("F", "journal_gap", event=span(event_s), request=newest)
    else:
        sums = {"in": 0, "out": 0}
        for row in archive.traffic:
            sums[row.direction] += row.requests
        yield green("F", "journal_ok", came=sums["in"], went=sums["out"])


def jobs(facts: Facts) -> Iterator[Finding]:
    archive = facts.archive
    if archive.oldest_s is not None and archive.oldest_s >= STUCK_S:
        yield red(
            "F", "outbox_stuck", count=archive.waiting, age=span(archive.oldest_s), reason=archive.last_error or None
        )
    if archive.buried:
        reasons = dict.fromkeys(f"{job.kind}: {job.reason}" for job in archive.buried)
        yield yellow("F", "outbox_buried", "revive", count=len(archive.buried), reasons=list(reasons)[:5])
    if archive.exists and not archive.buried and (archive.oldest_s or 0.0) < STUCK_S:
        yield green("F", "outbox_ok", count=archive.waiting)


def completeness(facts: Facts) -> Iterator[Finding]:
    if facts.archive.gaps:
        yield yellow("F", "completeness_gaps", count=facts.archive.gaps, instance=facts.subject.name)
    elif facts.archive.exists:
        yield green("F", "completeness_ok", complete=facts.archive.complete, dialogs=facts.archive.dialogs)


def span(seconds: float) -> str:
    """'40 s', '12 min', '5.2 h', '3.0 d'."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


RECORD_CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    integrity,
    chats,
    events,
    refusals,
    recorded,
    jobs,
    completeness,
)
