"""What the worker does for each kind of job. The table at the end says which thread does which kind."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from . import intake
from .archive import Archive
from .attachments import FILE_FETCH, FILE_SURVEY
from .attachments.jobs import FetchJobs, FileParts, SurveyJobs
from .bitrix import ensure, handover, install, people
from .bitrix.client import BATCH_LIMIT, BitrixClient, Command
from .bitrix.history import chat_facts
from .bitrix.tokens import Candidate, TokenStore
from .db import Storage, Tx
from .erasure.retention import RETENTION, Retention
from .errors import CallRefused, NotAuthorized
from .metrics import Metrics
from .model import Handover, Job, Lines
from .outbox import OneByOne
from .proof.manifest import MANIFEST, ManifestJobs
from .relay.accounts import Accounts
from .relay.parts import RelayParts
from .staff import Desk, StaffJobs
from .staff.choice import is_in_force, lines_in_force
from .sync import Sync
from .values import dataclass
from .worker import Handler

log = logging.getLogger(__name__)

BOTS_FACT: Final = "bots"
BOTS_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with."""

    storage: Storage
    archive: Archive
    client: BitrixClient
    tokens: TokenStore
    intake: intake.Intake
    client_id: str
    handover: Handover
    wish: ensure.Wish
    metrics: Metrics
    retention: Retention
    manifests: ManifestJobs
    files: FileParts
    sync: Sync
    staff: StaffJobs
    desk: Desk
    relay: RelayParts
    accounts: Accounts


class HandoverJobs:
    """Gives dialogs to people; as many as wait, in one request."""

    limit = BATCH_LIMIT

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        target = self._parts.handover
        outcomes = self._ask([handover.command(target, job.payload["chat_id"]) for job in jobs])
        astray = [i for i, outcome in enumerate(outcomes) if handover.fallback(target, outcome)]
        if astray:
            log.warning(
                "the chosen %s %d takes no dialogs: the line's own queue gets them", target.kind, target.target_id
            )
            queue = Handover("operator")
            again = self._ask([handover.command(queue, jobs[i].payload["chat_id"]) for i in astray])
            for i, outcome in zip(astray, again, strict=True):
                outcomes[i] = outcome
        results = [None if handover.already_done(o) or not isinstance(o, Exception) else o for o in outcomes]
        done = [job for job, result in zip(jobs, results, strict=True) if result is None]
        if done:
            now = int(time.time())
            ours = {job.id for job, outcome in zip(jobs, outcomes, strict=True) if not isinstance(outcome, Exception)}
            self._parts.storage.write(lambda tx: self._mark(tx, done, ours, now))
            for job in done:
                self._parts.metrics.observe("handover_seconds", time.time() - job.created_at)
                log.info(
                    "dialog handed over %.3f s after the event",
                    time.time() - job.created_at,
                    extra={"trace_id": job.trace_id, "chat_id": job.payload["chat_id"]},
                )
        self._parts.metrics.count("handovers_total", len(done))
        return results

    def _ask(self, commands: list[Command]) -> list[Any]:
        client = self._parts.client
        if len(commands) > 1:
            return client.batch(commands, urgent=True)
        try:
            return [client.call(commands[0].method, commands[0].params, urgent=True)]
        except CallRefused as refusal:
            return [refusal]

    def _mark(self, tx: Any, jobs: list[Job], ours: set[int], now: int) -> None:
        for job in jobs:
            self._parts.archive.handed_over(tx, job.payload["session_ref"], now, exact=job.id in ours)

    def buried(self, job: Job, reason: str) -> None:
        ref, now = job.payload["session_ref"], int(time.time())
        self._parts.storage.write(lambda tx: self._parts.archive.handover_failed(tx, ref, reason, now))


def confirm_installations(parts: Parts, job: Job) -> None:
    """Ask the portal about every waiting installation; a confirmed one is stored and the portal set up."""
    for candidate in reversed(parts.tokens.candidates()):  # a flood of forged ones came before the genuine one
        try:
            accepted = settle(parts, candidate)
        except NotAuthorized as error:
            log.warning("an installation was refused: %s", error, extra={"trace_id": job.trace_id})
            parts.metrics.count("installation", outcome="refused")
            parts.tokens.drop_candidate(candidate)
            continue
        parts.tokens.drop_candidate(candidate)
        if candidate.connector_id:
            parts.intake.queue(intake.activate_job(candidate.connector_id, candidate.line_id, job.trace_id))
        if accepted:
            log.info("installed: %r", candidate.installation, extra={"trace_id": job.trace_id})
            parts.intake.queue(intake.ensure_job(job.trace_id))


def settle(parts: Parts, candidate: Candidate) -> bool:
    """Confirm a candidate with the portal and store it if it replaces what is stored; True when it did.

    Raises NotAuthorized when it is to be refused, PortalUnavailable when the portal cannot tell now.
    """
    ours = install.confirm(parts.client, candidate.installation, parts.client_id)
    stored = parts.tokens.current()
    if not install.replaces(candidate, stored):
        if candidate.opened:
            return False
        raise NotAuthorized("another portal is installed here: uninstall the application there first")
    needs_admin = install.must_be_administrator(candidate, stored, ours)
    if needs_admin is None:
        raise NotAuthorized("the application is installed already; set CLIENT_ID to accept its reinstallation")
    if needs_admin and not install.is_administrator(parts.client, candidate.installation):
        raise NotAuthorized("the installer of a second installation is no administrator of the portal")
    if candidate.opened and not candidate.connector_id and parts.desk.is_untouched():
        # Somebody looks at the page: no line is touched before 'Install' is pressed there.
        parts.storage.write(lambda tx: parts.desk.store(tx, Lines(), is_pending=True))
    with parts.tokens.locked():
        parts.tokens.save(install.merged(candidate.installation, parts.tokens.current()))
    parts.metrics.count("installation", outcome="accepted")
    return True


def ensure_portal(parts: Parts, job: Job) -> None:
    known = parts.archive.fact("portal") or {}
    nonce = secrets.token_hex(16)
    parts.storage.write(lambda tx: parts.archive.set_fact(tx, "nonce", nonce))
    choice = parts.desk.choice
    wish = replace(parts.wish, lines=lines_in_force(choice, parts.wish.lines))
    state = ensure.ensure(parts.client, wish, known.get("bot_id") or 0, nonce, known.get("event_mode") or "")
    is_chosen = is_in_force(choice, parts.wish.lines)
    if is_chosen and state.bot_id:
        _leave_lines(parts, state, known, wish.lines)
    value = {**asdict(state), "ensured_at": int(time.time()), "choice": choice.number if choice else 0}
    value["pending"] = choice is not None and is_chosen and choice.is_pending
    parts.storage.write(lambda tx: _keep_portal(parts.archive, tx, value))
    parts.sync.begin()
    parts.accounts.attach_all(job.trace_id)
    log.info(
        "the portal is set up: bot %d, lines %s, problems: %s",
        state.bot_id,
        {line_id: line["state"] for line_id, line in state.lines.items()} or "none",
        "; ".join(state.problems) or "none",
        extra={"trace_id": job.trace_id},
    )


def _keep_portal(archive: Archive, tx: Tx, found: dict[str, Any]) -> None:
    """The state of the portal, and every bot that we have had with the time when it was first seen."""
    archive.set_fact(tx, "portal", found)
    known = archive.fact(BOTS_FACT) or []
    if found["bot_id"] and (not known or known[-1][0] != found["bot_id"]):
        archive.set_fact(tx, BOTS_FACT, [*known, [found["bot_id"], found["ensured_at"]]][-BOTS_KEPT:])


def _leave_lines(parts: Parts, state: ensure.PortalState, known: dict[str, Any], wanted: Lines) -> None:
    """Take our bot off the lines that it was attached to and that are not chosen any more."""
    former = [int(line_id) for line_id, line in (known.get("lines") or {}).items() if line["state"] == "attached"]
    gone = [] if wanted.all else [line_id for line_id in former if line_id not in wanted.ids]
    for line_id, found in ensure.detach(parts.client, state.bot_id, gone).items():
        if found not in ("no bot", "other bot", "no such line"):
            state.problems.append(f"line {line_id}: the bot could not be taken off: {found}")
            state.lines[str(line_id)] = known["lines"][str(line_id)]


def describe_chat(parts: Parts, job: Job) -> None:
    """Line, connector, client and session of a chat whose events did not tell them."""
    chat = chat_facts(parts.client.call("imopenlines.dialog.get", {"CHAT_ID": job.payload["chat_id"]}))
    now = int(time.time())

    def write(tx: Tx) -> None:
        if not parts.archive.is_erased_session(tx, chat, now, begins=True):  # it went while the portal was asked
            parts.archive.describe(tx, chat, now)

    parts.storage.write(write)


def ask_names(parts: Parts, job: Job) -> None:
    """Who is behind the numbers of which nothing else is known; each is asked for once."""
    user_ids = parts.storage.write(lambda tx: parts.archive.nameless(tx, people.ASK_LIMIT))
    if not user_ids:
        return
    command = people.command(user_ids)
    try:
        users = people.read_users(parts.client.call(command.method, command.params))
    except CallRefused as refusal:
        log.warning("the portal tells no names: %s", refusal, extra={"trace_id": job.trace_id})
        users = []
    parts.storage.write(lambda tx: parts.archive.people_told(tx, users, user_ids, int(time.time())))
    if len(user_ids) == people.ASK_LIMIT:
        parts.intake.queue(intake.names_job(job.trace_id))


def activate_connector(parts: Parts, job: Job) -> None:
    """The administrator opened our connector's settings on a line: that is the line of its account from now on.

    A connector without an account (of an application's own) is switched on and says who we are.

    https://apidocs.bitrix24.com/api-reference/imopenlines/imconnector/imconnector-activate.html
    """
    connector, line = job.payload["connector_id"], job.payload["line_id"]
    if parts.accounts.connect_line(connector, line):
        parts.storage.write(lambda tx: parts.archive.connector_line(tx, connector, line, True, int(time.time())))
        return
    parts.client.call("imconnector.activate", {"CONNECTOR": connector, "LINE": line, "ACTIVE": 1})
    data = {"ID": connector, "NAME": parts.wish.bot_name}
    parts.client.call("imconnector.connector.data.set", {"CONNECTOR": connector, "LINE": line, "DATA": data})
    parts.storage.write(lambda tx: parts.archive.connector_line(tx, connector, line, active=True, at=int(time.time())))


def lanes(parts: Parts) -> Mapping[str, Mapping[str, Handler]]:
    """Thread -> kind -> handler, in the order in which a thread looks for work."""

    def single(do: Callable[[Parts, Job], None]) -> OneByOne:
        return OneByOne(lambda job: do(parts, job))

    return {
        "handover": {intake.HANDOVER: HandoverJobs(parts)},
        # Of its own: somebody who asked waits for the answer, and a hand-over waits for nobody's.
        "answers": {intake.ANSWER: OneByOne(parts.staff.answer)},
        "background": {
            intake.CONFIRM: single(confirm_installations),
            intake.ENSURE: single(ensure_portal),
            intake.GREET: OneByOne(parts.staff.greet),
            intake.CONNECTOR_ACTIVATE: single(activate_connector),
            intake.DESCRIBE: single(describe_chat),
            intake.NAMES: single(ask_names),
            intake.RECONCILE: parts.sync.reconcile,
            intake.DISCOVER: parts.sync.discover,
            intake.IMPORT: parts.sync.imports,
            RETENTION: OneByOne(parts.retention),
        },
        # Of its own: the first manifest of a large archive takes minutes.
        "proof": {MANIFEST: parts.manifests},
        "files": {FILE_FETCH: FetchJobs(parts.files), FILE_SURVEY: SurveyJobs(parts.files)},
        # A second thread, so that one slow file does not hold all others.
        **({"more files": {FILE_FETCH: FetchJobs(parts.files)}} if parts.files.queue.is_on else {}),
    }
