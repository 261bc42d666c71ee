"""What the filters of a page ask for, in the words of the API's filters. Bad values are told, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import quote

from ...bitrix.payload import Node
from ...model import Choices, DialogFilter
from ...search import Search
from ...visitors import Visit
from ..api import wanted
from .clock import Clock
from .keeper import within
from .markup import shown_name
from .refusal import Refused

NAMES: Final = ("q", "line_id", "connector_id", "operator_id", "client_id", "status", "has_files", "from", "to", "sort")


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
    plain = {name: value for name, value in given.items() if name not in ("from", "to", "sort")}
    first, last = _day(given, "from"), _day(given, "to")
    found = replace(
        wanted.read_filter(plain, search),
        since=clock.begin_of(first) if first else None,
        until=clock.begin_of(last + timedelta(days=1)) if last else None,
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
