"""Asking the portal beside the running instance, with its tokens and as it would; and what it last saw there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ..archive import SqliteArchive
from ..bitrix.client import BitrixClient
from ..bitrix.connection import connect
from ..bitrix.tokens import TokenStore
from ..db import Storage
from ..errors import B24BotError, PortalUnavailable
from ..provisioning import health, inventory
from ..provisioning.owner import acting_as_owner
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from ..settings import Settings
from ..traffic import Cause, Record, Recorder, SqliteTraffic
from ..traffic.masks import Masks
from ..traffic.outbound import Outbound
from ..traffic.record import caused_by, new_trace
from ..values import dataclass
from .instances import open_storage

Answer = TypeVar("Answer")
TRIES: Final = 5  # when the portal says "too many requests"
JOB: Final = "botctl"


@dataclass(frozen=True, slots=True)
class Known:
    bot_id: int
    lines: dict[int, dict[str, str]]


def last_seen(spec: InstanceSpec) -> Known:
    """What the instance itself found at its last set-up; asked of it, or read from its archive when it is off."""
    portal = health.admin_status(spec).get("portal") or _stored_fact(spec.name)
    found = portal.get("lines") or {}
    return Known(portal.get("bot_id") or 0, {int(line_id): line for line_id, line in found.items()})


def _stored_fact(instance: str) -> dict[str, Any]:
    home = inventory.layout().home(instance)
    if not (home / "dialogs.db").is_file():
        return {}
    with acting_as_owner(home):
        storage = Storage(home / "dialogs.db")  # not opened: only read, and never migrated from here
        try:
            return SqliteArchive(storage).fact("portal") or {}
        finally:
            storage.close()


def ask(layout: Layout, spec: InstanceSpec, question: Callable[[BitrixClient], Answer]) -> Answer:
    """Ask the portal with the instance's own tokens; a refreshed pair is written as the instance would write it.

    The HTTP journal has these calls as those of `botctl`.
    """
    home = layout.home(spec.name)
    settings = Settings.from_env({**spec.env, "B24BOT_HOME": "/"})
    calls: list[Record] = []
    with acting_as_owner(home):
        link = connect(
            home,
            portal=settings.portal,
            oauth_url=settings.oauth_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            journal=Outbound(calls.append).exchange,
        )
        try:
            with caused_by(Cause(new_trace(), None, JOB)):
                return _patiently(link.client, question)
        finally:
            link.transport.close()
            _record(spec.name, settings, masks_of(home, settings), calls)


def masks_of(home: Path, settings: Settings) -> Masks:
    """Of everything that opens this instance or its portal."""
    tokens = TokenStore(home)

    def secrets() -> tuple[str, ...]:
        stored = tokens.current()
        pair = (stored.access_token, stored.refresh_token, stored.application_token) if stored else ()
        return (settings.api_secret_token, settings.client_secret, *pair)

    return Masks(secrets)


def _patiently(client: BitrixClient, question: Callable[[BitrixClient], Answer]) -> Answer:
    for _ in range(TRIES - 1):
        try:
            return question(client)
        except PortalUnavailable as error:
            # The instance calls the portal too; after this the client's pace waits by itself.
            if not error.busy:
                raise
    return question(client)


def _record(instance: str, settings: Settings, hidden: Masks, calls: list[Record]) -> None:
    """Into the HTTP journal, where there is one; that it cannot be written is no reason to fail."""
    if not calls or not (inventory.layout().home(instance) / "dialogs.db").is_file():
        return
    with suppress(B24BotError):
        storage = open_storage(instance)
        try:
            journal = Recorder(storage, SqliteTraffic(storage), hidden, settings.journal_days, gather_s=0.0)
            for call in calls:
                journal.note(call)
            journal.start()
            journal.stop()
        finally:
            storage.close()
