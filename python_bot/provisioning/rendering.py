"""The plan of an instance, with the files of systemd and nginx as the instance's own release writes them.

A release's templates and the code that fills them change together. So where the instance is on another release than
the one that runs us, that release is asked: `python -m python_bot.provisioning.rendering` of it reads one JSON object
from standard input (it holds secrets) and prints one.

    in   {"root": "/", "spec": {…}, "env": {…}, "ports": {"shop-1": 18080}, "nginx": true}
    out  {"files": [{"path": "/etc/systemd/system/…", "mode": 420, "content": "…"}]}
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..errors import B24BotError
from . import duckdns, inventory, plan, releases
from .paths import Layout
from .spec import InstanceSpec, spec_of, write_spec
from .steps import DaemonReload, File, NginxReload, Step

OURS: Final = Path(__file__).resolve().parents[2]
TIMEOUT_S: Final = 60


def create(
    layout: Layout,
    spec: InstanceSpec,
    ports: dict[str, int],
    *,
    nginx_wanted: bool = True,
    address: duckdns.DuckDns | None = None,
) -> list[Step]:
    """`plan.create`, for any release. What instances share in nginx is of the newest release in use: it serves the
    includes of older ones. Raises B24BotError when another release cannot be asked."""
    steps = plan.create(layout, spec, ports, nginx_wanted=nginx_wanted, address=address)
    theirs = _files(layout, spec, spec.release, ports, nginx_wanted, steps)
    if nginx_wanted:
        used = {spec.release, *(other.release for other in inventory.others(layout, spec.name))}
        newest = max(used, key=releases.order)
        own = {layout.include(spec.domain, spec.name)}
        shared = theirs if newest == spec.release else _files(layout, spec, newest, ports, True, steps)
        theirs = [step for step in theirs if not _is_shared(layout, step, own)]
        theirs += [step for step in shared if _is_shared(layout, step, own)]
    return _exchanged(layout, spec, steps, theirs)


def refreshed(layout: Layout, spec: InstanceSpec, ports: dict[str, int]) -> list[Step]:
    """Only the units: they name the machine's name servers and the portal's address, which change without us."""
    units = (layout.units / layout.socket(spec.name), layout.units / layout.service(spec.name))
    return [
        step
        for step in create(layout, spec, ports, nginx_wanted=False)
        if (isinstance(step, File) and step.path in units) or isinstance(step, DaemonReload)
    ]


def _is_shared(layout: Layout, step: File, own: set[Path]) -> bool:
    return step.path.is_relative_to(layout.nginx) and step.path not in own


def _rendered(layout: Layout, spec: InstanceSpec, steps: list[Step]) -> list[File]:
    """Of a plan what comes from templates and is the instance's, or shared by instances."""
    units = layout.service(spec.name).removesuffix("service")
    return [
        step
        for step in steps
        if isinstance(step, File)
        and (step.path.is_relative_to(layout.nginx) or str(step.path).startswith(str(layout.units / units)))
    ]


def _files(
    layout: Layout, spec: InstanceSpec, version: str, ports: dict[str, int], nginx_wanted: bool, steps: list[Step]
) -> list[File]:
    """What release `version` renders for the instance; what we render when that is our own, or one that is too old to
    be asked."""
    release = layout.release(version)
    if release.resolve() == OURS or not (release / "python_bot/provisioning/rendering.py").is_file():
        return _rendered(layout, spec, steps)
    question = {
        "root": str(layout.root),
        "spec": json.loads(write_spec(spec)),
        "env": spec.env,
        "ports": ports,
        "nginx": nginx_wanted,
    }
    done = subprocess.run(
        [str(release / ".venv/bin/python"), "-I", "-m", "python_bot.provisioning.rendering"],
        input=json.dumps(question),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    try:
        rows: list[dict[str, Any]] = json.loads(done.stdout)["files"]
        return [File(Path(row["path"]), row["content"].encode(), row["mode"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise B24BotError(
            f"release {version} cannot write the files of {spec.name}: {why}; nothing was changed",
            next_step="run setup_multi.sh of that release again",
        ) from None


def _exchanged(layout: Layout, spec: InstanceSpec, steps: list[Step], theirs: list[File]) -> list[Step]:
    """Our own rendered files give way to theirs; what only they have comes before the reload that reads it."""
    ours = set(_rendered(layout, spec, steps))
    left = {step.path: step for step in theirs}
    found: list[Step] = []
    for step in steps:
        if isinstance(step, File) and step in ours:
            found += [left.pop(step.path)] if step.path in left else []
            continue
        if isinstance(step, DaemonReload | NginxReload):
            place = layout.units if isinstance(step, DaemonReload) else layout.nginx
            found += [left.pop(path) for path in list(left) if path.is_relative_to(place)]
        found.append(step)
    return found


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What another release's botctl asked. `question` may hold more than we know."""
    layout = Layout(Path(question["root"]))
    spec = replace(spec_of(question["spec"]), env=question["env"])
    steps = plan.create(layout, spec, question["ports"], nginx_wanted=question["nginx"])
    rows = [
        {"path": str(step.path), "mode": step.mode, "content": step.content.decode()}
        for step in _rendered(layout, spec, steps)
    ]
    return {"files": rows}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
