"""Figures of the archive: how much was said when and where, and how long people waited.

Spans are counted only between times that history has told exactly; percentiles are those of the nearest rank.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from ..db import Storage, Tx
from ..model import DialogFilter, iso_utc
from . import filters
from .timeline import SAME_END_S

UNANSWERED_SHOWN: Final = 100
DAY_S: Final = 86_400
HOUR_S: Final = 3600

# The first word of each side in a session, as the timeline sees it.
_FIRST: Final = (
    "(SELECT MIN(e.message_id) FROM session_events e JOIN messages m ON m.message_id = e.message_id"
    " WHERE e.session_ref = s.id AND e.kind = '{kind}' AND m.session_ref = s.id AND m.author_kind = e.kind"
    " AND NOT m.hidden AND m.source > 0)"
)
_EXACT_END: Final = (
    "(SELECT MAX(m.sent_at) FROM session_events e JOIN messages m ON m.message_id = e.message_id"
    " WHERE e.session_ref = s.id AND e.kind = 'ended' AND m.sent_at_exact"
    f" AND ABS(m.sent_at - s.closed_at) <= {SAME_END_S})"
)
_SPANS: Final = f"""begun AS MATERIALIZED (
    SELECT COALESCE(s.line_id, d.line_id) AS line_id, d.connector_id, s.opened_at,
        CASE WHEN s.opened_exact AND s.closed_at IS NOT NULL THEN {_EXACT_END} - s.opened_at END AS resolution,
        {_FIRST.format(kind="client")} AS asked, {_FIRST.format(kind="operator")} AS answer
    FROM sessions s JOIN dialogs d ON d.chat_id = s.chat_id
    WHERE s.opened_at >= :since AND s.opened_at < :until AND {{conditions}}),
  spans AS MATERIALIZED (
    SELECT b.*, o.author_id AS operator_id,
        CASE WHEN b.asked < b.answer AND c.sent_at_exact AND o.sent_at_exact THEN o.sent_at - c.sent_at END AS response
    FROM begun b LEFT JOIN messages c ON c.message_id = b.asked LEFT JOIN messages o ON o.message_id = b.answer),
  keyed AS (
    SELECT '' AS part, 0 AS name, response, resolution FROM spans
    UNION ALL SELECT 'day', (opened_at + :offset) / {DAY_S}, response, resolution FROM spans
    UNION ALL SELECT 'line', line_id, response, resolution FROM spans
    UNION ALL SELECT 'connector', connector_id, response, resolution FROM spans
    UNION ALL SELECT 'operator', operator_id, response, resolution FROM spans WHERE operator_id IS NOT NULL)"""
_COUNTS: Final = f"WITH {_SPANS} SELECT part, name, COUNT(*) FROM keyed GROUP BY part, name"
_PERCENTILES: Final = f"""WITH {_SPANS},
  ranked AS (
    SELECT part, name, {{span}} AS span, ROW_NUMBER() OVER (PARTITION BY part, name ORDER BY {{span}}) AS place,
        COUNT(*) OVER (PARTITION BY part, name) AS n FROM keyed WHERE {{span}} IS NOT NULL)
  SELECT part, name, MAX(n), MAX(CASE WHEN place <= (n + 1) / 2 THEN span END),
    MAX(CASE WHEN place <= (9 * n + 9) / 10 THEN span END) FROM ranked GROUP BY part, name"""
_STARTS: Final = f"WITH {_SPANS} SELECT (opened_at + :offset) / {HOUR_S}, COUNT(*) FROM spans GROUP BY 1"
_SAID: Final = f"""SELECT (m.sent_at + :offset) / {HOUR_S}, COALESCE(s.line_id, d.line_id), d.connector_id, COUNT(*)
    FROM messages m JOIN dialogs d ON d.chat_id = m.chat_id LEFT JOIN sessions s ON s.id = m.session_ref
    WHERE m.sent_at >= :since AND m.sent_at < :until AND {{conditions}} GROUP BY 1, 2, 3"""
_SAID_BY: Final = """SELECT m.author_id, COUNT(*) FROM messages m JOIN dialogs d ON d.chat_id = m.chat_id
    LEFT JOIN sessions s ON s.id = m.session_ref
    WHERE m.sent_at >= :since AND m.sent_at < :until AND m.author_kind = 'operator' AND {conditions} GROUP BY 1"""
_UNANSWERED: Final = """SELECT d.chat_id, d.title, COALESCE(s.line_id, d.line_id), m.sent_at FROM dialogs d
    JOIN sessions s ON s.id = d.session_ref
    JOIN messages m ON m.message_id = (SELECT w.message_id FROM messages w WHERE w.chat_id = d.chat_id
        AND w.author_kind IN ('client', 'operator') AND NOT w.hidden AND w.source > 0
        ORDER BY w.message_id DESC LIMIT 1)
    WHERE d.status = 'open' AND m.author_kind = 'client' AND {conditions} ORDER BY m.sent_at"""


def stats(storage: Storage, wanted: DialogFilter, offset_s: int) -> dict[str, Any]:
    """`wanted.since` and `until` must be given; sessions count by their beginning, messages by their time."""
    lined = "COALESCE(s.line_id, d.line_id) = :line_id" if wanted.line_id is not None else "1"
    others = filters.of_properties(wanted, without=("line_id",))
    conditions = " AND ".join([lined, *others.terms])
    values = {**others.values, "since": wanted.since, "until": wanted.until, "offset": offset_s}
    with storage.read() as tx:
        found = _Reader(tx, conditions, values)
        return found.report()


class _Reader:
    """One snapshot, read several times."""

    def __init__(self, tx: Tx, conditions: str, values: dict[str, Any]) -> None:
        self._tx = tx
        self._conditions = conditions
        self._values = values

    def report(self) -> dict[str, Any]:
        sessions = {(part, name): count for part, name, count in self._rows(_COUNTS)}
        spans = {
            span: {(part, name): _span(*row) for part, name, *row in self._rows(_PERCENTILES, span=span)}
            for span in ("response", "resolution")
        }
        starts = Counter(dict(self._rows(_STARTS)))
        said = list(self._rows(_SAID))
        said_by = dict(self._rows(_SAID_BY))
        hours = Counter[int]()
        for hour, _, _, count in said:
            hours[hour] += count
        unanswered = list(self._rows(_UNANSWERED))

        def part(name: str, key: str, messages: dict[Any, int], value: Any = lambda name: name) -> list[dict[str, Any]]:
            names = {n for p, n in sessions if p == name} | set(messages)
            return [
                {
                    key: value(n),
                    "sessions": sessions.get((name, n), 0),
                    "messages": messages.get(n, 0),
                    "first_response_s": spans["response"].get((name, n), NO_SPAN),
                    "resolution_s": spans["resolution"].get((name, n), NO_SPAN),
                }
                for n in sorted(names, key=lambda n: (n is None, n))
            ]

        by_line, by_connector = Counter[Any](), Counter[Any]()
        for _, line_id, connector_id, count in said:
            by_line[line_id] += count
            by_connector[connector_id] += count
        people = self._names({n for p, n in sessions if p == "operator"} | set(said_by))
        return {
            "since": iso_utc(self._values["since"]),
            "until": iso_utc(self._values["until"]),
            "totals": {
                "sessions": sessions.get(("", 0), 0),
                "messages": sum(hours.values()),
                "unanswered_now": len(unanswered),
                "first_response_s": spans["response"].get(("", 0), NO_SPAN),
                "resolution_s": spans["resolution"].get(("", 0), NO_SPAN),
            },
            "by_day": _by_day(starts, hours, spans),
            "by_hour": [
                {
                    "hour": hour,
                    "sessions": sum(n for h, n in starts.items() if h % 24 == hour),
                    "messages": sum(n for h, n in hours.items() if h % 24 == hour),
                }
                for hour in range(24)
            ],
            "by_hour_of_week": _by_hour_of_week(starts, hours),
            "by_line": part("line", "line_id", by_line),
            "by_connector": part("connector", "connector_id", by_connector, lambda name: name or None),
            "by_operator": part("operator", "operator", said_by, lambda i: {"id": i, "name": people.get(i, "")}),
            "unanswered": [
                {"chat_id": chat_id, "title": title, "line_id": line_id, "since": iso_utc(at)}
                for chat_id, title, line_id, at in unanswered[:UNANSWERED_SHOWN]
            ],
        }

    def _rows(self, sql: str, **names: str) -> Any:
        return self._tx.sql.execute(sql.format(conditions=self._conditions, **names), self._values)

    def _names(self, ids: set[int]) -> dict[int, str]:
        return {i: self._name(i) for i in ids}

    def _name(self, user_id: int) -> str:
        row = self._tx.sql.execute("SELECT name FROM users WHERE user_id = ?", (user_id,)).fetchone()
        return row[0] if row else ""


NO_SPAN: Final = {"count": 0, "median": None, "p90": None}


def _span(count: int, median: int, p90: int) -> dict[str, int]:
    return {"count": count, "median": median, "p90": p90}


def _by_day(
    starts: Counter[int], hours: Counter[int], spans: dict[str, dict[tuple[str, Any], dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Hours since 1970 by the caller's clock -> each day on which anything was, in order."""
    days = sorted({hour // 24 for hour in (*starts, *hours)})
    begun, said = Counter[int](), Counter[int]()
    for hour, count in starts.items():
        begun[hour // 24] += count
    for hour, count in hours.items():
        said[hour // 24] += count
    return [
        {
            "date": (iso_utc(day * DAY_S) or "")[:10],
            "sessions": begun[day],
            "messages": said[day],
            "first_response_s": spans["response"].get(("day", day), NO_SPAN),
            "resolution_s": spans["resolution"].get(("day", day), NO_SPAN),
        }
        for day in days
    ]


def _by_hour_of_week(starts: Counter[int], hours: Counter[int]) -> list[dict[str, int]]:
    """1 is Monday; 1970 began on a Thursday."""
    begun, said = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for source, target in ((starts, begun), (hours, said)):
        for hour, count in source.items():
            target[(hour // 24 + 3) % 7 + 1, hour % 24] += count
    return [
        {"weekday": weekday, "hour": hour, "sessions": begun[weekday, hour], "messages": said[weekday, hour]}
        for weekday in range(1, 8)
        for hour in range(24)
        if begun[weekday, hour] or said[weekday, hour]
    ]
