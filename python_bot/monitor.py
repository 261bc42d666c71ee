"""What the administration and the monitoring see of a running instance."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from . import __version__
from .bitrix.tokens import REAUTHORIZE, Installation
from .errors import StorageError
from .instance import Instance
from .metrics import Labels
from .model import time_text
from .traffic.outbound import Outbound

if TYPE_CHECKING:
    from .doctor.facts import Subject
    from .doctor.inside import SelfExamination


def status(instance: Instance) -> dict[str, Any]:
    stored = instance.tokens.current()
    depth = instance.outbox.depth(time.time())
    last = instance.door.last_event_at
    return {
        "instance": instance.settings.instance,
        "version": __version__,
        "enabled": instance.is_enabled(),
        "event_mode": instance.settings.event_mode,
        "handler_url": instance.settings.public_url,
        "installed": stored is not None and stored.works,
        "authorization_problem": authorization_problem(stored),
        "portal": instance.archive.fact("portal"),
        "inbound_test": instance.archive.fact("inbound"),
        "last_event_at": time_text(last) if last else None,
        "started_at": time_text(instance.started_at),
        "archive": instance.archive.counts(),
        "files": {**instance.archive.file_counts(), "bytes": instance.archive.stored_bytes()},
        "outbox": {"waiting": depth.waiting, "planned": depth.planned, "buried": depth.buried},
        "channels": channel_accounts(instance),
    }


def channel_accounts(instance: Instance) -> list[dict[str, Any]]:
    """Every account of a messenger, with what is wrong with it in words; never with its secrets."""
    waiting = instance.relay.messages.count_waiting()
    return [
        {
            "id": held.account.id,
            "channel": held.account.channel,
            "name": held.account.identity.name,
            "state": held.account.state,
            "problem": held.account.problem or None,
            "line_id": held.account.line_id,
            "line_problem": held.line_problem or None,
            "last_message_at": time_text(held.last_message_at) if held.last_message_at is not None else None,
            "waiting": waiting.get(held.account.id, 0),
        }
        for held in instance.channels.all()
    ]


def readiness(instance: Instance) -> dict[str, str]:
    problems: dict[str, str] = {}
    try:
        instance.storage.write(lambda tx: instance.archive.set_fact(tx, "ready", int(time.time())), timeout_s=5.0)
    except StorageError as error:
        problems["database"] = f"{error}; {error.next_step}".rstrip("; ")
    if not instance.worker.is_alive:
        problems["worker"] = "the worker is not alive; restart the instance"
    if not instance.courier.is_alive():
        problems["webhooks"] = "no webhook is sent any more; restart the instance"
    if instance.fetcher is not None and not instance.fetcher.is_alive():
        problems["fetcher"] = "the fetcher is not alive; restart the instance"
    return problems


def metrics_text(instance: Instance) -> str:
    depth = instance.outbox.depth(time.time())
    counts = instance.archive.counts()
    stored = instance.tokens.current()
    now = time.time()
    events: dict[Labels, float] = {
        (("event", event), ("outcome", outcome)): n for (event, outcome), n in list(instance.intake.counts.items())
    }
    webhooks = {str(number): backlog for number, backlog in instance.subscriptions.backlog().items()}
    oldest = {number: now - row.oldest_at if row.oldest_at is not None else 0.0 for number, row in webhooks.items()}
    gauges: dict[str, float | dict[Labels, float]] = {
        "events": events,
        "outbox_waiting": _by("kind", depth.waiting),
        "outbox_planned": _by("kind", depth.planned),
        "outbox_buried": _by("kind", depth.buried),
        "outbox_oldest_seconds": _by("kind", {kind: now - since for kind, since in depth.oldest.items()}),
        "webhook_active": _by(
            "subscription", {str(each.id): float(each.active) for each in instance.subscriptions.all()}
        ),
        "webhook_waiting": _by("subscription", {number: row.waiting for number, row in webhooks.items()}),
        "webhook_failing": _by("subscription", {number: row.failing for number, row in webhooks.items()}),
        "webhook_oldest_seconds": _by("subscription", oldest),
        "webhook_happenings": instance.subscriptions.happenings(),
        "sessions_unsettled": instance.compared.backlog(),
        "search_backlog": _search_backlog(instance),
        "database_bytes": _size(instance.settings.home, "dialogs.db"),
        "search_index_bytes": _size(instance.settings.home, "search.db"),
        "disk_free_bytes": shutil.disk_usage(instance.settings.home).free,
        "build_info": {(("version", __version__),): 1.0},
        "start_timestamp_seconds": instance.started_at,
        "last_event_timestamp_seconds": instance.archive.last_event_at() or 0,
        "dialogs": counts["dialogs"],
        "dialogs_open": counts["open_dialogs"],
        "dialogs_complete": counts["complete_dialogs"],
        "messages": counts["messages"],
        "files": _by("state", instance.archive.file_counts()),
        "commits": instance.storage.commits,
        "enabled": float(instance.is_enabled()),
        "installed": float(stored is not None and stored.works),
        "token_expires_seconds": float(stored.expires_at - now) if stored else 0.0,
        "last_event_seconds": now - instance.door.last_event_at if instance.door.last_event_at else -1.0,
        "long_polls": instance.long_poll.waiting,
        "threads": threading.active_count(),
    }
    return instance.metrics.text(gauges)


def _by(label: str, values: Mapping[str, float]) -> dict[Labels, float]:
    return {((label, name),): value for name, value in values.items()} or {(): 0.0}


def _search_backlog(instance: Instance) -> float:
    try:
        return instance.search.backlog()
    except StorageError:
        return -1.0


def _size(home: Path, name: str) -> int:
    """A database with what is written but not yet folded into it."""
    return sum(path.stat().st_size for path in (home / name, home / f"{name}-wal") if path.exists())


def authorization_problem(stored: Installation | None) -> str | None:
    """Why no call can leave, with what to do about it; None when the tokens work."""
    if stored is not None and stored.works:
        return None
    why = "not installed yet" if stored is None else stored.dead or "the application was uninstalled in the portal"
    return f"{why}: {REAUTHORIZE} to authorize it"


class Diagnosis:
    """What `botctl INSTANCE doctor --json` says, as far as the running instance can see it itself; within 5 s.

    Nothing of the doctor is loaded before somebody asks. `arrivals`: see `web.arrivals`.
    """

    def __init__(self, instance: Instance, arrivals: Callable[[], Mapping[str, str]]) -> None:
        self._instance = instance
        self._arrivals = arrivals
        self._lock = threading.Lock()
        self._examination: SelfExamination | None = None

    def __call__(self, language: Literal["ru", "en"]) -> dict[str, Any]:
        """`level`, `root_cause`, `seconds`, `findings` (the root cause first), and `examined_at`."""
        from .doctor.inside import SelfExamination

        with self._lock:
            if self._examination is None:
                journal = Outbound(self._instance.recorder.note).exchange
                self._examination = SelfExamination(_subject(self._instance), self._arrivals, journal)
        return self._examination.as_json(language)

    def forget(self) -> None:
        """The next who asks gets a new one."""
        if self._examination is not None:
            self._examination.forget()


def _subject(instance: Instance) -> Subject:
    from .doctor.facts import Subject

    settings = instance.settings
    url = urlsplit(settings.public_url)
    host = unicode_host = url.hostname or ""
    with suppress(UnicodeError):
        unicode_host = host.encode("ascii").decode("idna")
    return Subject(
        name=settings.instance,
        home=settings.home,
        wish=instance.parts.wish,
        scheme=url.scheme,
        host=host,
        unicode_host=unicode_host,
        port=url.port or (443 if url.scheme == "https" else 80),
        prefix=settings.prefix,
        local_port=0,
        behind_nginx=False,
        enabled=True,
        api_token=settings.api_secret_token,
        portal=settings.portal,
        oauth_url=settings.oauth_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        journal_days=settings.journal_days,
        connector_handler=settings.connector_handler,
        channel_urls=settings.channel_urls,
    )
