"""An archive that was made anew takes the place of the present one: the plan of `create` with that in its middle."""

from __future__ import annotations

from collections.abc import Callable

from ..db import name_aside
from . import archives, rendering
from .paths import Layout
from .restore import RestoringMachine
from .spec import InstanceSpec
from .steps import Absent, ArchiveExchanged, DaemonReload, File, FirewallPort, Step


class RebuildingMachine(RestoringMachine):
    """`finish`: brings the new archive up to date once nobody writes to the present one any more."""

    def __init__(self, layout: Layout, finish: Callable[[], None]) -> None:
        super().__init__(layout)
        self._finish = finish

    def do(self, step: Step) -> None:
        if isinstance(step, ArchiveExchanged):
            self.stand_still(step.instance)
            self._finish()
            archives.put_back(self.layout, step.instance, step.aside, step.place)
        else:
            super().do(step)


def steps(layout: Layout, spec: InstanceSpec, ports: dict[str, int]) -> tuple[list[Step], str]:
    """The plan, and the name under which the present archive stays in the home."""
    home, aside = layout.home(spec.name), name_aside()
    flags = {home / flag for flag in ("ENABLED", "DISABLED")}
    has_web = layout.include(spec.domain, spec.name).exists()
    found: list[Step] = []
    for step in rendering.create(layout, spec, ports, nginx_wanted=has_web):
        if isinstance(step, File | Absent) and step.path in flags:
            continue  # a person may have set them
        if isinstance(step, FirewallPort):
            continue
        found.append(step)
        if isinstance(step, DaemonReload):
            found.append(ArchiveExchanged(spec.name, aside, "rebuild"))
    return found, aside
