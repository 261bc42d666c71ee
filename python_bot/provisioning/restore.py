"""A backup becomes an instance: the plan of `create`, and the unpacked home put in place in the same transaction."""

from __future__ import annotations

import os
from pathlib import Path

from ..db import RESTORED
from ..values import dataclass
from . import rendering
from .backup import Contents
from .machine import Machine
from .paths import Layout
from .spec import InstanceSpec
from .steps import Absent, Directory, File, Link, Process, Step, UnitState


@dataclass(frozen=True, slots=True)
class Replaced(Absent):
    """The directory `source` takes the place of the home; what was there is kept aside until the transaction is over.

    An `Absent` with something put into the gap: an undo, and a recovery after a power cut, know it as that.
    """

    source: Path
    instance: str


class RestoringMachine(Machine):
    def is_done(self, step: Step) -> bool:
        match step:
            case Replaced():
                return False
            case UnitState(name, True) if name.endswith(".service"):
                return not self.has_systemd  # what runs now stands still on the way; its socket stays as it is
            case Process(_, True):
                return not self.has_daemons
            case _:
                return super().is_done(step)

    def do(self, step: Step) -> None:
        if isinstance(step, Replaced):
            self.stand_still(step.instance)
            super().do(step)
            self._give(step.source, self.layout.user(step.instance))
            step.source.rename(step.path)
        else:
            super().do(step)

    def _give(self, tree: Path, user: str) -> None:
        owner = self._owner(user)
        if owner is None:
            return
        for directory, names, files in os.walk(tree):
            os.chown(directory, *owner)
            for name in (*names, *files):
                os.lchown(Path(directory) / name, *owner)


def steps(layout: Layout, contents: Contents, spec: InstanceSpec, ports: dict[str, int], *, silent: bool) -> list[Step]:
    """Everything of the instance, its data included. `silent`: it archives and answers, but calls nobody."""
    found: list[Step] = []
    home = layout.home(spec.name)
    for step in rendering.create(layout, spec, ports):
        if isinstance(step, File | Link | Absent) and step.path.parent == home:
            continue  # part of the tree
        found.append(step)
        if isinstance(step, Directory) and step.path == home:
            found.append(Replaced(home, _tree(layout, contents, spec, silent=silent), spec.name))
    return found


def _tree(layout: Layout, contents: Contents, spec: InstanceSpec, *, silent: bool) -> Path:
    """The unpacked home made ready to be used: link to the release, flags, modes."""
    home = contents.home
    home.chmod(0o700)
    (home / "files").mkdir(mode=0o700, exist_ok=True)
    release = Path("/") / layout.release(spec.release).relative_to(layout.root)
    (home / ".venv").symlink_to(release / ".venv")
    (home / RESTORED).touch(0o600)
    is_off = silent or not spec.enabled or (home / "DISABLED").exists()
    (home / "DISABLED").unlink(missing_ok=True)
    (home / ("DISABLED" if is_off else "ENABLED")).touch(0o600)
    return home
