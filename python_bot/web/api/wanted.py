"""Filters of lists: times, working hours of a day, ids, states. Every bad value is a 400 that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final, Literal

from ...model import DialogFilter
from ...search import BadQuery, Query, Search, parse
from ..errors import ApiError

NAMES: Final = (
    "since",
    "until",
    "date",
    "start_time",
    "end_time",
    "tz_offset",
    "line_id",
    "connector_id",
    "operator_id",
    "client_id",
    "status",
    "has_files",
    "updated_after",
)
MOST_HITS: Final = 50_000  # of the newest, when words filter a list that is ordered by something else
MAX_ID: Final = 2**63 - 1
_OFFSET: Final = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d)|(\.\d+))?")


def read_filter(query: Mapping[str, str], search: Search | None = None, *, by_the_clock: bool = False) -> DialogFilter:
    """Raises ApiError 400 for what cannot be read and for what contradicts itself.

    `search`: takes `q`. `by_the_clock`: the answer tells hours and days, so that `tz_offset` says something alone.
    """
    since, until = read_window(query, by_the_clock=by_the_clock)
    hits = search.message_ids(read_query(query), MOST_HITS) if search and query.get("q") else None
    return DialogFilter(
        since=since,
        until=until,
        chat_id=_id(query, "chat_id"),
        line_id=_id(query, "line_id"),
        connector_id=query.get("connector_id") or None,
        operator_id=_id(query, "operator_id"),
        client_id=_id(query, "client_id"),
        status=_status(query),
        has_files=_yes_or_no(query, "has_files"),
        updated_after=_moment(query, "updated_after"),
        message_ids=None if hits is None else tuple(hits),
    )


def read_query(query: Mapping[str, str]) -> Query:
    try:
        return parse(query.get("q", ""))
    except BadQuery as error:
        raise ApiError(400, "bad_query", f"q: {error}") from None


def offset_s(query: Mapping[str, str]) -> int:
    """The caller's clock: seconds east of UTC."""
    return round(read_zone(query.get("tz_offset", "")).utcoffset(None).total_seconds())


def read_window(query: Mapping[str, str], *, by_the_clock: bool = False) -> tuple[int | None, int | None]:
    """[since, until): given as such, or as hours of one day somewhere on earth. Raises ApiError 400."""
    since, until = _moment(query, "since"), _moment(query, "until")
    if query.get("date"):
        if query.get("since") or query.get("until"):
            raise _bad("date", "names a day; it goes with start_time, end_time and tz_offset, not with since or until")
        return _hours_of_a_day(query)
    for name in ("start_time", "end_time"):
        if query.get(name):
            raise _bad(name, "needs a date beside it")
    if query.get("tz_offset") and since is None and until is None and not by_the_clock:
        raise _bad("tz_offset", "needs a date, since or until beside it")
    if since is not None and until is not None and since >= until:
        raise _bad("since", "must be before until")
    return since, until


def _hours_of_a_day(query: Mapping[str, str]) -> tuple[int, int]:
    zone = read_zone(query.get("tz_offset", ""))
    try:
        day = date.fromisoformat(query["date"])
    except ValueError:
        raise _bad("date", "must be a day like 2026-07-29") from None
    start, end = _clock(query, "start_time", time(0)), _clock(query, "end_time", None)
    try:
        since = datetime.combine(day, start or time(0), zone)
        until = datetime.combine(day, end, zone) if end else datetime.combine(day, time(0), zone) + timedelta(days=1)
        if since >= until:
            raise _bad("start_time", "must be before end_time")
        return int(since.timestamp()), int(until.timestamp())
    except OverflowError:
        raise _bad("date", "is outside the calendar") from None


def _moment(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        # In a query a `+` that was not escaped arrives as a space.
        moment = datetime.fromisoformat(
            text.strip().replace(" ", "+") if text.count(" ") == 1 and "T" in text else text
        )
        zone = read_zone(query.get("tz_offset", ""))
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise _bad(
            name, "must be a time like 2026-07-29T08:00:00Z or a day like 2026-07-29 (UTC, or as tz_offset says)"
        ) from None
    return int(seconds)


def _clock(query: Mapping[str, str], name: str, default: time | None) -> time | None:
    text = query.get(name, "")
    if not text:
        return default
    if name == "end_time" and text in ("24:00", "24:00:00"):
        return None
    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise _bad(name, "must be a time of day like 09:30") from None
    if found.tzinfo is not None:
        raise _bad(name, "takes no zone; use tz_offset")
    return found


def read_zone(text: str) -> timezone:
    """'3', '+3', '-03:30', '5.5' (hours east of UTC) -> the zone; nothing is UTC."""
    found = _OFFSET.fullmatch(text.strip().replace(" ", "+")) if text.strip() else None
    if not text.strip():
        return UTC
    if found is None:
        raise _bad("tz_offset", "must be hours east of UTC, like 3, -5, 5.5 or +03:00")
    sign, hours, minutes, fraction = found.groups()
    total = int(hours) * 60 + int(minutes or 0) + round(float(fraction or 0) * 60)
    if total > 14 * 60:
        raise _bad("tz_offset", "must be at most 14 hours")
    return timezone(timedelta(minutes=-total if sign == "-" else total))


def _id(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_ID):
        raise _bad(name, "must be a number")
    return int(text)


def _status(query: Mapping[str, str]) -> Literal["open", "closed"] | None:
    match query.get("status", ""):
        case "":
            return None
        case "open":
            return "open"
        case "closed":
            return "closed"
    raise _bad("status", "must be open or closed")


def _yes_or_no(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name, "").lower()
    if not text:
        return None
    if text in ("1", "true", "yes", "0", "false", "no"):
        return text in ("1", "true", "yes")
    raise _bad(name, "must be true or false")


def _bad(name: str, what: str) -> ApiError:
    return ApiError(400, "bad_parameter", f"{name} {what}")
