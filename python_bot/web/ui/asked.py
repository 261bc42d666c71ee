"""What the filters of a page ask for, in the words of the API's filters. Bad values are told, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import quote

from ...bitrix.payload import Node
from ...model import Choices, DialogFilter
from ...search import Search
from ...values import dataclass
from ...visitors import Visit
from ..api import wanted
from .clock import Clock
from .keeper import within
from .markup import shown_name
from .refusal import Refused

_PLAIN: Final = ("q", "line_id", "connector_id", "operator_id", "client_id", "status", "has_files")
NAMES: Final = (*_PLAIN, "from", "start_time", "to", "end_time", "updated_after", "sort")


@dataclass(frozen=True, slots=True)
class Asked:
    """`given`: as the form shows it again; `query`: the same for a link."""

    wanted: DialogFilter
    given: dict[str, str]

    @property
    def query(self) -> str:
        return "&".join(f"{name}={quote(value)}" for name, value in self.given.items())


def read(args: Mapping[str, str], visit: Visit, clock: Clock, search: Search | None = None) -> Asked:
    """Raises ApiError 400."""
    given = {name: args[name].strip() for name in NAMES if args.get(name, "").strip()}
    plain = {name: value for name, value in given.items() if name in _PLAIN}
    first, last = _day(given, "from"), _day(given, "to")
    start, end = _hour(given, "start_time", first), _hour(given, "end_time", last)
    until = last + timedelta(days=1) if last and end is None else last
    found = replace(
        wanted.read_filter(plain, search),
        since=clock.at(first, start or time(0)) if first else None,
        until=clock.at(until, end or time(0)) if until else None,
        updated_after=_moment(given, clock),
    )
    if found.since is not None and found.until is not None and found.since >= found.until:
        raise Refused(400, "bad_days")
    return Asked(within(visit, found), given)


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name, "")
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        found = date.min
    if found is not None and not 1970 < found.year < 3000:
        raise Refused(400, "bad_days")
    return found


def _hour(given: Mapping[str, str], name: str, day: date | None) -> time | None:
    """Of a day that is given beside it."""
    text = given.get(name, "")
    try:
        found = time.fromisoformat(text) if text else None
    except ValueError:
        raise Refused(400, "bad_hours") from None
    if found is not None and (day is None or found.tzinfo is not None):
        raise Refused(400, "bad_hours")
    return found


def _moment(given: Mapping[str, str], clock: Clock) -> int | None:
    """A browser's field knows no zone: the reader's own is meant."""
    text = given.get("updated_after", "")
    try:
        found = datetime.fromisoformat(text) if text else None
        return int((found if found.tzinfo else found.replace(tzinfo=clock.zone)).timestamp()) if found else None
    except (ValueError, OverflowError):
        raise Refused(400, "bad_hours") from None


@dataclass(frozen=True, slots=True)
class Names:
    """What lines, channels and operators are called."""

    lines: dict[int, str]
    operators: dict[int, str]
    connectors: tuple[str, ...]

    def line(self, line_id: int | None) -> str:
        return "" if line_id is None else self.lines.get(line_id) or f"№ {line_id}"


def names(choices: Choices, portal: Any, visit: Visit) -> Names:
    """`portal`: what the set-up reported of it."""
    told = Node(portal).node("lines")
    lines = {number: told.node(str(number)).text("name") for number in choices.lines}
    if visit.lines is not None:
        lines = {number: name for number, name in lines.items() if number in visit.lines}
    operators = {number: shown_name(name, f"№ {number}") for number, name in choices.operators}
    return Names(lines, {visit.user_id: visit.name} if visit.own and visit.user_id else operators, choices.connectors)
