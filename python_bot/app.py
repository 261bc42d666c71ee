"""`create_app()`: one instance put together. Stores, clients and threads are built here and nowhere else."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from . import __version__, jobs
from .archive import SqliteArchive, SqliteComparison, SqliteCompleteness, SqliteErasure
from .attachments import ContentStore, FileQueue, Limits, survey_job
from .attachments.download import Downloader
from .attachments.jobs import FileParts
from .attachments.store import MIB
from .bitrix.connection import connect
from .bitrix.ensure import Wish
from .bitrix.tokens import REAUTHORIZE, Installation
from .db import Storage, Tx
from .erasure.retention import Retention
from .errors import B24BotError, StorageError
from .fetcher import Fetcher
from .intake import Intake, confirm_job, ensure_job
from .logs import close_log, open_log
from .metrics import Labels, Metrics
from .model import time_text
from .outbox import SqliteOutbox
from .proof.report import Report
from .search import Index, IndexedSearch, Indexer
from .settings import Settings
from .sync import Sync
from .sync.refresh import Refresh
from .web import errors, hooks, monitoring
from .web.access import Access
from .web.api import admin as admin_api
from .web.api import archive as archive_api
from .web.api import completeness as completeness_api
from .web.api import files as files_api
from .web.api import search as search_api
from .web.api_tokens import FILE_NAME, USES_FACT, TokenFile, Uses
from .web.door import MAX_BODY_BYTES, Door
from .web.http_answers import ApiManners, Limiter
from .web.oauth import OAuthReturn
from .web.prefix import AcceptPrefix
from .worker import Worker

log = logging.getLogger(__name__)

GUNICORN_BOOT_ERROR = 3  # the exit status on which Gunicorn gives up instead of trying again for ever


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
        self.report = Report(self.archive, self.compared, SqliteCompleteness(self.storage))
        self.outbox = SqliteOutbox(self.storage)
        link = connect(
            home,
            portal=settings.portal,
            oauth_url=settings.oauth_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            observe=self._observe_call,
        )
        self.tokens, self.policy, self.transport, self.pace = link.tokens, link.policy, link.transport, link.pace
        self.authorizer, self.client = link.authorizer, link.client
        self.downloader = Downloader(replace(link.policy, file_hosts=settings.file_hosts))
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
            lambda kinds: self.worker.wake(kinds),
            asks_back=settings.event_mode == "fetch",
        )
        self.sync = Sync(
            self.storage, self.archive, self.compared, self.outbox, self.client, file_queue, settings.lines
        )
        self.refresh = Refresh(self.intake, self.archive, self.compared, self._may_call)
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
        )
        self.worker = Worker(
            home / "worker.lock", self.storage, self.outbox, self.pace, jobs.lanes(self.parts), self.is_enabled
        )
        index = Index(home / "search.db")
        self.search = IndexedSearch(self.archive, index)
        self.indexer = Indexer(self.archive, index, self.worker.may_work)
        self.door = Door(self.archive, self.intake, self.tokens, self.policy, self.metrics)
        self.fetcher = (
            Fetcher(self.client, self.archive, self.intake, self._may_fetch) if settings.event_mode == "fetch" else None
        )
        self.started_at = time.time()

    def start(self) -> None:
        """Open the archive, begin to work, and bring the portal into the wanted state. Raises StorageError."""
        self.storage.open()
        self.indexer.start()
        self.authorizer.forget_failure()
        if self.tokens.candidates():
            self.intake.queue(confirm_job(""))
        stored = self.tokens.current()
        if stored is not None and stored.works:
            self.intake.queue(ensure_job(""))
            self.sync.catch_up()
        self.parts.retention.start()
        self.intake.queue(survey_job())
        self.worker.start()
        if self.fetcher is not None:
            self.fetcher.start()
        for doubt in self.settings.doubts():
            log.warning("%s", doubt)
        log.info("started release %s, mode %s", __version__, self.settings.event_mode)

    def close(self) -> None:
        if self.fetcher is not None:
            self.fetcher.stop()
        self.downloader.stop()
        self.worker.stop()
        self.indexer.stop()
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

    def note_token_use(self, uses: dict[str, str]) -> None:
        def work(tx: Tx) -> None:
            self.archive.set_fact(tx, USES_FACT, {**(self.archive.fact(USES_FACT) or {}), **uses})

        self.storage.write(work)

    # --- what the administration and the monitoring see

    def reinit_db(self) -> str:
        """Start an empty archive; the former one is kept beside it. Jobs and facts move over: clients wait for them."""
        copy = self.storage.start_afresh(("outbox", "facts", "erased_chats", "erased_sessions"))
        log.warning("a fresh archive was started; the former one is kept as %s", copy)
        return copy

    def status(self) -> dict[str, Any]:
        stored = self.tokens.current()
        depth = self.outbox.depth(time.time())
        last = self.door.last_event_at
        return {
            "instance": self.settings.instance,
            "version": __version__,
            "enabled": self.is_enabled(),
            "event_mode": self.settings.event_mode,
            "handler_url": self.settings.public_url,
            "installed": stored is not None and stored.works,
            "authorization_problem": authorization_problem(stored),
            "portal": self.archive.fact("portal"),
            "inbound_test": self.archive.fact("inbound"),
            "last_event_at": time_text(last) if last else None,
            "started_at": time_text(self.started_at),
            "archive": self.archive.counts(),
            "files": {**self.archive.file_counts(), "bytes": self.archive.stored_bytes()},
            "outbox": {"waiting": depth.waiting, "planned": depth.planned, "buried": depth.buried},
        }

    def readiness(self) -> dict[str, str]:
        problems: dict[str, str] = {}
        try:
            self.storage.write(lambda tx: self.archive.set_fact(tx, "ready", int(time.time())), timeout_s=5.0)
        except StorageError as error:
            problems["database"] = f"{error}; {error.next_step}".rstrip("; ")
        if not self.worker.is_alive:
            problems["worker"] = "the worker is not alive; restart the instance"
        if self.fetcher is not None and not self.fetcher.is_alive():
            problems["fetcher"] = "the fetcher is not alive; restart the instance"
        return problems

    def metrics_text(self) -> str:
        depth = self.outbox.depth(time.time())
        counts = self.archive.counts()
        stored = self.tokens.current()
        now = time.time()
        waiting: dict[Labels, float] = {(("kind", kind),): n for kind, n in depth.waiting.items()}
        buried: dict[Labels, float] = {(("kind", kind),): n for kind, n in depth.buried.items()}
        events: dict[Labels, float] = {
            (("event", event), ("outcome", outcome)): n for (event, outcome), n in list(self.intake.counts.items())
        }
        gauges: dict[str, float | dict[Labels, float]] = {
            "events": events,
            "outbox_waiting": waiting or {(): 0.0},
            "outbox_buried": buried or {(): 0.0},
            "outbox_oldest_seconds": now - depth.oldest_waiting_at if depth.oldest_waiting_at else 0.0,
            "dialogs": counts["dialogs"],
            "dialogs_open": counts["open_dialogs"],
            "dialogs_complete": counts["complete_dialogs"],
            "messages": counts["messages"],
            "files": {(("state", state),): n for state, n in self.archive.file_counts().items()} or {(): 0.0},
            "commits": self.storage.commits,
            "enabled": float(self.is_enabled()),
            "installed": float(stored is not None and stored.works),
            "token_expires_seconds": float(stored.expires_at - now) if stored else 0.0,
            "last_event_seconds": now - self.door.last_event_at if self.door.last_event_at else -1.0,
            "threads": threading.active_count(),
        }
        return self.metrics.text(gauges)

    def _observe_call(self, method: str, outcome: str, seconds: float) -> None:
        self.metrics.count("portal_calls_total", method=method, outcome=outcome)
        self.metrics.observe("portal_call_seconds", seconds)


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application of one instance, at work; what Gunicorn calls.

    Without settings it reads the environment, and says what is wrong in plain words instead of a traceback.
    With settings it raises StorageError.
    """
    if settings is None:
        try:
            return create_app(Settings.from_env(os.environ))
        except B24BotError as error:
            print(f"Error: {error}\nNext step: {error.next_step or 'see bot.log'}", file=sys.stderr, flush=True)
            raise SystemExit(GUNICORN_BOOT_ERROR) from None
    instance = Instance(settings)
    try:
        instance.start()
    except B24BotError as error:
        log.critical("not started: %s; %s", error, error.next_step)
        instance.close()
        raise
    app = flask_app(instance)
    app.extensions["b24bot"] = instance
    return app


def flask_app(instance: Instance) -> Flask:
    """The routes over an instance; without side effects, so that docs and tests can list them."""
    settings = instance.settings
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1  # one more, so that a chunked body may end at the limit
    app.url_map.strict_slashes = False
    access = Access(
        settings.api_secret_token,
        settings.public_read,
        TokenFile(settings.home / FILE_NAME),
        used=Uses(instance.note_token_use).note,
        refused=lambda reason: instance.metrics.count("api_refusals_total", reason=reason),
    )
    manners = ApiManners(Limiter(settings.rate_limit), settings.cors_origins)
    app.before_request(manners.preflight)
    oauth = OAuthReturn(
        instance.authorizer,
        instance.policy,
        settings.api_secret_token,
        settle=lambda candidate: jobs.settle(instance.parts, candidate),
        ensure=lambda trace_id: instance.intake.queue(ensure_job(trace_id)),
    )
    errors.register(app)
    app.register_blueprint(hooks.blueprint(instance.door, oauth))
    for api in (
        files_api.blueprint(instance.archive, instance.contents, access),
        archive_api.blueprint(instance.archive, instance.search, access, instance.refresh),
        completeness_api.blueprint(instance.report, access),
        search_api.blueprint(instance.search, access),
        admin_api.blueprint(access, instance.status, instance.switch, instance.reinit_db),
    ):
        app.register_blueprint(manners.put_on(api))
    app.register_blueprint(monitoring.blueprint(access, instance.readiness, instance.metrics_text))
    app.wsgi_app = AcceptPrefix(app.wsgi_app, settings.prefix)  # type: ignore[method-assign]  # Flask's own way
    return app


def authorization_problem(stored: Installation | None) -> str | None:
    """Why no call can leave, with what to do about it; None when the tokens work."""
    if stored is not None and stored.works:
        return None
    why = "not installed yet" if stored is None else stored.dead or "the application was uninstalled in the portal"
    return f"{why}: {REAUTHORIZE} to authorize it"
