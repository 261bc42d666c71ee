"""What concerns the whole machine, whatever runs on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import Final

from ..provisioning import nginx
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from . import machine_state
from .check_machine import LOW_MEMORY_MB, disk_finding
from .findings import Finding, green, red, yellow
from .report import Report, report
from .together import together

NGINX_S: Final = 3.0


def examine_server(layout: Layout, specs: Sequence[InstanceSpec]) -> Report:
    began = time.monotonic()
    return report("", _findings(layout, specs), time.monotonic() - began)


def _findings(layout: Layout, specs: Sequence[InstanceSpec]) -> list[Finding]:
    usage = shutil.disk_usage(layout.root)
    found = [disk_finding(usage.used / (usage.used + usage.free or 1), usage.free // 1024**2, str(layout.root))]
    free = machine_state.memory_free_mb()
    if free is not None and free < LOW_MEMORY_MB:
        found.append(yellow("M", "memory_low", free=free))
    if left := machine_state.interrupted(layout):
        found.append(yellow("M", "interrupted", "recover", path=left))
    served = any(layout.include(spec.domain, spec.name).exists() for spec in specs)
    if served and not layout.is_staging:
        cause, warnings = together({"nginx": nginx.complaints}, NGINX_S).get("nginx", ("", ()))
        if cause:
            found.append(red("A", "nginx_broken", cause=cause))
        if not nginx.is_running():
            found.append(red("A", "nginx_down", port="80"))
        if warnings:
            found.append(yellow("M", "nginx_warns", warnings=warnings))
        if not cause and not warnings and nginx.is_running():
            found.append(green("A", "nginx_ok", instances=len(specs)))
    return found
