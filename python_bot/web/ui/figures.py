"""How much was said when and by whom, how long people waited: plots, the same numbers as tables, and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from ...archive import Archive, Views
from ...export.sheet import BOM, guarded
from ..api import params
from . import asked, charts
from .charts import Point
from .clock import Clock, span
from .frame import Frame
from .markup import shown_name

PERIODS: Final = ("30", "7", "90")
NAMES: Final = ("from", "to", "line_id", "connector_id", "operator_id")
MAX_DAYS: Final = 400


def put_on(ui: Blueprint, frame: Frame, archive: Archive, views: Views) -> None:
    @ui.get("/figures")
    def figures() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        clock, known, found, given = _read()
        days = _days(found, clock)
        return frame.show(
            "figures.html",
            section="figures",
            names=known,
            given=given,
            query="&".join(f"{name}={quote(request.args[name])}" for name in (*NAMES, "days") if name in request.args),
            periods=PERIODS,
            totals=found["totals"],
            days=days,
            plots=_plots(days, found, clock, frame),
            weekdays=_week(found),
            by_operator=[(_operator(row), row) for row in found["by_operator"]],
            by_line=[(known.line(row["line_id"]) or "–", row) for row in found["by_line"]],
            by_connector=[(row["connector_id"] or "–", row) for row in found["by_connector"]],
            unanswered=found["unanswered"],
            span=span,
        )

    @ui.get("/figures.csv")
    def table() -> AnyResponse:
        if (turned_away := frame.admit()) is not None:
            return turned_away
        clock, known, found, _ = _read()
        buffer = StringIO()
        buffer.write(BOM)
        writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
        writer.writerow(("part", "name", "sessions", "messages", *(f"{s}_{k}" for s in _SPANS for k in _SPAN_KEYS)))
        for day in found["by_day"]:
            writer.writerow(("day", day["date"], *_numbers(day)))
        for hour in found["by_hour_of_week"]:
            name = f"{hour['weekday']} {hour['hour']:02d}:00"
            writer.writerow(("hour of week", name, hour["sessions"], hour["messages"], *[""] * 6))
        for operator in found["by_operator"]:
            writer.writerow(("operator", guarded(_operator(operator)), *_numbers(operator)))
        for line in found["by_line"]:
            writer.writerow(("line", guarded(known.line(line["line_id"])), *_numbers(line)))
        for connector in found["by_connector"]:
            writer.writerow(("connector", guarded(connector["connector_id"] or ""), *_numbers(connector)))
        for waiting in found["unanswered"]:
            writer.writerow(("unanswered", waiting["chat_id"], clock.full(waiting["since"]), "", *[""] * 6))
        response = Response(buffer.getvalue(), mimetype="text/csv")
        response.headers["Content-Disposition"] = 'attachment; filename="figures.csv"'
        return response

    def _read() -> tuple[Clock, asked.Names, dict[str, Any], dict[str, str]]:
        visit, clock = frame.visit(), frame.clock()
        chosen = {name: value for name, value in request.args.items() if name in NAMES}
        wish = asked.read(chosen, visit, clock)
        today = clock.local(clock.now).date()
        count = int(params.one_of(request.args, "days", PERIODS, PERIODS[0]))
        until = wish.wanted.until or clock.begin_of(today + timedelta(days=1))
        since = wish.wanted.since or clock.begin_of(clock.local(until - 1).date() - timedelta(days=count - 1))
        wanted = replace(wish.wanted, since=max(since, until - MAX_DAYS * 86_400), until=until)
        found = archive.stats(wanted, clock.offset_s())
        known = asked.names(views.choices(), archive.fact("portal"), visit)
        given = {**dict.fromkeys(NAMES, ""), **wish.given, "days": str(count)}
        return clock, known, found, given

    def _operator(row: Mapping[str, Any]) -> str:
        return shown_name(row["operator"]["name"], f"№ {row['operator']['id']}")


_SPANS: Final = ("first_response_s", "resolution_s")
_SPAN_KEYS: Final = ("count", "median", "p90")


def _numbers(row: Mapping[str, Any]) -> tuple[Any, ...]:
    spans = (row[name][key] for name in _SPANS for key in _SPAN_KEYS)
    return (row["sessions"], row["messages"], *("" if value is None else value for value in spans))


def _days(found: Mapping[str, Any], clock: Clock) -> list[dict[str, Any]]:
    """Every day of the period, those on which nothing was said too."""
    known = {row["date"]: row for row in found["by_day"]}
    day, last = clock.local(found["since"]).date(), clock.local(_before(found["until"], clock)).date()
    nothing = {"sessions": 0, "messages": 0, **{name: dict.fromkeys(_SPAN_KEYS) for name in _SPANS}}
    rows = []
    while day <= last:
        rows.append({**nothing, **known.get(day.isoformat(), {}), "date": day.isoformat(), "label": _label(day, clock)})
        day += timedelta(days=1)
    return rows


def _before(until: str, clock: Clock) -> int:
    return int(clock.local(until).timestamp()) - 1


def _label(day: date, clock: Clock) -> str:
    return f"{day:%d.%m}" if clock.language == "ru" else f"{day.day} {day:%b}"


def _week(found: Mapping[str, Any]) -> list[list[int]]:
    week = [[0] * 24 for _ in range(7)]
    for row in found["by_hour_of_week"]:
        week[row["weekday"] - 1][row["hour"]] = row["messages"]
    return week


def _plots(days: list[dict[str, Any]], found: Mapping[str, Any], clock: Clock, frame: Frame) -> dict[str, Any]:
    words = frame.words()
    nothing = words["nothing_told"]
    plots: dict[str, Any] = {}
    for name in ("sessions", "messages"):
        points = [Point(row["label"], row[name], f"{row['label']}: {row[name]}") for row in days]
        total = sum(row[name] for row in days)
        plots[name] = charts.bars(words[f"per_day_{name}"], f"Σ {total}", points, lambda value: f"{value:g}", nothing)
    for name, key in (("response", "first_response_s"), ("resolution", "resolution_s")):
        spans = [(row["label"], row[key]["median"]) for row in days]
        points = [
            Point(label, value, f"{label}: {span(value, clock.language)}" if value is not None else "")
            for label, value in spans
        ]
        median = found["totals"][key]["median"]
        summary = "–" if median is None else f"{words['median']} {span(median, clock.language)}"
        plots[name] = charts.line(
            words[f"per_day_{name}"], summary, points, lambda value: span(round(value), clock.language), nothing
        )
    names, rows = words["weekdays"].split(), []
    for name, cells in zip(names, _week(found), strict=True):
        rows.append((name, [(count, f"{name} {hour:02d}:00: {count}") for hour, count in enumerate(cells)]))
    plots["heat"] = charts.heat(words["heat"], f"Σ {found['totals']['messages']}", rows)
    return plots
