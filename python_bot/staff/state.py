"""How the instance is, in a few figures and problems: for the page inside the portal and for the bot's answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Literal

from ..archive import Archive, Staff
from ..bitrix.payload import Node
from ..bitrix.tokens import TokenStore
from ..outbox import Outbox
from ..values import dataclass

Trouble = Literal[
    "switched_off",
    "not_authorized",
    "not_set_up",
    "pending",
    "no_bot",
    "no_lines",
    "no_admin",
    "line",
    "buried",
    "late",
]
LATE_S: Final = 60.0  # jobs that wait longer than this are worth a word


@dataclass(frozen=True, slots=True)
class LineState:
    line_id: int
    name: str
    state: str  # attached, other bot, refused, not kept …: as the set-up reports it


@dataclass(frozen=True, slots=True)
class Problem:
    """`about`: what it concerns: a line's name, a number of jobs."""

    kind: Trouble
    about: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Times: Unix seconds. `told`: what the portal refused, in the set-up's own words."""

    now: int
    bot_id: int
    bot_name: str
    lines: tuple[LineState, ...]
    dialogs: int
    open_dialogs: int
    complete_dialogs: int
    messages: int
    last_message_at: int | None
    last_event_at: int | None
    waiting: int
    problems: tuple[Problem, ...]
    told: tuple[str, ...]

    @property
    def attached(self) -> int:
        return sum(line.state == "attached" for line in self.lines)


class StateReader:
    """`last_event_at`: when the portal last delivered an event to this process, 0.0 for not yet."""

    def __init__(
        self,
        archive: Archive,
        staff: Staff,
        outbox: Outbox,
        tokens: TokenStore,
        bot_name: str,
        is_enabled: Callable[[], bool],
        last_event_at: Callable[[], float],
    ) -> None:
        self._archive = archive
        self._staff = staff
        self._outbox = outbox
        self._tokens = tokens
        self._bot_name = bot_name
        self._is_enabled = is_enabled
        self._last_event_at = last_event_at

    def read(self) -> State:
        now = time.time()
        counts, depth = self._archive.counts(), self._outbox.depth(now)
        portal = self._archive.fact("portal") or {}
        lines = _lines(portal)
        problems = self._problems(portal, lines)
        if buried := sum(depth.buried.values()):
            problems.append(Problem("buried", str(buried)))
        if depth.oldest_waiting_at and now - depth.oldest_waiting_at > LATE_S:
            problems.append(Problem("late", str(sum(depth.waiting.values()))))
        return State(
            now=int(now),
            bot_id=portal.get("bot_id") or 0,
            bot_name=self._bot_name,
            lines=lines,
            dialogs=counts["dialogs"],
            open_dialogs=counts["open_dialogs"],
            complete_dialogs=counts["complete_dialogs"],
            messages=counts["messages"],
            last_message_at=self._staff.last_message_at(),
            last_event_at=int(self._last_event_at()) or None,
            waiting=sum(depth.waiting.values()),
            problems=tuple(problems),
            told=tuple(map(str, portal.get("problems") or ())),
        )

    def _problems(self, portal: dict[str, Any], lines: tuple[LineState, ...]) -> list[Problem]:
        stored = self._tokens.current()
        found: list[Problem] = []
        if not self._is_enabled():
            found.append(Problem("switched_off"))
        if stored is None or not stored.works:
            return [*found, Problem("not_authorized")]
        if not portal:
            return [*found, Problem("not_set_up")]
        if not portal.get("bot_id"):
            found.append(Problem("no_bot"))
        if portal.get("admin") is False:
            found.append(Problem("no_admin"))
        if portal.get("pending"):
            return [*found, Problem("pending")]
        if lines and not any(line.state == "attached" for line in lines):
            found.append(Problem("no_lines"))
        odd = [line for line in lines if line.state in ("refused", "not kept")]
        return [*found, *(Problem("line", line.name or str(line.line_id)) for line in odd)]


def _lines(portal: dict[str, Any]) -> tuple[LineState, ...]:
    rows = Node(portal.get("lines")).raw
    found = [(int(line_id), Node(row)) for line_id, row in rows.items() if line_id.isdigit()]
    return tuple(LineState(line_id, row.text("name"), row.text("state")) for line_id, row in sorted(found, key=_id))


def _id(row: tuple[int, Node]) -> int:
    return row[0]
