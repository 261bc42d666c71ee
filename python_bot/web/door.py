"""The door for the portal's requests: what kind is it, is it genuine, store it, answer. Calls no one.

One URL receives everything: events (`event=`), the application opened in the portal (`AUTH_ID=`), the settings of
a connector (`PLACEMENT=`), the OAuth return (GET `?code=`), and whatever else the internet sends. A genuine event is
answered 200 after it is on disk and 503 when it cannot be stored; a forged one is answered like any other, counted,
and leaves no trace.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any, Final, Literal

from ..archive import Archive
from ..bitrix import install
from ..bitrix.event_types import AppUninstalled
from ..bitrix.events import READERS, event_time, read_event
from ..bitrix.hosts import HostPolicy, origin
from ..bitrix.payload import Node, number
from ..bitrix.php_form import Request, read_request
from ..bitrix.tokens import Candidate, Installation, TokenStore
from ..errors import BadEvent, StorageError
from ..intake import Intake, chats_of, confirm_job
from ..metrics import Metrics
from ..model import JournalEntry
from ..staff.texts import Language, language_of
from ..traffic import shape
from ..traffic.record import Outcome
from ..values import dataclass
from .inbound import Note

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
NOISE_PAUSE_S: Final = 60.0  # strangers' requests are counted each, and logged this often at the most
_PLAIN_NAME: Final = re.compile(r"ON[A-Z]{2,40}")
SETTINGS: Final = "SETTING_CONNECTOR"  # the placement
INSTALL_EVENTS: Final = frozenset({"ONAPPINSTALL", "ONAPPUPDATE"})


@dataclass(frozen=True, slots=True)
class Opened:
    """The settings of a connector, opened by whoever has the token in `form`. `portal`: the origin of its host."""

    candidate: Candidate
    form: dict[str, Any] = field(repr=False)
    portal: str
    language: Language


@dataclass(frozen=True, slots=True)
class Reply:
    """`page`: the template to show to a person; empty for a machine.

    `opened`: this is a refusal unless the portal says that an administrator came: `connectors` asks it.
    """

    status: int = 200
    page: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    opened: Opened | None = None


OK: Final = Reply()


def refused(status: int, reason: str, opened: Opened) -> Reply:
    """The settings of a connector stay closed. `reason`: a name in page_texts.

    A person in a frame of the portal is to read why: 200 like its other pages, unless another try would do.
    """
    context = {"language": opened.language, "portal": opened.portal, "reason": reason}
    return Reply(status, "connector_refused.html", context)


class Door:
    """`lost`: told when an event could not be stored, which nobody tells again."""

    def __init__(
        self,
        archive: Archive,
        intake: Intake,
        tokens: TokenStore,
        policy: HostPolicy,
        metrics: Metrics,
        lost: Callable[[], None],
    ) -> None:
        self._lost = lost
        self._archive = archive
        self._intake = intake
        self._tokens = tokens
        self._policy = policy
        self._metrics = metrics
        self.last_event_at = 0.0
        self._noise_logged_at: dict[str, float] = {}

    def receive(self, body: bytes, query: bytes, trace_id: str, note: Note, *, is_known: bool = False) -> Reply:
        """One POST. Never raises; 503 says that nothing was stored. `note` gets what the journal is to know.

        `is_known`: the sender knows a secret that only the portal was told; an application_token, when there is one,
        has to be the right one all the same.
        """
        started = time.perf_counter()
        note.request_shape = shape.of_query(query) + shape.of_body(body)
        try:
            return self._receive(body, query, trace_id, note, is_known)
        except StorageError as error:
            note.error_code = type(error).__name__
            self._metrics.count("events_refused_total", reason=type(error).__name__)
            self._lost()
            log.error("an event could not be stored: %s; %s", error, error.next_step, extra={"trace_id": trace_id})
            return Reply(503)
        finally:
            self._metrics.observe("acknowledgement_seconds", time.perf_counter() - started)

    def _receive(self, body: bytes, query: bytes, trace_id: str, note: Note, is_known: bool) -> Reply:
        try:
            request = read_request(body, query)
        except BadEvent as error:
            return self._garbage(str(error), trace_id)
        name = request.tree.get("event")
        if isinstance(name, str) and name:
            self._event(name[:64].upper(), request, trace_id, note, is_known)
            return OK
        if request.tree.get("AUTH_ID") or request.tree.get("PLACEMENT"):
            return self._opened(request, trace_id, note)
        return self._garbage("neither an event nor an opened application", trace_id)

    def _garbage(self, why: str, trace_id: str) -> Reply:
        self._metrics.count("requests_ignored_total")
        self._note_noise("a request was ignored: %s", why, trace_id)
        return OK

    def _note_noise(self, text: str, what: str, trace_id: str) -> None:
        """Log a stranger's request, but let nobody fill the disk with such lines."""
        now = time.monotonic()
        if now - self._noise_logged_at.get(text, -NOISE_PAUSE_S) >= NOISE_PAUSE_S:
            self._noise_logged_at[text] = now
            log.warning(text, what, extra={"trace_id": trace_id})

    # --- events

    def _event(self, name: str, request: Request, trace_id: str, note: Note, is_known: bool) -> None:
        auth = Node(request.tree.get("auth"))
        given = auth.text("application_token")
        is_genuine = self._is_genuine(given) or (is_known and not given)
        note.kind = "event"
        note.subject = name if name in READERS or _PLAIN_NAME.fullmatch(name) else "*"
        note.portal = auth.text("domain")
        note.authorization = "application_token" if given else "none"
        if name in INSTALL_EVENTS:
            self._installation(auth, is_genuine, name, trace_id)
        elif name == "ONAPPTEST" and not is_genuine:
            is_genuine = self._learn_application_token(request, auth)
        if not is_genuine:
            note.outcome = "unverified" if name in INSTALL_EVENTS else self._why_forged(given)
            if name not in INSTALL_EVENTS:
                self._forged(name, trace_id)
            return
        note.outcome = "ok"
        self._store(name, request, trace_id, note)

    def _is_genuine(self, given: str) -> bool:
        """Constant time; an empty token on either side never matches."""
        stored = self._tokens.current()
        expected = stored.application_token if stored else ""
        return bool(given and expected) and hmac.compare_digest(given.encode(), expected.encode())

    def _why_forged(self, given: str) -> Outcome:
        stored = self._tokens.current()
        if not given:
            return "missing"
        return "mismatch" if stored is not None and stored.application_token else "unknown"

    def _forged(self, name: str, trace_id: str) -> None:
        self._metrics.count("events_forged_total")
        log.warning(
            "an event with a foreign application_token was ignored", extra={"trace_id": trace_id, "event": name}
        )

    def _store(self, name: str, request: Request, trace_id: str, note: Note) -> None:
        now = time.time()
        outcome: Literal["read", "unknown", "unreadable"] = "read"
        try:
            events = read_event(name, request.tree.get("data"), event_time(request.tree, now))
            if events is None:
                outcome = "unknown"
        except BadEvent as error:
            log.warning("an event could not be read: %s", error, extra={"trace_id": trace_id, "event": name})
            events, outcome = None, "unreadable"
        note.chat_ids = tuple(sorted(chats_of(events or [])))
        note.error_code = "" if outcome == "read" else outcome
        entry = JournalEntry(
            received_at=int(now),
            event=name,
            trace_id=trace_id,
            fingerprint=request.fingerprint,
            body=request.stored,
            format=request.format,
            outcome=outcome,
        )
        self._intake.take(entry, events or [])
        self.last_event_at = now
        if events and isinstance(events[0], AppUninstalled):
            self._uninstall(trace_id)

    def _uninstall(self, trace_id: str) -> None:
        """The archive stays, whatever CLEAN says: erasing it is the sysadmin's decision."""
        with self._tokens.locked():
            stored = self._tokens.current()
            if stored is not None:
                self._tokens.save(install.uninstalled(stored, time.time()))
        log.warning("the application was uninstalled in the portal: the archive is kept", extra={"trace_id": trace_id})

    # --- installations

    def _installation(self, auth: Node, is_genuine: bool, name: str, trace_id: str) -> None:
        found = install.from_event(auth.raw, self._policy, time.time())
        if found is None:
            self._metrics.count("installation", outcome="not permitted")
            text = "%s from a portal that is not permitted was ignored; B24BOT_PORTAL names the permitted one"
            self._note_noise(text, name, trace_id)
            return
        self.wait_for_confirmation(Candidate(found), trace_id)

    def wait_for_confirmation(self, candidate: Candidate, trace_id: str) -> None:
        """Keep what the worker is to ask the portal about. Raises StorageError."""
        try:
            is_kept = self._tokens.add_candidate(candidate)
        except OSError as error:
            raise StorageError(f"auth.json cannot be written: {error.strerror}") from None
        if not is_kept:
            self._metrics.count("installation", outcome="flood")
            log.error("too many installations wait for their confirmation", extra={"trace_id": trace_id})
            return
        self._intake.queue(confirm_job(trace_id))

    def _learn_application_token(self, request: Request, auth: Node) -> bool:
        """After an authorization by code nobody told us the application_token. The portal's answer to our own
        `event.test` does: only the portal knows the nonce that we sent with it."""
        stored = self._tokens.current()
        token = auth.text("application_token")
        nonce = Node(request.tree.get("data")).node("QUERY").text("nonce", "NONCE")
        expected = self._archive.fact("nonce") or ""
        if stored is None or stored.application_token or not (token and nonce and expected):
            return False
        if not hmac.compare_digest(nonce.encode(), str(expected).encode()):
            return False
        with self._tokens.locked():
            self._tokens.save(install.with_application_token(stored, token, auth.text("member_id")))
        return True

    # --- the application opened in the portal

    def _opened(self, request: Request, trace_id: str, note: Note) -> Reply:
        tree = request.tree
        note.kind, note.portal = "opened", Node(tree).text("DOMAIN")
        note.authorization = "auth_id" if tree.get("AUTH_ID") else "none"
        note.outcome = "unverified" if tree.get("AUTH_ID") else "missing"
        found = install.from_opened_page(tree, self._policy, time.time())
        language = language_of(Node(tree).text("LANG"))
        if found is None:
            self._metrics.count("installation", outcome="not permitted")
            note.error_code = "portal_not_permitted"
            return Reply(200, "not_permitted.html", {"language": language})
        stored, portal = self._tokens.current(), origin(found.client_endpoint)
        is_new = stored is None or not stored.works
        if stored is not None and stored.works and origin(stored.client_endpoint) != portal:
            self._metrics.count("installation", outcome="not permitted")
            note.error_code = "another_portal"
            return Reply(200, "not_permitted.html", {"language": language})
        if Node(tree).text("PLACEMENT") == SETTINGS:
            connector, line = _connector_settings(tree)
            candidate = Candidate(found, opened=True, connector_id=connector, line_id=line)
            return _settings(Opened(candidate, tree, portal, language), stored, note)
        if is_new:
            self.wait_for_confirmation(Candidate(found, opened=True), trace_id)
        return Reply(200, "page.html", {"language": language, "portal": portal, "is_new": is_new})


def _settings(opened: Opened, stored: Installation | None, note: Note) -> Reply:
    """A refusal that `connectors` may turn: who came, only the portal knows."""
    candidate = opened.candidate
    reason = ""
    if not (candidate.connector_id and candidate.line_id):
        reason = "connector_not_named"
    elif stored is not None and stored.member_id and candidate.installation.member_id != stored.member_id:
        reason = "another_portal"
    if reason:
        note.error_code = reason
        return refused(200, reason, opened)
    return replace(refused(200, "portal_refused", opened), opened=opened)


def _connector_settings(tree: dict[str, Any]) -> tuple[str, int]:
    """https://apidocs.bitrix24.com/api-reference/widgets/setting-connector.html -> ('acme_avito', 3), or ('', 0)."""
    try:
        options = Node(json.loads(Node(tree).text("PLACEMENT_OPTIONS") or "{}"))
    except (ValueError, RecursionError):
        return "", 0
    return options.text("CONNECTOR")[:64], number(options.text("LINE")) or 0
