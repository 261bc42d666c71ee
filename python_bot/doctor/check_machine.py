"""Section M: the machine below the instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .facts import Facts, Unit
from .findings import Finding, green, red, yellow

FULL: Final = 0.98
LOW: Final = 0.92
FULL_MB: Final = 64
LOW_MEMORY_MB: Final = 64
LOOP_RESTARTS: Final = 3
SETTLED_S: Final = 10.0


def disk(facts: Facts) -> Iterator[Finding]:
    yield disk_finding(facts.machine.disk_used, facts.machine.disk_free_mb, str(facts.subject.home))


def disk_finding(used: float, free_mb: int, path: str) -> Finding:
    percent = round(used * 100)
    if (used >= FULL and free_mb < 16 * FULL_MB) or free_mb < FULL_MB:
        return red("M", "disk_full", percent=percent, free=free_mb, path=path)
    if used >= LOW and free_mb < 2048:
        return yellow("M", "disk_low", percent=percent, free=free_mb, path=path)
    return green("M", "disk_ok", percent=percent, free=free_mb, path=path)


def memory(facts: Facts) -> Iterator[Finding]:
    free = facts.machine.memory_free_mb
    if free is not None and free < LOW_MEMORY_MB:
        yield yellow("M", "memory_low", free=free)


def units(facts: Facts) -> Iterator[Finding]:
    if not facts.subject.enabled or not facts.machine.units:
        return
    loops = [unit for unit in facts.machine.units if _loops(unit)]
    down = [unit for unit in facts.machine.units if unit.active not in ("active", "activating", "reloading")]
    if loops:
        yield red("M", "unit_loop", unit=loops[0].name, restarts=loops[0].restarts, instance=facts.subject.name)
    if down:
        states = [f"{unit.name} {unit.active}/{unit.sub}" for unit in down]
        yield red("M", "unit_failed", "units", units=states, instance=facts.subject.name)
    if not loops and not down:
        yield green("M", "unit_ok", restarts=max(unit.restarts for unit in facts.machine.units))


def _loops(unit: Unit) -> bool:
    """It starts, ends and is started again: waiting for its next start, or up for moments only."""
    has_settled = unit.seconds_up is not None and unit.seconds_up >= SETTLED_S
    return unit.restarts >= LOOP_RESTARTS and not has_settled


def permissions(facts: Facts) -> Iterator[Finding]:
    wrong = facts.machine.wrong_permissions
    yield red("M", "permissions", "permissions", paths=wrong) if wrong else green("M", "permissions_ok")


def warnings(facts: Facts) -> Iterator[Finding]:
    if facts.machine.nginx_warnings:
        yield yellow("M", "nginx_warns", warnings=facts.machine.nginx_warnings)


def python(facts: Facts) -> Iterator[Finding]:
    release, system = facts.machine.release_python, facts.machine.system_python
    if not release:
        yield red("M", "python_missing")
    elif system and release != system:
        yield yellow("M", "python_differs", release=release, system=system)
    elif release != "-":
        yield green("M", "python_ok", release=release)


def logs(facts: Facts) -> Iterator[Finding]:
    found = facts.machine.logs_with_secrets
    yield red("F", "log_secret", paths=found) if found else green("F", "log_ok")


def state(facts: Facts) -> Iterator[Finding]:
    if facts.machine.interrupted:
        yield yellow("M", "interrupted", "recover", path=facts.machine.interrupted)
    if facts.machine.disabled and facts.subject.enabled:
        yield yellow("M", "disabled", instance=facts.subject.name)


MACHINE_CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    disk,
    memory,
    units,
    permissions,
    warnings,
    python,
    logs,
    state,
)
