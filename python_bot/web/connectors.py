"""The settings of a connector, opened inside the portal: an administrator of it connects the channel to a line.

Anybody can send that form, so nothing in it is believed: the portal that is installed here is asked whose the token is,
and until it has said that an administrator came, nothing is stored and nobody is called but the portal.
https://apidocs.bitrix24.com/api-reference/widgets/setting-connector.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ..bitrix.tokens import Candidate
from ..channels.store import Held
from ..errors import CallRefused, NotAuthorized, PortalUnavailable, StorageError
from ..metrics import Metrics
from ..staff.desk import Desk, NotAdmitted
from ..traffic.record import Cause, caused_by
from .door import Opened, Reply, refused
from .http_answers import Limiter
from .inbound import Note

log = logging.getLogger(__name__)

PER_MINUTE: Final = 15  # from one address: each asks the portal twice


class ConnectorSettings:
    """`connect`: keeps the choice, for the worker; raises StorageError. `account_of`: by its connector."""

    def __init__(
        self,
        desk: Desk,
        connect: Callable[[Candidate, str], None],
        account_of: Callable[[str], Held | None],
        metrics: Metrics,
    ) -> None:
        self._desk = desk
        self._connect = connect
        self._account_of = account_of
        self._metrics = metrics
        self._limiter = Limiter(PER_MINUTE)

    def visit(self, opened: Opened, address: str, note: Note) -> Reply:
        """What the person sees. `address`: whose attempts are counted."""
        left, _ = self._limiter.take(address)
        if left < 0:
            return refused(429, "too_many_requests", opened)
        if reason := self._refusal(opened, note):
            self._metrics.count("installation", outcome="refused")
            note.error_code = reason
            return refused(200, reason, opened)
        note.outcome = "ok"
        candidate = opened.candidate
        shown = self._shown(candidate.connector_id, candidate.line_id)
        try:
            self._connect(candidate, note.trace_id)
        except StorageError as error:
            note.error_code = type(error).__name__
            log.error("a line for a connector could not be stored: %s", error, extra={"trace_id": note.trace_id})
            return refused(503, "failed", opened)
        context = {"language": opened.language, "portal": opened.portal, "line": candidate.line_id}
        return Reply(200, "connector.html", {**context, **shown})

    def _refusal(self, opened: Opened, note: Note) -> str:
        """Why not; '' for an administrator, as the portal says."""
        try:
            with caused_by(Cause(note.trace_id)):
                portal, person = self._desk.admit(opened.form)
        except NotAdmitted as refusal:
            return "connector_not_administrator" if refusal.code == "not_administrator" else refusal.code
        except (NotAuthorized, CallRefused) as error:
            log.warning("the settings of a connector stay closed: %s", error, extra={"trace_id": note.trace_id})
            return "portal_refused"
        except PortalUnavailable:
            return "portal_unavailable"
        candidate = opened.candidate
        log.warning(
            "administrator %d of %s chose line %d for the connector %s",
            person.user_id,
            portal,
            candidate.line_id,
            candidate.connector_id,
            extra={"trace_id": note.trace_id},
        )
        return ""

    def _shown(self, connector: str, line_id: int) -> dict[str, Any]:
        """How the channel stood when the page was opened."""
        held = self._account_of(connector)
        if held is None:
            return {"name": connector, "connected": False, "problem": ""}
        works = held.account.line_id == line_id and not held.line_problem and held.account.state == "working"
        problem = held.account.problem or (held.line_problem if held.account.line_id == line_id else "")
        return {"name": held.account.identity.name, "connected": works, "problem": problem}
