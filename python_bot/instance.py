"""Everything of one instance that lives in one process: its stores, clients and threads are built here."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe

from . import __version__, jobs
from .archive import (
    SqliteArchive,
    SqliteComparison,
    SqliteCompleteness,
    SqliteErasure,
    SqliteManifests,
    SqliteStaff,
    SqliteViews,
)
from .attachments import ContentStore, FileQueue, Limits, survey_job
from .attachments.download import Downloader
from .attachments.jobs import FileParts
from .attachments.store import MIB
from .bitrix.connection import connect
from .bitrix.ensure import Wish
from .channels.messages import SqliteChannelMessages
from .channels.posts import SqlitePosts
from .channels.registry import Registry
from .channels.store import TABLES as CHANNEL_TABLES
from .channels.store import SqliteChannels
from .db import RESTORED, Storage, Tx, remove_left
from .erasure.retention import Retention
from .export import Exporter
from .fetcher import Fetcher
from .intake import Intake, confirm_job, ensure_job
from .logs import close_log, open_log
from .metrics import Metrics
from .model import Lines
from .outbox import SqliteOutbox
from .proof.manifest import ManifestJobs, ManifestWriter
from .proof.report import Report
from .relay.abreast import Abreast
from .relay.accounts import Accounts
from .relay.inbox import Inbox
from .relay.jobs import relay_lanes
from .relay.links import FileLinks
from .relay.missed import Missed
from .relay.openline import OpenLine
from .relay.parts import RelayParts
from .relay.polling import Pollers
from .relay.sent_files import SentFiles
from .relay.texts import language_of
from .relay.topics import Topics
from .search import Index, IndexedSearch, Indexer
from .settings import HANDLER_PATH, Settings
from .staff import Desk, StaffJobs
from .staff.choice import lines_in_force
from .staff.state import StateReader
from .subscriptions import Courier, Guard, SqliteSubscriptions
from .subscriptions.sender import Sender
from .sync import Sync
from .sync.refresh import Refresh
from .traffic import Recorder, SqliteTraffic
from .traffic.masks import Masks
from .traffic.outbound import Outbound
from .visitors import SqliteVisitors
from .web.api.long_poll import LongPoll
from .web.api_tokens import USES_FACT
from .web.door import Door
from .worker import Worker

log = logging.getLogger(__name__)


class Instance:
    """Everything of one instance that lives in this process. `start()` begins to work, `close()` ends it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        home = settings.home
        self._log_handler = open_log(
            home / "bot.log",
            settings.log_level,
            settings.instance,
            (settings.api_secret_token, settings.client_secret),
        )
        self.storage = Storage(home / "dialogs.db")
        self.archive = SqliteArchive(self.storage)
        self.compared = SqliteComparison(self.storage)
        self.manifests = SqliteManifests(self.storage)
        self.report = Report(self.archive, self.compared, SqliteCompleteness(self.storage))
        self.outbox = SqliteOutbox(self.storage)
        self.staff = SqliteStaff(self.storage)
        self.channels = SqliteChannels(self.storage)
        self._channel_secrets: tuple[str, ...] = ()
        self.views = SqliteViews(self.storage)
        self.visitors = SqliteVisitors(self.storage)
        self.masks = Masks(self._secrets)
        self.traffic = SqliteTraffic(self.storage)
        self.recorder = Recorder(
            self.storage,
            self.traffic,
            self.masks,
            settings.journal_days,
            dropped=lambda count: self.metrics.count("journal_dropped_total", count),
        )
        outbound = Outbound(self.recorder.note)
        link = connect(
            home,
            portal=settings.portal,
            oauth_url=settings.oauth_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            observe=self._observe_call,
            journal=outbound.exchange,
        )
        self.tokens, self.policy, self.transport, self.pace = link.tokens, link.policy, link.transport, link.pace
        self.authorizer, self.client = link.authorizer, link.client
        self.downloader = Downloader(replace(link.policy, file_hosts=settings.file_hosts), observe=outbound.download)
        self.contents = ContentStore(
            home / "files",
            self.storage,
            self.archive,
            Limits(settings.file_max_mb * MIB, settings.files_max_gb * 1024 * MIB, settings.disk_reserve_mb * MIB),
        )
        file_queue = FileQueue(self.archive, settings.files == "download")
        self.intake = Intake(
            self.storage,
            self.archive,
            self.outbox,
            file_queue,
            self._wake,
            asks_back=settings.event_mode == "fetch",
            staff=self.staff,
            channels=self.channels,
        )
        self.desk = Desk(
            self.storage,
            self.archive,
            self.staff,
            self.intake,
            self.client,
            self.tokens,
            self.policy,
            settings.client_id,
            settings.lines,
        )
        self.state = StateReader(
            self.archive,
            self.staff,
            self.outbox,
            self.tokens,
            settings.bot_name,
            self.is_enabled,
            lambda: self.door.last_event_at,
        )
        missed = Missed(self.channels, SqliteChannelMessages(self.storage), self.outbox, self._wake)
        self.sync = Sync(
            self.storage, self.archive, self.compared, self.outbox, self.client, file_queue, self.lines, missed
        )
        self.refresh = Refresh(self.intake, self.archive, self.compared, self._may_call)
        self.relay = self._relay()
        self.accounts = Accounts(self.relay, settings.instance)
        self.pollers = Pollers(self.relay, lambda: self.worker.may_work() and self.is_enabled())
        self.parts = jobs.Parts(
            storage=self.storage,
            archive=self.archive,
            client=self.client,
            tokens=self.tokens,
            intake=self.intake,
            client_id=settings.client_id,
            handover=settings.handover,
            wish=Wish(settings.public_url, settings.bot_code, settings.bot_name, settings.lines, settings.event_mode),
            metrics=self.metrics,
            manifests=ManifestJobs(ManifestWriter(home / "manifests", self.manifests), self.intake),
            retention=Retention(SqliteErasure(self.storage), self.intake, settings.retention_days),
            files=FileParts(
                self.storage,
                self.archive,
                self.outbox,
                self.client,
                self.downloader,
                self.contents,
                file_queue,
                self.metrics,
            ),
            sync=self.sync,
            staff=StaffJobs(self.storage, self.archive, self.staff, self.client, self.state.read),
            desk=self.desk,
            relay=self.relay,
            accounts=self.accounts,
        )
        self.worker = Worker(
            home / "worker.lock",
            self.storage,
            self.outbox,
            self.pace,
            jobs.lanes(self.parts),
            self.is_enabled,
            relay_lanes(self.relay, self.accounts),
        )
        index = Index(home / "search.db")
        self.search = IndexedSearch(self.archive, index)
        self.indexer = Indexer(self.archive, index, self.worker.may_work)
        self.subscriptions = SqliteSubscriptions(self.storage)
        self.guard = Guard(settings.webhook_hosts)
        self.courier = Courier(
            self.storage,
            self.archive,
            self.subscriptions,
            Sender(self.guard),
            self.metrics,
            settings.instance,
            lambda: self.worker.may_work() and self.is_enabled(),
            observe=outbound.webhook,
        )
        self.exporter = Exporter(self.archive, home, settings.disk_reserve_mb * MIB)
        self.door = Door(self.archive, self.intake, self.tokens, self.policy, self.metrics, self.relay.abreast.doubt)
        self.fetcher = (
            Fetcher(self.client, self.archive, self.intake, self._may_fetch) if settings.event_mode == "fetch" else None
        )
        self.started_at = time.time()
        self.long_poll = LongPoll(self.archive, lambda: self.is_leaving())
        self.is_leaving: Callable[[], bool] = lambda: False  # the server tells when the process begins to end

    def _wake(self, kinds: Collection[str]) -> None:
        self.worker.wake(kinds)

    def _relay(self) -> RelayParts:
        """Channels of open lines; nothing of a messenger is loaded before it has an account."""
        settings = self.settings
        public_url = settings.public_url.removesuffix(HANDLER_PATH.lstrip("/"))
        messages, posts = SqliteChannelMessages(self.storage), SqlitePosts(self.storage)
        topics = Topics(posts)
        observe = Outbound(self.recorder.note).messenger
        registry = Registry(settings.instance, public_url, settings.channels, settings.channel_urls, observe)

        def language() -> str:
            stored = self.tokens.current()
            return language_of(stored.client_endpoint if stored is not None else self.policy.portal)

        return RelayParts(
            storage=self.storage,
            intake=self.intake,
            channels=self.channels,
            messages=messages,
            posts=posts,
            topics=topics,
            registry=registry,
            outbox=self.outbox,
            inbox=Inbox(self.intake, self.channels, messages, registry, self.metrics, language, topics),
            open_line=OpenLine(self.client, settings.connector_handler, settings.public_url),
            abreast=Abreast(self.storage, self.channels, messages, self.outbox, self.sync.reconcile.compare),
            portal_chat=self.sync.chat_of,
            links=FileLinks(settings.home, public_url),
            sent_files=SentFiles(messages, self.archive, self.contents, self.client, self.downloader),
            metrics=self.metrics,
            language=language,
            accounts_changed=self._accounts_changed,
        )

    def _adopt_bot(self) -> None:
        """The bot that the settings name is an account like those that were added."""
        settings = self.settings
        if not settings.tg_bot_token:
            return
        secrets = {"token": settings.tg_bot_token}
        number = settings.tg_bot_token.partition(":")[0]
        if settings.tg_webhook_secret:
            secrets["webhook_secret"] = settings.tg_webhook_secret
        fresh = {"webhook_secret": token_urlsafe(32)}
        options = {} if settings.tg_use_polling is None else {"polling": settings.tg_use_polling}
        self.accounts.adopt("telegram", number, secrets, settings.line_id, options, fresh)

    def _see_what_is_restored(self) -> None:
        """Whoever puts an archive in another's place leaves a sign: part of what waits in it may have been done."""
        sign = self.settings.home / RESTORED
        if sign.exists():
            now = int(time.time())
            self.storage.write(lambda tx: self.relay.messages.restored(tx, now))
            sign.unlink()

    def _accounts_changed(self) -> None:
        self._channel_secrets = self.channels.secrets()
        self.pollers.refresh()

    def start(self) -> None:
        """Open the archive, begin to work, and bring the portal into the wanted state. Raises StorageError."""
        self.storage.open()
        self._see_what_is_restored()
        remove_left(self.settings.home)
        self.recorder.start()
        self.indexer.start()
        self.courier.start()
        self.authorizer.forget_failure()
        if self.tokens.candidates():
            self.intake.queue(confirm_job(""))
        stored = self.tokens.current()
        if stored is not None and stored.works:
            self.intake.queue(ensure_job(""))
            self.sync.catch_up()
        self.parts.retention.start()
        self.parts.manifests.start()
        self.intake.queue(survey_job())
        self._adopt_bot()
        self.accounts.attach_all()
        self.worker.start()
        self._accounts_changed()
        if self.fetcher is not None:
            self.fetcher.start()
        for doubt in self.settings.doubts():
            log.warning("%s", doubt)
        log.info("started release %s, mode %s", __version__, self.settings.event_mode)

    def close(self) -> None:
        self.storage.let_waiters_go()
        if self.fetcher is not None:
            self.fetcher.stop()
        self.downloader.stop()
        self.pollers.stop()
        self.courier.stop()
        self.worker.stop()
        self.indexer.stop()
        self.recorder.stop()
        self.storage.close()
        self.transport.close()
        self.downloader.close()
        close_log(self._log_handler)

    # --- the runtime switch

    def is_enabled(self) -> bool:
        return not os.path.exists(self._disabled_flag)  # noqa: PTH110  # looked at before every job

    @property
    def _disabled_flag(self) -> Path:
        return self.settings.home / "DISABLED"

    def switch(self, on: bool) -> None:
        flag, other = ("ENABLED", "DISABLED") if on else ("DISABLED", "ENABLED")
        (self.settings.home / flag).touch()
        with suppress(FileNotFoundError):
            (self.settings.home / other).unlink()
        log.warning("%s by the administration", "enabled" if on else "disabled: events are archived, no call leaves")
        self.worker.wake_all()

    def _may_fetch(self) -> bool:
        return self.worker.may_work() and self._may_call()

    def _may_call(self) -> bool:
        stored = self.tokens.current()
        return self.is_enabled() and stored is not None and stored.works

    def lines(self) -> Lines:
        """The lines that the bot is wanted on: an administrator's choice in the portal, or the setting."""
        return lines_in_force(self.desk.choice, self.settings.lines)

    def note_token_use(self, uses: dict[str, str]) -> None:
        def work(tx: Tx) -> None:
            self.archive.set_fact(tx, USES_FACT, {**(self.archive.fact(USES_FACT) or {}), **uses})

        self.storage.write(work)

    def reinit_db(self) -> str:
        """Start an empty archive; the former one is kept beside it. Jobs and facts move over: clients wait for them."""
        kept = (
            "outbox",
            "facts",
            "bot_chats",
            "erased_chats",
            "erased_sessions",
            "manifests",
            "subscriptions",
            *CHANNEL_TABLES,
            "visits",
            "looks",
        )
        copy = self.storage.start_afresh(kept)
        self.manifests.begin_anew()
        log.warning("a fresh archive was started; the former one is kept as %s", copy)
        return copy

    def _secrets(self) -> tuple[str, ...]:
        """What must not be seen anywhere, whoever repeats it."""
        settings = self.settings
        known = (settings.api_secret_token, settings.client_secret, settings.handler_secret, *self._channel_secrets)
        stored = self.tokens.current()
        if stored is None:
            return known
        return (*known, stored.access_token, stored.refresh_token, stored.application_token)

    def _observe_call(self, method: str, outcome: str, seconds: float) -> None:
        self.metrics.count("portal_calls_total", method=method, outcome=outcome)
        self.metrics.observe("portal_call_seconds", seconds)
