"""From the portal to the messenger: an operator's message, its changes, and what became of it.

Each part's result is committed before the next one is requested. A part that is found begun (we died, the network did)
is looked for where the messenger can be asked; where it cannot, it is sent again: better twice than never.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

from ..bitrix.client import BATCH_LIMIT
from ..bitrix.payload import Node
from ..channels.base import (
    Channel,
    DeletesMessages,
    EditsMessages,
    FindsSent,
    MarksRead,
    Outgoing,
    OutgoingFile,
    Part,
)
from ..channels.messages import OutRow, Status
from ..channels.store import Held
from ..db import Tx
from ..errors import B24BotError, BadEvent, CallRefused, DeliveryFailed, PortalError
from ..model import Job, NewJob
from . import texts
from .kinds import portal_place, read_job, status_job
from .links import SentLink
from .openline import status_item
from .parts import RelayParts, rest_s
from .sent_files import files_in

log = logging.getLogger(__name__)

MOVED: Final = "moved:"
OVERTAKEN_S: Final = 1.0  # how long a message waits for one that was said before it
LATELY_S: Final = 5  # of what was said longer ago nothing is under way any more
LOOK_S: Final = 0.02


class NoChannel(B24BotError):
    pass


class Answers:
    """The handlers of channel.send, channel.edit and channel.delete: one message at a time, in order per chat."""

    def __init__(self, parts: RelayParts, now: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._now = now

    # --- an operator writes

    def send(self, job: Job) -> None:
        """Raises DeliveryFailed when it is to be tried again, NoChannel when no account is behind the connector,
        PortalError when nobody can tell yet what was said before it.

        Events overtake each other. Messages of a chat that are here already go in the portal's order, and one that is
        known to have been said before is waited for, a moment.
        """
        self._parts.abreast.catch_up(job)
        until = job.created_at + OVERTAKEN_S
        while True:
            own = portal_place(job)[1]
            waiting = [each for each in self._parts.outbox.of_lane(job.lane) if each.kind == job.kind]
            earlier = sorted(
                (each for each in waiting if portal_place(each)[1] < own), key=lambda each: portal_place(each)[1]
            )
            numbers = {portal_place(each)[1] for each in earlier}
            if (
                self._now() >= until
                or not self._parts.messages.unheard(*portal_place(job), int(until) - LATELY_S) - numbers
            ):
                break
            time.sleep(LOOK_S)
        for each in (*earlier, job):
            self._send(each)

    def _send(self, job: Job) -> None:
        held, channel, message = self._message(job)
        if not Node(job.payload["item"]).node("message").number("user_id"):
            return  # the portal's own notices, and words that we mirrored: the client is not told either
        portal = portal_place(job)
        present = {row.part: row for row in self._parts.messages.parts(held.account.id, portal[1])}
        if any(row.status in ("failed", "deleted", "delivered", "read") for row in present.values()):
            return
        parts = channel.parts(message)
        if not parts:
            self._tell(held, message, texts.nothing_to_show(channel.title, self._language), portal[1])
            return
        for part in parts:
            row = present.get(part.number)
            is_due = row is None or row.status in ("waiting", "sending")
            if is_due and not self._deliver(held, channel, message, part, portal, row, job):
                return
        self._delivered(held, message.chat_id, portal, job.trace_id)

    def buried(self, job: Job, reason: str) -> None:
        """Told by the worker: tried for days, or broken in an unforeseen way. The operator is to know."""
        try:
            held, _, message = self._message(job)
        except B24BotError:
            return
        self._tell(held, message, texts.not_delivered(reason, self._language), portal_place(job)[1])

    def _deliver(
        self,
        held: Held,
        channel: Channel,
        message: Outgoing,
        part: Part,
        portal: tuple[int, int],
        row: OutRow | None,
        job: Job,
    ) -> bool:
        """False when it never will arrive, and the operator was told so."""
        parts, account, now = self._parts, held.account, int(self._now())
        chat_id = self._address(held, message.chat_id)
        began = time.monotonic()
        ids: tuple[str, ...] = ()
        if row is not None and row.status == "sending" and row.tried_at is not None:
            ids = self._look_for(held, channel, chat_id, part, row.tried_at)
        body = dict(job.payload["item"]) if part.number == 0 else {}
        place = (part.number, part.kind)
        ref = parts.storage.write(
            lambda tx: parts.messages.begin_part(tx, account.id, message.chat_id, portal, place, body, now)
        )
        try:
            ids = ids or channel.deliver(account, chat_id, part)
        except DeliveryFailed as error:
            self._failed(held, message, ref, portal[1], error)
            if not error.final:
                raise
            return False
        parts.storage.write(lambda tx: self._arrived(tx, held, message.chat_id, ref, ids))
        parts.metrics.count("channel_out_total", channel=account.channel)
        parts.metrics.observe("channel_out_seconds", time.monotonic() - began)
        return True

    def _look_for(self, held: Held, channel: Channel, chat_id: str, part: Part, since: int) -> tuple[str, ...]:
        if isinstance(channel, FindsSent):
            time.sleep(rest_s(since, self._now()))
            doubt = self._parts.messages.doubt(held.account.id, chat_id, since)
            ids = self._parts.messages.unknown(held.account.id, channel.find_sent(held.account, chat_id, part, doubt))
            self._parts.metrics.count("channel_doubts_total", outcome="found" if ids else "not found")
            return ids
        self._parts.metrics.count("channel_doubts_total", outcome="sent again")
        return ()

    def _arrived(self, tx: Tx, held: Held, chat_id: str, ref: int, ids: tuple[str, ...]) -> None:
        self._parts.messages.settle_out(tx, held.account.id, ref, "sent", ids)
        self._parts.channels.set_state(tx, held.account.id, "working")
        self._parts.channels.set_chat_state(tx, held.account.id, chat_id, "open")

    def _failed(self, held: Held, message: Outgoing, ref: int, portal_message_id: int, error: DeliveryFailed) -> None:
        """An answer says that the part did not arrive; no answer leaves it in doubt."""
        parts, problem = self._parts, str(error)
        if error.status is None and not error.final:
            return
        status: Status = "failed" if error.final else "waiting"

        def work(tx: Tx) -> list[NewJob]:
            parts.messages.settle_out(tx, held.account.id, ref, status, problem=problem)
            if not error.final:
                return []
            text = texts.not_delivered(problem, self._language)
            return parts.inbox.notice(tx, held, message.chat_id, f"notice:{portal_message_id}:failed", text)

        parts.intake.queue_with(work)
        if error.final:
            parts.metrics.count("channel_failed_total", channel=held.account.channel)
            log.warning("a message for a client of account %d is given up: %s", held.account.id, problem)

    def _delivered(self, held: Held, chat_id: str, portal: tuple[int, int], trace_id: str) -> None:
        jobs = [status_job(held.account.id, portal[0], [portal[1]], "delivered", trace_id)]
        if isinstance(self._parts.registry.load(held.account.channel), MarksRead):
            jobs.append(read_job(held.account.id, chat_id))

        def work(tx: Tx) -> list[NewJob]:
            self._parts.channels.set_portal_chat(tx, held.account.id, chat_id, portal[0])
            return jobs

        self._parts.intake.queue_with(work)

    # --- an operator changes what is written

    def edit(self, job: Job) -> None:
        held, channel, message = self._message(job)
        portal_message_id = portal_place(job)[1]
        rows = self._parts.messages.parts(held.account.id, portal_message_id)
        if not rows or rows[0].status in ("failed", "deleted"):
            return
        if not isinstance(channel, EditsMessages):
            text = texts.cannot_edit(channel.title, self._language)
            self._tell(held, message, texts.not_changed(text, self._language), portal_message_id, "edit")
            return
        former = self._files(held, Node(rows[0].body).node("message"), job)
        whole = Outgoing(message.key, message.chat_id, message.text, message.files or former, message.author)
        try:
            self._edit(held, channel, whole, rows, portal_place(job))
        except DeliveryFailed as error:
            if not error.final:
                raise
            self._tell(held, message, texts.not_changed(str(error), self._language), portal_message_id, "edit")

    def _edit(
        self, held: Held, channel: Channel, message: Outgoing, rows: list[OutRow], portal: tuple[int, int]
    ) -> None:
        assert isinstance(channel, EditsMessages)
        account = held.account
        chat_id = self._address(held, message.chat_id)
        wanted = channel.parts(message)
        for part, row in zip(wanted, rows, strict=False):
            if row.message_ids and row.status != "deleted":
                channel.edit(account, chat_id, row.message_ids[0], part)
        for part in wanted[len(rows) :]:  # longer than before
            self._add(held, channel, message.chat_id, part, portal)
        if isinstance(channel, DeletesMessages):
            for row in rows[len(wanted) :]:  # shorter
                self._take_back(held, channel, chat_id, row)

    def _add(self, held: Held, channel: Channel, chat_id: str, part: Part, portal: tuple[int, int]) -> None:
        """A part that the message did not have when it was sent first."""
        parts, account, now = self._parts, held.account, int(self._now())
        place = (part.number, part.kind)
        ref = parts.storage.write(lambda tx: parts.messages.begin_part(tx, account.id, chat_id, portal, place, {}, now))
        ids = channel.deliver(account, self._address(held, chat_id), part)
        parts.storage.write(lambda tx: parts.messages.settle_out(tx, account.id, ref, "sent", ids))

    def delete(self, job: Job) -> None:
        held, channel, message = self._message(job)
        portal_message_id = portal_place(job)[1]
        rows = self._parts.messages.parts(held.account.id, portal_message_id)
        rows = [row for row in rows if row.status not in ("failed", "deleted")]
        if not rows:
            return
        if not isinstance(channel, DeletesMessages):
            text = texts.cannot_delete(channel.title, self._language)
            self._tell(held, message, texts.not_deleted(text, self._language), portal_message_id, "delete")
            return
        try:
            for row in rows:
                self._take_back(held, channel, self._address(held, row.chat_id), row)
        except DeliveryFailed as error:
            if not error.final:
                raise
            self._tell(held, message, texts.not_deleted(str(error), self._language), portal_message_id, "delete")

    def _take_back(self, held: Held, channel: DeletesMessages, chat_id: str, row: OutRow) -> None:
        for message_id in row.message_ids:
            channel.delete(held.account, chat_id, message_id)
        self._parts.storage.write(lambda tx: self._parts.messages.settle_out(tx, held.account.id, row.id, "deleted"))

    # --- the client's side of reading

    def mark_read(self, job: Job) -> None:
        held = self._parts.channels.one(job.payload["account_id"])
        if held is None:
            return
        channel = self._parts.registry.load(held.account.channel)
        if isinstance(channel, MarksRead):
            try:
                channel.mark_read(held.account, self._address(held, job.payload["channel_chat"]))
            except DeliveryFailed as error:
                if not error.final:
                    raise
                log.info("a chat of account %d cannot be marked as read: %s", held.account.id, error)

    # --- what all of them need

    @property
    def _language(self) -> str:
        return self._parts.language()

    def _message(self, job: Job) -> tuple[Held, Channel, Outgoing]:
        connector = job.payload["connector_id"]
        held = self._parts.channels.of_connector(connector)
        if held is None:
            raise NoChannel(
                f"no channel serves the connector {connector} on line {job.payload['line_id']}",
                next_step="set the channel up, then revive the job",
            )
        item = Node(job.payload["item"])
        node = item.node("message")
        chat_id = item.node("chat").text("id")
        if not chat_id:
            raise BadEvent("the portal's message names no chat")
        key = f"{portal_place(job)[1]}"
        message = Outgoing(key, chat_id, node.text("text"), self._files(held, node, job), node.text("user_id"))
        return held, self._parts.registry.load(held.account.channel), message

    def _files(self, held: Held, message: Node, job: Job) -> tuple[OutgoingFile, ...]:
        def link(place: int) -> str:
            sent = SentLink(held.account.id, portal_place(job)[1], place)
            return self._parts.links.issue_sent(sent, job.created_at)

        return files_in(message, link)

    def _address(self, held: Held, chat_id: str) -> str:
        """Where messages for a chat go now: the messenger may have given it another number."""
        with self._parts.storage.read() as tx:
            chat = self._parts.channels.chat(tx, held.account.id, chat_id)
        return chat.state.removeprefix(MOVED) if chat is not None and chat.state.startswith(MOVED) else chat_id

    def _tell(self, held: Held, message: Outgoing, text: str, portal_message_id: int, what: str = "failed") -> None:
        key = f"notice:{portal_message_id}:{what}:{int(self._now()) if what != 'failed' else ''}"
        self._parts.intake.queue_with(lambda tx: self._parts.inbox.notice(tx, held, message.chat_id, key, text))


class Statuses:
    """The handler of channel.status: what became of many messages, in one call for each connector."""

    limit = BATCH_LIMIT

    def __init__(self, parts: RelayParts, now: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._now = now

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        outcomes: dict[int, Exception | None] = {}

        def place(job: Job) -> tuple[int, str]:
            return job.payload["account_id"], job.payload["status"]

        for (account_id, status), group in groupby(sorted(jobs, key=place), key=place):
            together = list(group)
            outcome = self._report(account_id, status, together)
            outcomes |= dict.fromkeys((job.id for job in together), outcome)
        return [outcomes[job.id] for job in jobs]

    def buried(self, job: Job, reason: str) -> None:
        pass

    def _report(self, account_id: int, status: str, jobs: list[Job]) -> Exception | None:
        parts = self._parts
        held = parts.channels.one(account_id)
        if held is None or held.account.line_id is None:
            return None
        told = [(job.payload["chat_id"], number) for job in jobs for number in job.payload["message_ids"]]
        items: list[dict[str, Any]] = []
        for portal_chat_id, portal_message_id in told:
            rows = parts.messages.parts(account_id, portal_message_id)
            ids = [message_id for row in rows for message_id in row.message_ids]
            if rows and ids:
                now = int(self._now())
                items.append(status_item(portal_chat_id, portal_message_id, ids, rows[0].chat_id, now))
        try:
            if items:
                parts.open_line.report(held.connector_id, held.account.line_id, status, items)
        except CallRefused as refusal:
            if refusal.is_passing:
                return refusal
            log.warning("the portal takes no status of account %d: %s", account_id, refusal)
        except PortalError as error:
            return error
        numbers = [number for _, number in told]

        def work(tx: Tx) -> None:
            parts.messages.advance(tx, account_id, numbers, "sent", "delivered")
            if status == "read":
                parts.messages.advance(tx, account_id, numbers, "delivered", "read")

        parts.storage.write(work)
        return None
