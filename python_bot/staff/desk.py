"""What the page inside the portal can do: admit an administrator, show what may be chosen, take the choice.

Everything here may be asked for twice, in two windows, or a year later: the choice is stored with the jobs that follow
from it in one transaction, and the jobs bring the portal into the wanted state whatever it was before.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from ..archive import Archive, Staff
from ..bitrix import install, people
from ..bitrix.client import BitrixClient, Command
from ..bitrix.ensure import read_lines
from ..bitrix.hosts import HostPolicy, origin
from ..bitrix.payload import Node, number
from ..bitrix.tokens import TokenStore
from ..db import Storage, Tx
from ..errors import B24BotError, CallRefused, PortalError
from ..intake import Intake, ensure_job, greet_job
from ..model import Lines, NewJob
from ..values import dataclass
from .choice import CHOICE, Choice, is_in_force, lines_in_force, lines_text, read_choice

MAX_PEOPLE: Final = 200  # listed on the page


class NotAdmitted(B24BotError):
    """`code`: for the page; the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Line:
    """`state`: attached, other bot, no bot. `is_chosen`: ticked when the page opens."""

    line_id: int
    name: str
    state: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Employee:
    user_id: int
    name: str
    position: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Options:
    """`problem`: what could not be read from the portal, '' when everything was."""

    lines: tuple[Line, ...]
    people: tuple[Employee, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """`is_over`: the set-up has carried the last choice out. Test: when the bot wrote, and when the person answered."""

    is_over: bool
    tested_at: int | None
    answered_at: int | None


class Desk:
    def __init__(
        self,
        storage: Storage,
        archive: Archive,
        staff: Staff,
        intake: Intake,
        client: BitrixClient,
        tokens: TokenStore,
        policy: HostPolicy,
        client_id: str,
        setting: Lines,
    ) -> None:
        self._storage = storage
        self._archive = archive
        self._staff = staff
        self._intake = intake
        self._client = client
        self._tokens = tokens
        self._policy = policy
        self._client_id = client_id
        self._setting = setting

    # --- who may

    def portal(self) -> str:
        """Origin of the installed portal; '' while none is installed."""
        stored = self._tokens.current()
        return origin(stored.client_endpoint) if stored is not None and stored.works else ""

    def admit(self, form: Mapping[str, Any], *, employees: bool = False) -> tuple[str, install.Person]:
        """(origin of the portal, its administrator) behind AUTH_ID and DOMAIN, as the portal itself says.

        `employees`: whoever works in the portal, too. Raises NotAdmitted, NotAuthorized, or PortalUnavailable.
        """
        found = install.from_opened_page(form, self._policy, time.time())
        if found is None:
            raise NotAdmitted("not_permitted", "this portal is not served here")
        portal = origin(found.client_endpoint)
        if self.portal() not in ("", portal):
            raise NotAdmitted("another_portal", "another portal is installed here")
        install.confirm(self._client, found, self._client_id)
        person = install.who(self._client, found)
        if not person.is_administrator and not (employees and self._is_employee(portal, person.user_id)):
            raise NotAdmitted("not_administrator", "only an administrator of the portal may open this page")
        return portal, person

    def _is_employee(self, portal: str, user_id: int) -> bool:
        return self.portal() == portal and any(found.user_id == user_id for found in self.employees([user_id]))

    def lines_of(self, user_id: int) -> tuple[int, ...]:
        """Open lines whose queue this employee stands in. Raises PortalError."""
        rows = self._client.call("imopenlines.config.list.get", {"PARAMS": {}, "OPTIONS": {"QUEUE": "Y"}}, urgent=True)
        found = ((row.number("ID") or 0, _members(row)) for row in Node(rows).nodes())
        return tuple(line_id for line_id, members in found if line_id and user_id in members)

    # --- what may be chosen

    @property
    def choice(self) -> Choice | None:
        return read_choice(self._archive.fact(CHOICE))

    def awaits_choice(self) -> bool:
        """The application was opened and nobody has pressed 'Install' yet."""
        choice = self.choice
        if choice is None:
            return self.is_untouched()
        return choice.is_pending and is_in_force(choice, self._setting)

    def is_untouched(self) -> bool:
        """The portal was never set up by this instance, and nobody chose anything."""
        return self.choice is None and self._archive.fact("portal") is None

    def options(self, user_id: int) -> Options:
        """What the portal has. Raises PortalError when it cannot be asked now."""
        outcomes = self._client.batch(
            [
                Command("imopenlines.config.list.get", {"PARAMS": {}, "OPTIONS": {"QUEUE": "Y"}}),
                Command("user.get", {"FILTER": {"ACTIVE": "Y"}}),
            ],
            urgent=True,
        )
        rows, employees = outcomes
        problem = ""
        if isinstance(rows, PortalError):
            if not isinstance(rows, CallRefused):
                raise rows
            problem, rows = f"imopenlines.config.list.get: {rows.code}", None
        listed = () if isinstance(employees, PortalError) else Node(employees).nodes()  # without the scope `user`
        in_queues = {int(member) for row in Node(rows).nodes() for member in _members(row)}
        wanted = {chat.user_id for chat in self._staff.wanted()}
        known = wanted | {user_id}
        ids = [*known, *sorted(in_queues - known), *(row.number("ID") or 0 for row in listed)]
        bot_id = (self._archive.fact("portal") or {}).get("bot_id") or 0
        found = self.employees(list(dict.fromkeys(filter(None, ids)))[:MAX_PEOPLE])
        chosen = wanted or {user_id}
        return Options(
            tuple(self._line(row, bot_id) for row in Node(rows).nodes()),
            tuple(Employee(person.user_id, person.name, person.position, person.user_id in chosen) for person in found),
            problem,
        )

    def _line(self, row: Node, bot_id: int) -> Line:
        line_id, other = row.number("ID") or 0, row.number("WELCOME_BOT_ID") or 0
        serves = row.yes("WELCOME_BOT_ENABLE") and other
        state = "no bot" if not serves else "attached" if other == bot_id else "other bot"
        lines = self._setting if self.awaits_choice() else lines_in_force(self.choice, self._setting)
        is_chosen = line_id in lines.ids or (lines.all and state != "other bot")
        return Line(line_id, row.text("LINE_NAME"), state, is_chosen)

    def employees(self, user_ids: Collection[int]) -> list[Employee]:
        """Those of them who are employees at work, as the portal says: no clients, no bots. Raises PortalError."""
        found: list[Employee] = []
        ids = list(user_ids)
        for start in range(0, len(ids), people.ASK_LIMIT):
            command = people.command(ids[start : start + people.ASK_LIMIT])
            for row in Node(self._client.call(command.method, command.params, urgent=True)).nodes():
                is_client = row.yes("connector") or row.text("external_auth_id") == "imconnector"
                is_bot, user_id = row.yes("bot") or row.text("type") == "bot", row.number("id")
                if user_id and row.raw.get("active") is not False and not (is_client or is_bot):
                    found.append(Employee(user_id, row.text("name"), row.text("work_position"), False))
        return found

    # --- the choice

    def choose(
        self, line_ids: Collection[int], user_ids: Collection[int], language: str, trace_id: str, *, test_with: int = 0
    ) -> None:
        """Store the choice with the jobs that carry it out. `test_with`: the bot writes to this administrator too.

        Raises PortalError, NotAdmitted, StorageError.
        """
        bot_id = (self._archive.fact("portal") or {}).get("bot_id") or 0
        present = read_lines(self._client, bot_id)
        if not set(line_ids) <= present.keys():
            raise NotAdmitted("no_such_line", "the portal has no such line; reload the page")
        staff = [person.user_id for person in self.employees(user_ids)] if user_ids else []
        if set(user_ids) - set(staff):
            raise NotAdmitted("no_such_employee", "the portal has no such employee; reload the page")
        free = {line_id for line_id, line in present.items() if line["state"] != "other bot"}
        # All that are free, over 'all': lines that are made later attach themselves, as the setting says.
        lines = Lines(all=True) if self._setting.all and set(line_ids) == free else Lines(ids=tuple(sorted(line_ids)))

        def work(tx: Tx) -> list[NewJob]:
            self.store(tx, lines)
            self._staff.want(tx, staff)
            if test_with:
                self._staff.add(tx, test_with)
            tests = [greet_job(test_with, language, trace_id, test=True)] if test_with else []
            return [ensure_job(trace_id), *tests, *(greet_job(user_id, language, trace_id) for user_id in staff)]

        self._intake.queue_with(work)

    def store(self, tx: Tx, lines: Lines, *, is_pending: bool = False) -> None:
        former = read_choice(self._archive.fact_in(tx, CHOICE))
        choice = Choice((former.number if former else 0) + 1, lines_text(lines), lines_text(self._setting), is_pending)
        self._archive.set_fact(tx, CHOICE, choice.value)

    def test(self, user_id: int, language: str, trace_id: str) -> None:
        """The bot writes to this administrator, who may answer with a command."""

        def work(tx: Tx) -> list[NewJob]:
            self._staff.add(tx, user_id)
            return [greet_job(user_id, language, trace_id, test=True)]

        self._intake.queue_with(work)

    def make_sure_that_events_count(self, trace_id: str) -> None:
        """An opened page may not name the application_token, and before `installFinish` the portal sends no event that
        could: the set-up asks it for one now."""
        stored = self._tokens.current()
        if stored is not None and stored.works and not stored.application_token and not self.awaits_choice():
            self._intake.queue(ensure_job(trace_id))

    def progress(self, user_id: int) -> Progress:
        portal, choice, chat = self._archive.fact("portal") or {}, self.choice, self._staff.chat(user_id)
        tested_at = chat.tested_at if chat else None
        is_back = chat is not None and tested_at is not None and (chat.asked_at or 0) >= tested_at
        return Progress(
            is_over=choice is not None and not choice.is_pending and (portal.get("choice") or 0) >= choice.number,
            tested_at=tested_at,
            answered_at=chat.asked_at if chat and is_back else None,
        )


def _members(row: Node) -> list[int]:
    """The numbers of the operators in a line's queue, in both shapes that portals use: ids, or rows with USER_ID."""
    values = row.node("QUEUE").raw.values()
    ids = (Node(value).number("ENTITY_ID", "USER_ID") if isinstance(value, dict) else number(value) for value in values)
    return [user_id for user_id in ids if user_id]
