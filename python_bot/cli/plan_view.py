"""A plan as a person reads it: what would be made, changed (as a diff) and removed. Secrets are never shown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from ..provisioning.machine import Machine
from ..provisioning.steps import (
    Absent,
    AcmeCertificate,
    DaemonReload,
    Directory,
    EmptyDirectoryGone,
    File,
    FirewallPort,
    Link,
    NginxReload,
    Process,
    Step,
    SystemUser,
    UnitState,
)


def show_plan(machine: Machine, steps: Sequence[Step]) -> None:
    todo = [step for step in steps if not machine.is_done(step)]
    for step in machine.with_consequences(steps, todo) if todo else []:
        _show(step)
    if not todo:
        click.echo("  nothing: everything is as wanted")


def _show(step: Step) -> None:
    match step:
        case Directory(path, mode, owner, _):
            click.echo(f"  directory {path} ({mode:04o} {owner})")
        case File(path, content, mode, owner, secret):
            verb = "change" if path.exists() else "make"
            click.echo(f"  {verb} {path} ({mode:04o} {owner})")
            if secret:
                click.echo("      (its content is secret)")
            else:
                _diff(path.read_bytes() if path.is_file() else b"", content)
        case Link(path, target):
            click.echo(f"  link {path} -> {target}")
        case Absent(path):
            click.echo(f"  remove {path}")
        case EmptyDirectoryGone(path):
            click.echo(f"  remove {path} if it is empty then")
        case SystemUser(name, _, present):
            click.echo(f"  {'make' if present else 'remove'} the system user {name}")
        case UnitState(name, running, _):
            click.echo(f"  {'(re)start' if running else 'stop'} {name}")
        case DaemonReload():
            click.echo("  systemctl daemon-reload")
        case NginxReload():
            click.echo("  test the whole nginx configuration, then reload nginx")
        case FirewallPort(port, is_open):
            click.echo(f"  ufw {'allow' if is_open else 'delete allow'} {port}/tcp")
        case AcmeCertificate(domain, server, _):
            click.echo(f"  certbot gets a certificate for {domain} from {server} and renews it")
        case Process(instance, running, _):
            click.echo(f"  {'start' if running else 'stop'} gunicorn of {instance}")


def _diff(before: bytes, after: bytes) -> None:
    old, new = before.decode(errors="replace").splitlines(), after.decode(errors="replace").splitlines()
    for line in list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]:
        colour = "green" if line.startswith("+") else "red" if line.startswith("-") else None
        click.secho(f"      {line}", fg=colour)
