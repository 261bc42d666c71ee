"""Accounts of channels: adding, changing, removing, connecting. What the API, the command line and the page ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..channels.base import Account, HasTopics, Identity, Receives
from ..channels.store import Held
from ..db import Tx
from ..errors import CallRefused, DeliveryFailed, NoSuchAccount, NotAuthorized, PortalError
from ..model import Job, NewJob
from .inbox import chat_jobs
from .kinds import CHANNEL_ATTACH, CHANNEL_TOPIC, attach_job
from .openline import connector_id
from .parts import RelayParts
from .topics import desk_of

log = logging.getLogger(__name__)

PENDING = "pending:"  # begins the number of an account whose messenger did not yet say whose it is
FORMER_SECRET = "former_webhook_secret"  # good until the messenger has been told the new one
KEEP: Any = object()  # for what a change leaves as it is


class Accounts:
    def __init__(self, parts: RelayParts, instance: str, now: Callable[[], float] = time.time) -> None:
        self._parts = parts
        self._instance = instance
        self._now = now

    def all(self, channel: str | None = None) -> list[Held]:
        return self._parts.channels.all(channel)

    def one(self, account_id: int, channel: str | None = None) -> Held:
        """Raises NoSuchAccount."""
        held = self._parts.channels.one(account_id)
        if held is None or channel not in (None, held.account.channel):
            raise NoSuchAccount(f"there is no account {account_id}", next_step="list the accounts")
        return held

    def add(
        self,
        channel: str,
        secrets: Mapping[str, str],
        line_id: int | None = None,
        options: Mapping[str, object] | None = None,
        unreachable: Identity | None = None,
    ) -> tuple[Held, bool]:
        """The account, and whether it is new: who is known already gets the new secrets, line and options.

        `unreachable`: under which name it is kept when the messenger cannot be asked now; without it nothing is kept.
        Raises DeliveryFailed.
        """
        identity, problem = self._identify(channel, secrets, unreachable)
        parts = self._parts

        def work(tx: Tx) -> tuple[int, bool]:
            known = parts.channels.of_identity(tx, channel, identity.external_id)
            if known is None:
                account_id = parts.channels.add(tx, channel, identity, line_id, options or {}, int(self._now()))
                parts.channels.name_connector(tx, account_id, connector_id(self._instance, channel, account_id))
            else:
                account_id = known
                parts.channels.introduce(tx, account_id, identity)
                if line_id is not None:
                    parts.channels.set_line(tx, account_id, line_id)
                held = parts.channels.held(tx, account_id)
                if options is not None and held is not None:
                    parts.channels.set_options(tx, account_id, {**held.account.options, **options})
            parts.channels.set_secrets(tx, account_id, secrets)
            if problem:
                parts.channels.set_state(tx, account_id, "failing", problem)
            elif known is not None:
                parts.channels.set_state(tx, account_id, "connecting")
            return account_id, known is None

        account_id, is_new = parts.storage.write(work)
        self._changed(account_id)
        log.info("the %s account %d (%s) was %s", channel, account_id, identity.name, "added" if is_new else "renewed")
        return self.one(account_id), is_new

    def adopt(
        self,
        channel: str,
        external_id: str,
        secrets: Mapping[str, str],
        line_id: int | None,
        options: Mapping[str, object],
        fresh: Mapping[str, str],
    ) -> None:
        """An account that the settings name, at each start: kept without asking anybody, `attach` introduces it.

        What the settings leave out stays as it is, a line that was chosen in the portal too. `fresh`: secrets of ours
        for a new one.
        """
        parts = self._parts

        def work(tx: Tx) -> None:
            account_id = parts.channels.of_identity(tx, channel, external_id)
            if account_id is None:
                account_id = parts.channels.of_identity(tx, channel, f"{PENDING}{external_id}")
            if account_id is None:
                identity = Identity(f"{PENDING}{external_id}", external_id)
                account_id = parts.channels.add(tx, channel, identity, line_id, options, int(self._now()))
                parts.channels.name_connector(tx, account_id, connector_id(self._instance, channel, account_id))
                log.info("the %s account %d comes from the settings", channel, account_id)
            held = parts.channels.held(tx, account_id)
            assert held is not None
            if line_id is not None and line_id != held.account.line_id:
                parts.channels.set_line(tx, account_id, line_id)
            parts.channels.set_options(tx, account_id, {**held.account.options, **options})
            parts.channels.set_secrets(tx, account_id, {**fresh, **held.account.secrets, **secrets})

        parts.storage.write(work)

    def change(
        self,
        account_id: int,
        *,
        line_id: int | None = KEEP,
        secrets: Mapping[str, str] = KEEP,
        options: Mapping[str, object] = KEEP,
        is_off: bool = KEEP,
        unreachable: bool = False,
    ) -> Held:
        """Raises NoSuchAccount, or DeliveryFailed for new secrets: of another account, wrong, or not to be checked
        now (unless `unreachable` says to keep them then)."""
        held, parts = self.one(account_id), self._parts
        account, identity, problem = held.account, held.account.identity, ""
        if secrets is not KEEP:
            identity, problem = self._identify(account.channel, secrets, identity if unreachable else None)
            is_pending = account.identity.external_id.startswith(PENDING)
            if not is_pending and identity.external_id != account.identity.external_id:
                raise DeliveryFailed(
                    f"these secrets are of {identity.name}, another account: add it instead", final=True
                )
        if line_id is not KEEP and line_id != account.line_id and account.line_id is not None:
            self._leave(held)

        def work(tx: Tx) -> None:
            if secrets is not KEEP:
                parts.channels.introduce(tx, account_id, identity)
                parts.channels.set_secrets(tx, account_id, secrets)
                parts.channels.set_state(tx, account_id, "failing" if problem else "connecting", problem)
            if line_id is not KEEP:
                parts.channels.set_line(tx, account_id, line_id)
            if options is not KEEP:
                parts.channels.set_options(tx, account_id, options)
            if is_off is not KEEP:
                parts.channels.set_state(tx, account_id, "off" if is_off else "connecting")

        parts.storage.write(work)
        self._changed(account_id)
        return self.one(account_id)

    def remove(self, account_id: int) -> None:
        """Forget everything, stop what comes, take the connector out of the portal as far as it can be reached.

        In this order: whoever is connecting it just now finds it gone afterwards, and takes back what was done.
        """
        held, parts = self.one(account_id), self._parts
        left = parts.messages.count_waiting().get(account_id, 0)
        parts.storage.write(lambda tx: parts.channels.remove(tx, account_id))
        parts.accounts_changed()
        self._detach(held.account)
        self._leave(held)
        try:
            parts.open_line.unregister(held.connector_id)
        except PortalError as error:
            log.warning("the connector %s stays in the portal: %s", held.connector_id, error)
        log.warning("the account %d was removed; %d messages had not reached the portal", account_id, left)

    def _detach(self, account: Account) -> None:
        channel = self._parts.registry.load(account.channel)
        if isinstance(channel, Receives):
            try:
                channel.detach(account)
            except DeliveryFailed as error:
                log.warning("the messenger was not told that account %d goes: %s", account.id, error)

    def connect_line(self, connector: str, line_id: int) -> bool:
        """An administrator chose a line for a connector, in the portal; False when the connector is none of ours."""
        held = self._parts.channels.of_connector(connector)
        if held is None:
            return False
        self.change(held.account.id, line_id=line_id)
        return True

    def attach_all(self, trace_id: str = "") -> None:
        for held in self._parts.channels.all():
            if held.account.state != "off":
                self._parts.intake.queue(attach_job(held.account.id, trace_id))

    # --- the job channel.attach

    def attach(self, job: Job) -> None:
        """Connect an account with its messenger and with its line. Raises what is worth another try."""
        account_id = job.payload["account_id"]
        held = self._parts.channels.one(account_id)
        if held is None or held.account.state == "off":
            return
        failure = self._attach_messenger(held)
        if self._parts.channels.one(account_id) is None:
            self._detach(held.account)
            return
        self._look_at_topics(held)
        self._attach_line(held)
        self._parts.accounts_changed()
        if failure is not None and not failure.final:
            raise failure

    def _attach_messenger(self, held: Held) -> DeliveryFailed | None:
        parts, account = self._parts, held.account
        channel = parts.registry.load(account.channel)
        facts: Mapping[str, object] = {}
        failure: DeliveryFailed | None = None
        try:
            if account.identity.external_id.startswith(PENDING):
                account = self._introduce(held, channel.identify(account.secrets))
            if isinstance(channel, Receives):
                facts = channel.attach(account)
        except DeliveryFailed as error:
            failure = error
        problem = str(failure) if failure is not None else ""

        def work(tx: Tx) -> None:
            parts.channels.set_state(tx, account.id, "failing" if problem else "working", problem)
            parts.channels.add_facts(tx, account.id, {**facts, "attach_problem": problem or None})
            if not problem and FORMER_SECRET in account.secrets:
                left = {name: value for name, value in account.secrets.items() if name != FORMER_SECRET}
                parts.channels.set_secrets(tx, account.id, left)

        parts.storage.write(work)
        return failure

    def _look_at_topics(self, held: Held) -> None:
        """Whether the bot may do in the group what it is to do there; what is missing is shown with the account."""
        parts, desk = self._parts, desk_of(held.account.options)
        problem = ""
        if desk is not None:
            bot = parts.channels.one(desk[0])
            channel = parts.registry.load(bot.account.channel) if bot is not None else None
            try:
                if bot is None or channel is None or not isinstance(channel, HasTopics):
                    problem = "the bot of the topics was removed: choose another one"
                else:
                    channel.check_group(bot.account, desk[1])
            except DeliveryFailed as error:
                problem = str(error)
        parts.storage.write(
            lambda tx: parts.channels.add_facts(tx, held.account.id, {"topics_problem": problem or None})
        )
        if not problem and held.facts.get("topics_problem"):
            parts.storage.write(lambda tx: parts.outbox.hasten(tx, (CHANNEL_TOPIC,), self._now()))
            parts.intake.wake({CHANNEL_TOPIC})

    def _introduce(self, held: Held, identity: Identity) -> Account:
        """At last the messenger says whose account it is."""
        parts, account = self._parts, held.account

        def work(tx: Tx) -> bool:
            is_free = parts.channels.of_identity(tx, account.channel, identity.external_id) is None
            if is_free:
                parts.channels.introduce(tx, account.id, identity)
            return is_free

        if not parts.storage.write(work):
            raise DeliveryFailed(f"{identity.name} is another account already: remove one of the two", final=True)
        return replace(account, identity=identity)

    def _attach_line(self, held: Held) -> None:
        parts, account = self._parts, held.account
        problem, found = "", dict[str, Any]()
        later: PortalError | None = None
        try:
            found = parts.open_line.connect(held, parts.registry.load(account.channel).title)
        except CallRefused as refusal:
            problem = str(refusal)
            later = refusal if refusal.is_passing else None
        except NotAuthorized as error:
            problem = f"the application is not installed in the portal: {error}"  # ensure asks again after that
        except PortalError as error:
            problem, later = str(error), error

        def work(tx: Tx) -> list[NewJob]:
            parts.channels.set_line_problem(tx, account.id, problem)
            parts.channels.add_facts(tx, account.id, {"connector": found or None})
            chats = parts.messages.waiting_chats(tx, account.id) if account.line_id is not None and not problem else []
            return chat_jobs(account.id, chats)

        parts.intake.queue_with(work)
        if later is not None:
            raise later

    # ---

    def _identify(self, channel: str, secrets: Mapping[str, str], unreachable: Identity | None) -> tuple[Identity, str]:
        try:
            return self._parts.registry.load(channel).identify(secrets), ""
        except DeliveryFailed as error:
            if error.final or unreachable is None:
                raise
            return unreachable, str(error)

    def _leave(self, held: Held) -> None:
        if held.account.line_id is None:
            return
        try:
            self._parts.open_line.leave(held, held.account.line_id)
        except PortalError as error:
            log.warning(
                "the connector %s was not taken off line %d: %s", held.connector_id, held.account.line_id, error
            )

    def _changed(self, account_id: int) -> None:
        """Connect it now, whatever a failure was to be waited for: somebody may have mended what it was."""
        parts, now = self._parts, self._now()

        def work(tx: Tx) -> None:
            # Together: a try that fails between the two would keep its pause, and the new one would not be stored.
            parts.outbox.hasten(tx, (CHANNEL_ATTACH,), now)
            parts.outbox.put(tx, attach_job(account_id), now)

        parts.storage.write(work)
        parts.intake.wake({CHANNEL_ATTACH})
        parts.accounts_changed()
