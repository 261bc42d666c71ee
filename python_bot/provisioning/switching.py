"""An instance goes to another release: the steps."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from ..db import name_aside
from . import archives, releases, rendering
from .paths import Layout
from .spec import InstanceSpec
from .steps import Absent, ArchiveExchanged, ArchiveKept, DaemonReload, Directory, File, FirewallPort, Step, UnitState


def steps(layout: Layout, spec: InstanceSpec, version: str, ports: dict[str, int], *, database: bool) -> list[Step]:
    """`create`'s plan on the other release, without the flags that a person may have set; what the instance had before
    is noted, and its archive kept. `database`: the archive from before the last upgrade takes its place again."""
    home, user = layout.home(spec.name), layout.user(spec.name)
    flags = {home / flag for flag in ("ENABLED", "DISABLED")}
    has_web = layout.include(spec.domain, spec.name).exists()
    planned = rendering.create(layout, replace(spec, release=version), ports, nginx_wanted=has_web)
    note = json.dumps({"release": spec.release, "left_at": int(time.time())}).encode()
    aside = name_aside()
    archive: Step = (
        ArchiveExchanged(spec.name, aside)
        if database
        else ArchiveKept(spec.name, releases.schema(layout, spec.release), aside)
    )
    found: list[Step] = [
        Directory(archives.kept(layout, spec.name), 0o700, user),
        File(archives.kept(layout, spec.name) / releases.NOTE, note, 0o600, user),
    ]
    for step in planned:
        match step:
            case File(path) | Absent(path) if path in flags:
                continue
            case UnitState(name, True) if name == layout.socket(spec.name):
                # Another socket option is not worth a refused client: it counts from the next start of the socket.
                found.append(UnitState(name, True))
            case FirewallPort():
                continue  # whoever closed it since has a reason
            case DaemonReload():
                found += [step, archive]
            case _:
                found.append(step)
    return found
