"""The part of an examination that a running instance can make of itself: for the page that people open.

Who opens that page again and again, or in ten windows, asks the portal no more often than once in a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ..bitrix.transport import Exchange
from ..errors import B24BotError
from ..model import time_text
from ..traffic.record import Cause, caused_by, new_trace
from . import asking, machine_state, messengers, visits
from .checks import check
from .facts import ArchiveState, Facts, PortalState, Reach, Subject
from .records import Records
from .report import Report, report
from .texts import Language
from .together import together

KEPT_S: Final = 15.0  # how long an examination is good enough for the next one who asks
REACH_S: Final = 3.0
RECORDS_S: Final = 3.0
PORTAL_S: Final = 4.5
ALL_S: Final = 5.0
JOB: Final = "doctor"


class SelfExamination:
    """`arrivals`: marker -> path of the doctor's requests that came in, as the application keeps them.

    `journal`: told of every request to the portal.
    """

    def __init__(
        self,
        subject: Subject,
        arrivals: Callable[[], Mapping[str, str]],
        journal: Callable[[Exchange], None] = lambda exchange: None,
    ) -> None:
        self._subject = subject
        self._arrivals = arrivals
        self._journal = journal
        self._one_at_a_time = threading.Lock()
        self._last: tuple[float, Report] | None = None  # when: Unix seconds

    def as_json(self, language: Language) -> dict[str, Any]:
        """As `botctl INSTANCE doctor --json`, and when it was. Takes 5 s at most; who comes meanwhile gets the same."""
        with self._one_at_a_time:
            if self._last is None or time.time() - self._last[0] > KEPT_S:
                began = time.monotonic()
                findings = check(self._facts())
                self._last = time.time(), report(self._subject.name, findings, time.monotonic() - began)
            at, found = self._last
        return {**found.as_json(language), "examined_at": time_text(at)}

    def forget(self) -> None:
        """Something was changed, or somebody wants to know it now: the next who asks gets a new one."""
        with self._one_at_a_time:
            self._last = None

    def _facts(self) -> Facts:
        began, end = time.time(), time.monotonic() + PORTAL_S
        records = Records(self._subject.home)
        accounts = records.accounts()
        subject = replace(self._subject, connectors=messengers.connectors(accounts))
        found = together(
            {
                "portal": lambda: self._portal(subject, records, end),
                "hooks": lambda: messengers.ask(subject, accounts),
                "archive": lambda: records.look(RECORDS_S),
                "reach": lambda: visits.look_from_inside(subject, REACH_S, self._arrivals),
            },
            ALL_S,
        )
        portal, archive, reach, hooks = (found.get(name) for name in ("portal", "archive", "reach", "hooks"))
        if not isinstance(portal, PortalState):
            is_late = time.monotonic() > end
            portal = PortalState("unreachable", problem="no answer in time") if is_late else PortalState("unread")
        if not isinstance(archive, ArchiveState):
            archive = ArchiveState((subject.home / "dialogs.db").is_file())
        if not isinstance(reach, Reach):
            reach = Reach(None, None, (), ())
        if not isinstance(hooks, dict):
            hooks = {}
        if portal.test_sent and portal.test_s is None:
            archive = replace(archive, refused=records.refused_events(began))
        if {"portal", "archive"} <= found.keys():
            records.close()
        return Facts(subject, machine_state.look_from_inside(subject), reach, portal, archive, time.time(), hooks)

    def _portal(self, subject: Subject, records: Records, end: float) -> PortalState:
        try:
            with caused_by(Cause(new_trace(), None, JOB)):
                return asking.ask(subject, records.inbound_nonce, end, self._journal)
        except B24BotError as error:
            return PortalState("unreachable", problem=str(error))
        except OSError as error:  # the tokens belong to somebody else: the permissions tell
            return PortalState("unread", problem=str(error.strerror))
