"""What `doctor --fix` does: only what can be repeated, and what the instance or `botctl on` would do by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ..bitrix.connection import connect
from ..db import Storage
from ..doctor import machine_state
from ..doctor.findings import Repair
from ..doctor.texts import Language
from ..errors import B24BotError
from ..intake import ensure_job
from ..outbox import SqliteOutbox
from ..provisioning import nginx, plan, rendering
from ..provisioning.machine import Machine
from ..provisioning.owner import acting_as_owner
from ..provisioning.paths import Layout
from ..provisioning.ports import read_ports
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import Step
from ..provisioning.transaction import exclusive
from ..provisioning.transaction import recover as undo_interrupted
from ..settings import Settings
from .instances import open_storage
from .operate import change

ENSURE_S: Final = 20.0
LOOK_S: Final = 0.2
# First what everything else stands on.
ORDER: Final[tuple[Repair, ...]] = ("recover", "permissions", "units", "refresh", "ensure", "revive")
# Reasons that may be gone by now; what the portal refused for good stays buried.
PASSING: Final = ("no answer", "HTTP 5", "HTTP 429", "LIMIT", "INTERNAL", "not installed", "stopped working", "expired")
DONE: Final[dict[Language, dict[Repair, str]]] = {
    "en": {
        "recover": "the interrupted change was undone",
        "permissions": "owner and mode of {what} were set right",
        "units": "units and nginx files were written anew and started ({what} steps)",
        "refresh": "the tokens were renewed",
        "ensure": "bot, handlers and lines were registered again",
        "revive": "{what} given-up jobs are tried again",
    },
    "ru": {
        "recover": "прерванное изменение отменено",
        "permissions": "владелец и права исправлены: {what}",
        "units": "службы и файлы nginx записаны заново и запущены (шагов: {what})",
        "refresh": "токены обновлены",
        "ensure": "бот, обработчики и линии зарегистрированы снова",
        "revive": "заданий, которые пробуются снова: {what}",
    },
}
FAILED: Final[dict[Language, str]] = {"en": "not repaired ({what}): {why}", "ru": "не исправлено ({what}): {why}"}


def repair(layout: Layout, spec: InstanceSpec, wanted: Sequence[Repair], language: Language) -> list[str]:
    """Do these repairs, in their order; what was done, or why it was not, in words."""
    ways: dict[Repair, Callable[[Layout, InstanceSpec], object]] = {
        "recover": _recover,
        "permissions": lambda where, of: ", ".join(machine_state.repair_permissions(where, of)),
        "units": _units,
        "refresh": _refresh,
        "ensure": _ensure,
        "revive": _revive,
    }
    said = []
    for each in ORDER:
        if each not in wanted:
            continue
        try:
            what = ways[each](layout, spec)
            said.append(DONE[language][each].format(what=what))
        except B24BotError as error:
            said.append(FAILED[language].format(what=each, why=error))
    return said


def _recover(layout: Layout, spec: InstanceSpec) -> None:
    with exclusive(layout):
        undo_interrupted(layout, Machine(layout))


def _units(layout: Layout, spec: InstanceSpec) -> int:
    """As `create` with what it was asked for: everything that is not as it should be, and nothing else."""

    def steps(found: InstanceSpec) -> list[Step]:
        ports = read_ports(layout.ports_map)
        wanted = layout.include(found.domain, found.name).exists()
        return [
            *rendering.create(layout, found, ports, nginx_wanted=wanted),
            *plan.switch(layout, found, running=found.enabled),
        ]

    done = change(layout, spec.name, "repair", steps, verify=spec.enabled)
    if not layout.is_staging and layout.include(spec.domain, spec.name).exists():
        nginx.reload(Machine(layout).has_systemd)
    return len(done)


def _refresh(layout: Layout, spec: InstanceSpec) -> None:
    settings = Settings.from_env({**spec.env, "B24BOT_HOME": "/"})
    with acting_as_owner(layout.home(spec.name)):
        link = connect(
            layout.home(spec.name),
            portal=settings.portal,
            oauth_url=settings.oauth_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
        )
        try:
            link.authorizer.forget_failure()
            link.client.call("profile")
        finally:
            link.transport.close()


def _ensure(layout: Layout, spec: InstanceSpec) -> None:
    """The running instance does it. Raises B24BotError when it does not get to it."""
    with acting_as_owner(layout.home(spec.name)):
        storage = open_storage(spec.name, layout.home(spec.name))
        try:
            outbox, job = SqliteOutbox(storage), ensure_job("")
            storage.write(lambda tx: outbox.put(tx, job, time.time()))
            _wait_until_done(storage, outbox, job.kind)
        finally:
            storage.close()


def _wait_until_done(storage: Storage, outbox: SqliteOutbox, kind: str) -> None:
    end = time.monotonic() + ENSURE_S
    while outbox.next_due((kind,)) is not None:
        if time.monotonic() > end:
            raise B24BotError("the instance did not get to it in time", next_step="see its outbox and its log")
        time.sleep(LOOK_S)


def _revive(layout: Layout, spec: InstanceSpec) -> int:
    with acting_as_owner(layout.home(spec.name)):
        storage = open_storage(spec.name, layout.home(spec.name))
        try:
            outbox = SqliteOutbox(storage)
            ids = [
                each.job.id
                for each in outbox.buried(500)
                if any(text in (each.job.last_error or "") for text in PASSING)
            ]
            return storage.write(lambda tx: outbox.revive(tx, ids, time.time())) if ids else 0
        finally:
            storage.close()
