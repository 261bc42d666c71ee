"""From the messenger to the portal: what waits in a chat goes there in the order in which it was said.

The portal shows twice what it is told twice. So a message is marked in a commit of its own before the call, and one
that is found marked (we died, or the network did) is looked for in the portal before it is sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import groupby, takewhile
from typing import Final

from ..channels.base import DescribesChats, FindsMissed, Person
from ..channels.messages import InRow
from ..channels.store import Chat, Held
from ..db import Tx
from ..errors import PASSING_CODES, CallRefused, DeliveryFailed, PortalError, PortalUnavailable
from ..model import Job, NewJob
from ..values import dataclass
from .inbox import ALBUM_QUIET_S
from .kinds import in_job
from .openline import NOT_CONNECTED, changed_message, new_message
from .parts import RelayParts, rest_s

log = logging.getLogger(__name__)

RUN: Final = 20  # messages of one chat in one call
CHATS: Final = 50  # chats of one call
LONGEST_ALBUM_S: Final = 10.0
ECHO_LOOK_S: Final = 0.5  # between looks whether a colleague's words are our own that come back
ECHO_PATIENCE_S: Final = 120.0
REFUSALS: Final = 8  # of one message, before those behind it go on without it
DESCRIBE_TRIES: Final = 3
MISSED_S: Final = 900  # what a messenger did not call us about is looked for so far back; the poller finds the rest


@dataclass(slots=True)
class Run:
    """What goes to the portal next of one chat: messages one after the other, or one change."""

    job: Job
    held: Held
    chat: Chat | None
    groups: list[list[InRow]]
    change: str

    @property
    def rows(self) -> list[InRow]:
        return [row for group in self.groups for row in group]


class Arrivals:
    """The handler of channel.in: many chats in one call when many wait."""

    limit = CHATS

    def __init__(self, parts: RelayParts, now: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._now = now

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        outcomes: dict[int, Exception | None] = dict.fromkeys((job.id for job in jobs), None)
        runs: list[Run] = []
        for job in jobs:
            try:
                run = self._next(job)
            except PortalError as error:
                outcomes[job.id] = error
                continue
            if run is not None:
                runs.append(run)

        def place(run: Run) -> tuple[int, str]:
            return run.held.account.id, run.change

        for _, together in groupby(sorted(runs, key=place), key=place):
            outcomes |= self._bring(list(together))
        return [outcomes[job.id] for job in jobs]

    def buried(self, job: Job, reason: str) -> None:
        """What waits in the chat stays there; the next message, or whoever revives the job, tries again."""

    # --- what is next

    def _next(self, job: Job) -> Run | None:
        """None when nothing can go now; what goes later is queued."""
        account_id, chat_id = job.payload["account_id"], job.payload["channel_chat"]
        parts = self._parts
        with parts.storage.read() as tx:
            held, chat = parts.channels.held(tx, account_id), parts.channels.chat(tx, account_id, chat_id)
        if held is None or held.account.line_id is None:
            return None
        rows = parts.messages.waiting(account_id, chat_id, RUN + 1)
        doubtful = [row for row in rows if row.status == "sending"]
        if doubtful:
            pause_s = rest_s(max(row.tried_at or 0 for row in doubtful), self._now())
            if pause_s > 0:
                parts.intake.queue(in_job(account_id, chat_id, self._now() + pause_s, job.trace_id))
                return None
            self._look_for(held, chat, doubtful)
            rows = parts.messages.waiting(account_id, chat_id, RUN + 1)
        if isinstance(parts.registry.load(held.account.channel), FindsMissed):
            rows.sort(key=lambda row: (row.happened.sent_at, row.id))  # they came in any order
            rows = list(takewhile(lambda row: not row.is_held, rows))  # nothing overtakes them
        rows = [row for row in rows if not self._is_echo(row)]
        if not rows:
            return None
        groups, change = _first_run(rows[:RUN])
        wait = self._wait_for(rows, groups, change)
        if not groups:
            parts.intake.queue(in_job(account_id, chat_id, self._now() + wait, job.trace_id))
            return None
        return Run(job, held, chat, groups, change)

    def _wait_for(self, rows: list[InRow], groups: list[list[InRow]], change: str) -> float:
        """Seconds until what cannot go yet is looked at again; takes it out of `groups`."""
        now = self._now()
        for i, group in enumerate(groups):
            first, last = group[0], group[-1]
            if change == "message" and first.happened.album and last is rows[-1]:
                quiet = min(last.at + ALBUM_QUIET_S, first.at + LONGEST_ALBUM_S) - now
                if quiet > 0:
                    del groups[i:]
                    return quiet
            # Asked in this order: what was on its way may have got its number since the echoes were taken out.
            if first.happened.by == "staff" and (self._may_be_echo(first, now) or self._is_echo(first)):
                del groups[i:]
                return ECHO_LOOK_S
        return 0.0

    def _may_be_echo(self, row: InRow, now: float) -> bool:
        """Something of ours is on its way into this chat, so nobody knows yet which number it gets."""
        since = int(row.at - ECHO_PATIENCE_S)
        return now - row.at < ECHO_PATIENCE_S and self._parts.messages.is_sending(row.account_id, row.chat_id, since)

    def _is_echo(self, row: InRow) -> bool:
        """Our own words that the messenger tells us as a colleague's."""
        item, parts = row.happened, self._parts
        if item.by != "staff" or parts.messages.origin(row.account_id, item.message_id) != "line":
            return False  # what was written in a topic is shown in the line, too
        parts.storage.write(lambda tx: parts.messages.settle_in(tx, [row.id], "dropped"))
        return True

    def _look_for(self, held: Held, chat: Chat | None, rows: list[InRow]) -> None:
        """Settle what the portal has; of the rest it is known now that it has not."""
        parts = self._parts
        messages = [row for row in rows if row.happened.change == "message"]
        present = {row.happened.message_id for row in messages if row.portal_message_id is not None}
        portal_chat_id = chat.portal_chat_id if chat is not None else None
        if portal_chat_id is None and messages:
            chat_id = messages[0].chat_id
            portal_chat_id = parts.channels.archived_chat(held.connector_id, chat_id)
            portal_chat_id = portal_chat_id or parts.portal_chat(held.connector_id, chat_id)
        if portal_chat_id is not None and messages:
            present |= parts.open_line.external_ids(portal_chat_id)
        groups, _ = _first_run(messages) if messages else ([], "")
        arrived = [group for group in groups if group[0].happened.message_id in present]
        settled = {row.id for group in arrived for row in group}
        parts.metrics.count("channel_doubts_total", len(rows), outcome="asked")

        def work(tx: Tx) -> None:
            for group in arrived:
                parts.messages.settle_in(tx, [row.id for row in group], "sent")
            if arrived:
                parts.channels.set_line_problem(tx, held.account.id, "")
            parts.messages.not_sent(tx, [row.id for row in rows if row.id not in settled])

        parts.storage.write(work)

    # --- bringing it there

    def _bring(self, runs: list[Run]) -> dict[int, Exception | None]:
        """One call for runs of one account and one kind of change."""
        parts, held, now = self._parts, runs[0].held, int(self._now())
        refs = [row.id for run in runs for row in run.rows]
        parts.storage.write(lambda tx: parts.messages.trying(tx, refs, now))
        try:
            outcomes = self._call(held, runs)
        except PortalError as error:
            is_refused, is_known, problem = isinstance(error, CallRefused), _is_unsent(error), str(error)

            def failed(tx: Tx) -> None:
                if is_known:
                    parts.messages.not_sent(tx, refs)
                if is_refused:
                    parts.channels.set_line_problem(tx, held.account.id, problem)

            parts.storage.write(failed)
            # Nothing that was said is given up because a line is in disorder.
            outcome = PortalUnavailable(problem) if is_refused else error
            return dict.fromkeys((run.job.id for run in runs), outcome)
        return self._settle(held, runs, outcomes)

    def _call(self, held: Held, runs: list[Run]) -> list[tuple[int, str]]:
        """(the portal's chat, the reason why it took it not) for every group of every run."""
        try:
            return self._request(held, runs)
        except CallRefused as refusal:
            if refusal.code not in NOT_CONNECTED:
                raise
        log.warning("the connector %s was not active on its line: it is activated again", held.connector_id)
        self._parts.open_line.connect(held, self._parts.registry.load(held.account.channel).title)
        return self._request(held, runs)

    def _request(self, held: Held, runs: list[Run]) -> list[tuple[int, str]]:
        parts, line_id = self._parts, held.account.line_id or 0
        groups = [(run, group) for run in runs for group in run.groups]
        if runs[0].change == "message":
            items = [self._new(held, run.chat, group) for run, group in groups]
            return parts.open_line.send(held.connector_id, line_id, items)
        changes = [
            changed_message(row.happened, run.chat, parts.messages.shown_as(row.account_id, row.happened.message_id))
            for run, group in groups
            for row in group
        ]
        change = parts.open_line.update if runs[0].change == "edit" else parts.open_line.delete
        change(held.connector_id, line_id, changes)
        return [(run.chat.portal_chat_id or 0 if run.chat else 0, "") for run, _ in groups]

    def _new(self, held: Held, chat: Chat | None, group: list[InRow]) -> dict[str, object]:
        said = [row.happened for row in group]
        now = self._now()
        urls = [self._parts.links.issue(held.account.id, file, now) for item in said for file in item.files]
        return new_message(said, chat, urls)

    def _settle(self, held: Held, runs: list[Run], outcomes: list[tuple[int, str]]) -> dict[int, Exception | None]:
        parts = self._parts
        account_id = held.account.id
        results: dict[int, Exception | None] = {}
        trouble = ""
        told = iter(outcomes)

        settled: list[tuple[list[InRow], int, str]] = []
        for run in runs:
            reason = ""
            for group in run.groups:
                portal_chat_id, problem = next(told)
                settled.append((group, portal_chat_id, problem))
                if problem and group[0].tries + 1 < REFUSALS:
                    reason = reason or problem
            trouble = trouble or reason
            results[run.job.id] = PortalUnavailable(reason) if reason else None

        def work(tx: Tx) -> list[NewJob]:
            for group, portal_chat_id, problem in settled:
                refs = [row.id for row in group]
                if not problem:
                    parts.messages.settle_in(tx, refs, "sent")
                elif group[0].tries + 1 < REFUSALS:
                    parts.messages.not_sent(tx, refs)
                else:
                    parts.messages.settle_in(tx, refs, "failed", problem)
                if portal_chat_id:
                    parts.channels.set_portal_chat(tx, account_id, group[0].chat_id, portal_chat_id)
            parts.channels.set_line_problem(tx, account_id, trouble)
            # More may wait already; a job that finds nothing costs a glance.
            return [
                in_job(account_id, run.rows[0].chat_id, 0.0, run.job.trace_id)
                for run in runs
                if results[run.job.id] is None
            ]

        parts.intake.queue_with(work)
        for group, _, problem in settled:
            if problem:
                log.error("the portal did not take a message of account %d: %s", account_id, problem)
            else:
                parts.metrics.count("channel_in_total", len(group), channel=held.account.channel)
                parts.metrics.observe("channel_in_seconds", max(0.0, self._now() - group[-1].at))
        return results


def _is_unsent(error: PortalError) -> bool:
    """Whether it is known that nothing got through. A portal that stumbles may have done first what it was told."""
    if isinstance(error, CallRefused):
        return error.code not in PASSING_CODES
    return isinstance(error, PortalUnavailable) and (error.busy or error.blocked_method is not None)


def _first_run(rows: list[InRow]) -> tuple[list[list[InRow]], str]:
    """The rows at the beginning that go together: messages (each album one group), or changes of one kind."""
    change = rows[0].happened.change
    groups: list[list[InRow]] = []
    for row in rows:
        item = row.happened
        if item.change != change:
            break
        last = groups[-1][-1].happened if groups else None
        if change == "message" and item.album and last is not None and last.album == item.album and last.by == item.by:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups, change


def describe_chat(parts: RelayParts, job: Job) -> None:
    """Ask the messenger what a chat is about. What it does not tell in a few tries is not waited for."""
    account_id, chat_id = job.payload["account_id"], job.payload["channel_chat"]
    with parts.storage.read() as tx:
        held, chat = parts.channels.held(tx, account_id), parts.channels.chat(tx, account_id, chat_id)
    if held is None or chat is None:
        return
    channel = parts.registry.load(held.account.channel)
    if not isinstance(channel, DescribesChats):
        return
    try:
        card = channel.describe(held.account, chat_id)
    except DeliveryFailed as error:
        if error.final or job.attempts >= DESCRIBE_TRIES:
            log.warning("nobody tells what a chat of account %d is about: %s", account_id, error)
            return
        raise
    known = chat.person
    person = Person(card.client_id, card.client_name, url=known.url if known else "") if card.client_id else known
    described = Chat(account_id, chat_id, card.name, card.url, card.about, chat.state, person, chat.portal_chat_id)

    def work(tx: Tx) -> list[NewJob]:
        parts.channels.describe_chat(tx, described)
        return parts.inbox.notice(tx, held, chat_id, f"about:{chat_id}", card.about) if card.about else []

    parts.intake.queue_with(work)


def fill_gap(parts: RelayParts, job: Job) -> None:
    """A messenger's call may have overtaken another one, or another one may have been lost: ask, then show all.

    Whoever cannot be asked now is not waited for: the poller finds what is missing.
    """
    account_id, chat_id = job.payload["account_id"], job.payload["channel_chat"]
    held = parts.channels.one(account_id)
    if held is None:
        return
    account, channel = held.account, parts.registry.load(held.account.channel)
    refs, posts = parts.messages.held(account_id, chat_id), parts.posts.held(account_id, chat_id)
    if isinstance(channel, FindsMissed):
        since = max(account.created_at, int(job.created_at) - MISSED_S)
        try:
            missed = channel.missed(account, chat_id, since)
        except DeliveryFailed as error:
            log.info("nobody tells what else was said in a chat of account %d: %s", account_id, error)
            missed = ()
        new = parts.inbox.take(account_id, missed, was_asked=True)
        parts.metrics.count("channel_missed_total", new)
    parts.intake.queue_with(lambda tx: parts.inbox.let_go(tx, held, chat_id, refs, posts))


def give_up_gap(parts: RelayParts, job: Job) -> None:
    """Asking failed in an unforeseen way: what was told is shown all the same."""
    account_id, chat_id = job.payload["account_id"], job.payload["channel_chat"]
    held = parts.channels.one(account_id)
    if held is not None:
        refs, posts = parts.messages.held(account_id, chat_id), parts.posts.held(account_id, chat_id)
        parts.intake.queue_with(lambda tx: parts.inbox.let_go(tx, held, chat_id, refs, posts))
