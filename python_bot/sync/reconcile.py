"""The job `reconcile`: a chat's sessions are compared with the portal's own history, several a request.

Which sessions a job asks for is decided when its turn comes: what was settled meanwhile is not asked for again.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final, Protocol

from ..archive import Archive, Comparison
from ..attachments import FileQueue
from ..bitrix.client import BATCH_LIMIT, BitrixClient, Command
from ..bitrix.history import chat_facts, chat_of, read_history, running_session
from ..db import Storage, Tx
from ..errors import B24BotError, BadEvent, PortalError, PortalUnavailable
from ..intake import found_job, names_job, reconcile_job
from ..model import Job, NewJob, SessionCheck, SessionHistory
from ..outbox import Outbox
from ..values import dataclass
from . import schedule

HISTORY: Final = "imopenlines.session.history.get"
CARD: Final = "imopenlines.dialog.get"
LONGEST_WAIT_S: Final = 10.0  # of somebody who waits
LONGEST_TURN_S: Final = 60.0  # then other work has its turn, and the watchdog sees that we are alive


@dataclass(frozen=True, slots=True)
class Ask:
    """What one job wants to know of one chat. `sessions`: number (None: the latest one) -> last message known."""

    chat_id: int
    sessions: Mapping[int | None, int]
    with_card: bool


@dataclass(slots=True)
class Answers:
    """What the portal said to one `Ask`."""

    ask: Ask
    asked_at: int
    card: Any = None
    histories: dict[int | None, Any] = field(default_factory=dict)


def plan(payload: Mapping[str, Any], checks: list[SessionCheck]) -> Ask:
    """The sessions of a chat that are worth a question."""
    scope, hint = payload.get("scope", "due"), payload.get("session_id")
    numbered = {check.session_id: check for check in checks if check.session_id is not None}
    wanted: dict[int | None, int] = {
        number: check.last_message_id
        for number, check in numbered.items()
        if scope == "all" or not (check.closed and check.settled)
    }
    if hint is not None and hint not in numbered:
        wanted[hint] = 0
    elif hint is not None and scope == "again":
        wanted[hint] = numbered[hint].last_message_id
    is_numberless = len(numbered) < len(checks) or not (numbered or hint)
    if is_numberless or scope in ("latest", "all"):
        # The latest one is asked for by the chat: there may be one that we do not know.
        latest = max(numbered, default=None)
        wanted[None] = wanted.pop(latest, numbered[latest].last_message_id) if latest is not None else 0
    # Only a chat's latest session can go on under its old number; whether it does, its card tells.
    newest = max(numbered, default=None)
    is_over = all(number in numbered and numbered[number].closed and number != newest for number in wanted)
    return Ask(payload["chat_id"], wanted, with_card=bool(wanted) and not is_over)


class Missed(Protocol):
    """What else is to be done about a chat of which the archive now knows what was said."""

    def __call__(self, tx: Tx, portal_chat_id: int, /) -> list[NewJob]: ...

    def stored(self) -> None:
        """Told when such jobs are on disk."""


class ReconcileJobs:
    """Handles jobs of the kind `reconcile`; `limit` follows how long the portal takes for its answers."""

    def __init__(
        self,
        storage: Storage,
        archive: Archive,
        compared: Comparison,
        outbox: Outbox,
        client: BitrixClient,
        files: FileQueue,
        missed: Missed | None = None,
    ) -> None:
        self._files = files
        self._missed = missed
        self._storage = storage
        self._archive = archive
        self._compared = compared
        self._outbox = outbox
        self._client = client
        self.limit = schedule.FIRST_PORTION

    def pause_s(self) -> float:
        return self._client.operating.pause_s((HISTORY, CARD))

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        return self._compare(jobs)

    def compare(self, chat_ids: Sequence[int]) -> dict[int, Exception | None]:
        """Read now what was said in these chats, for somebody who waits: the latest sessions, and what is due.

        For each chat None, or why it could not be read.
        """
        before = {chat_id: self._latest(chat_id) for chat_id in chat_ids}
        outcomes = self._compare([reconcile_job(chat_id, 0.0, "", scope="latest") for chat_id in chat_ids], urgent=True)
        told = dict(zip(chat_ids, outcomes, strict=True))
        # The one that was the latest for us was not asked for where there is a later one.
        passed = [chat_id for chat_id, latest in before.items() if latest not in (None, self._latest(chat_id))]
        if passed:
            again = self._compare([reconcile_job(chat_id, 0.0, "") for chat_id in passed], urgent=True)
            told |= {chat_id: told[chat_id] or outcome for chat_id, outcome in zip(passed, again, strict=True)}
        return told

    def _latest(self, chat_id: int) -> int | None:
        numbers = [check.session_id for check in self._compared.sessions_of(chat_id) if check.session_id is not None]
        return max(numbers, default=None)

    def _compare(self, jobs: Sequence[Job | NewJob], *, urgent: bool = False) -> list[Exception | None]:
        asks = [plan(job.payload, self._compared.sessions_of(job.payload["chat_id"])) for job in jobs]
        if urgent:  # whether a session is over can be told later
            asks = [replace(ask, with_card=False) for ask in asks]
        answers = [Answers(ask, int(time.time())) for ask in asks]
        failure, unasked = self._ask(asks, answers, urgent)
        outcomes: list[Exception | None] = []
        for index, (job, answer) in enumerate(zip(jobs, answers, strict=True)):
            refused = self._apply(job, answer)  # of a job that is not done, too: what was told need not be told again
            outcomes.append(failure if index in unasked else refused)
        return outcomes

    def buried(self, job: Job, reason: str) -> None:
        """A chat that the portal keeps refusing leaves one grave, not one for each message."""
        self._storage.write(lambda tx: self._outbox.drop_former_graves(tx, job.id))

    # --- asking

    def _ask(self, asks: list[Ask], answers: list[Answers], urgent: bool) -> tuple[Exception | None, set[int]]:
        """Fill in the answers; why it stopped, if it did, and which of the asks have open questions then."""
        ends_at = time.monotonic() + (LONGEST_WAIT_S if urgent else LONGEST_TURN_S)
        failure: Exception | None = None
        unasked: set[int] = set()
        for questions in _portions(asks, self.limit):
            if failure is None and time.monotonic() > ends_at:
                failure = PortalUnavailable("put off: the portal answers slowly", retry_after_s=1.0)
            if failure is None:
                failure = self._send(questions, answers, urgent)
            if failure is not None:
                unasked |= {index for index, _, _ in questions}
        return failure, unasked

    def _send(self, questions: list[Question], answers: list[Answers], urgent: bool) -> Exception | None:
        started, asked_at = time.monotonic(), int(time.time())
        try:
            results = self._client.batch([command for _, _, command in questions], urgent=urgent)
        except B24BotError as error:
            self.limit = schedule.next_portion(self.limit, 0.0, failed=True)
            return error
        self.limit = schedule.next_portion(self.limit, time.monotonic() - started)
        for (index, number, command), result in zip(questions, results, strict=True):
            answers[index].asked_at = min(answers[index].asked_at, asked_at)
            if command.method == CARD:
                answers[index].card = result
            else:
                answers[index].histories[number] = result
        return None

    # --- what follows

    def _apply(self, job: Job | NewJob, answers: Answers) -> Exception | None:
        """Write the answers for one chat; why the job is not done, if it is not."""
        refused: Exception | None = None
        told: list[tuple[SessionHistory, int, bytes]] = []
        running, title = self._running(answers)
        for number, result in answers.histories.items():
            try:
                if isinstance(result, Exception):
                    raise result
                history = _with_end(read_history(result), running)
            except (PortalError, BadEvent) as error:
                refused = refused or error
                continue
            if not _began_before(history, job.payload.get("since", 0)):
                told.append((history, answers.ask.sessions[number], _packed(result)))
        if told:
            has_missed = self._storage.write(lambda tx: self._write(tx, job, answers, told, running, title))
            if has_missed and self._missed is not None:
                self._missed.stored()
        return refused

    def _running(self, answers: Answers) -> tuple[int | None, Any]:
        """The chat's running session (0: none, None: unknown), and its card when there is one."""
        if answers.card is None or isinstance(answers.card, Exception):
            return None, None
        try:
            _, facts = chat_of(answers.card)
        except BadEvent:
            return None, None
        return running_session(facts["entity_data_1"]), answers.card

    def _write(
        self,
        tx: Tx,
        job: Job | NewJob,
        answers: Answers,
        told: list[tuple[SessionHistory, int, bytes]],
        running: int | None,
        card: Any,
    ) -> bool:
        """Whether there is more to be done: see `Missed`."""
        chat_id, asked_at = answers.ask.chat_id, answers.asked_at
        now = time.time()
        attachments, is_gone = 0, True
        for history, known_to, body in told:
            applied = self._archive.apply_history(tx, history, asked_at, known_to)
            if applied is not None:
                is_gone = False
                attachments += sum(len(item.message.files) for item in applied.messages)
            if applied == history:  # an answer that tells of something erased is not kept
                self._compared.keep_answer(tx, history.session_id, chat_id, asked_at, body)
        if is_gone:
            return False
        for download in self._files.take_up(tx, job.trace_id, attachments):
            self._outbox.put(tx, download, now)
        more = self._missed(tx, chat_id) if self._missed is not None else []
        for missed in more:
            self._outbox.put(tx, missed, now)
        # Their own words and history name most people; who is left now has to be asked for.
        if self._archive.nameless(tx, 1):
            self._outbox.put(tx, names_job(job.trace_id), now)
        if card is not None:
            self._archive.describe(tx, chat_facts(card), asked_at)
        seen = {history.session_id for history, _, _ in told}
        if running and running not in seen:
            self._outbox.put(tx, found_job(chat_id, running, job.trace_id), now)
        if any(history.closed is not True for history, _, _ in told):
            last_at = max((h.messages[-1].message.sent_at for h, _, _ in told if h.messages), default=None)
            self._outbox.put(tx, reconcile_job(chat_id, schedule.next_check(now, last_at), ""), now)
        return bool(more)


Question = tuple[int, int | None, Command]  # index of the Ask, number of the session, what is asked


def _portions(asks: list[Ask], size: int) -> Iterator[list[Question]]:
    """The questions in requests of at most `size` sessions."""
    portion: list[Question] = []
    sessions = 0
    for index, ask in enumerate(asks):
        questions: list[Question] = [(index, number, _history_of(ask.chat_id, number)) for number in ask.sessions]
        if ask.with_card:
            questions.insert(0, (index, None, Command(CARD, {"CHAT_ID": ask.chat_id})))
        for question in questions:
            if sessions >= size or len(portion) == BATCH_LIMIT:
                yield portion
                portion, sessions = [], 0
            portion.append(question)
            sessions += question[2].method == HISTORY
    if portion:
        yield portion


def _history_of(chat_id: int, number: int | None) -> Command:
    return Command(HISTORY, {"SESSION_ID": number} if number is not None else {"CHAT_ID": chat_id})


def _with_end(history: SessionHistory, running: int | None) -> SessionHistory:
    """The history with the portal's word on its end: the card's, else that of the last notice."""
    closed = running != history.session_id if running is not None else (True if history.ended_at else None)
    last_at = history.messages[-1].message.sent_at if history.messages else None
    return replace(history, closed=closed, ended_at=history.ended_at or last_at or None)


def _began_before(history: SessionHistory, at: int) -> bool:
    return bool(history.messages) and history.messages[0].message.sent_at < at


def _packed(result: Any) -> bytes:
    return zlib.compress(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())
