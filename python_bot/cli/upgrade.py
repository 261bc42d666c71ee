"""`botctl <instance> upgrade`, `rollback`, and `botctl upgrade --all`: another release under a running instance.

The release lies ready beside the old one; what changes is a link and a unit file. The socket stays open meanwhile, so
nobody is refused. An instance that does not come up well on the new release is back on the old one by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import click

from ..errors import B24BotError
from ..provisioning import archives, daemon, health, inventory, releases, switching
from ..provisioning import transaction as tx
from ..provisioning.machine import Machine, run
from ..provisioning.paths import Layout
from ..provisioning.ports import read_ports
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import ArchiveExchanged, ArchiveKept
from .instances import need_root

WAVE: Final = 5
Verify = Callable[[Layout, Sequence[InstanceSpec], str], None]


@click.command()
@click.option("--to", "version", metavar="VERSION", help="The release to go to (default: the server's default).")
@click.pass_obj
def upgrade(instance: str, version: str | None) -> None:
    """Put the instance on another release; back by itself when it does not come up well.

    The archive is copied first. The release must be on this server: setup_multi.sh of that release puts it there.

    \b
    Examples:
      botctl shop-1 upgrade
      botctl shop-1 upgrade --to 0.2.0
    """
    layout = inventory.layout()
    inventory.spec(layout, instance)
    target = version or releases.default(layout)
    moved = switch(layout, [instance], target)
    click.echo(f"{instance} runs release {target}." if moved else f"{instance} has release {target} already.")


@click.command(name="upgrade")
@click.option("--all", "every", is_flag=True, required=True, help="Every instance of this server.")
@click.option("--to", "version", metavar="VERSION", help="The release to go to (default: the server's default).")
def upgrade_all(every: bool, version: str | None) -> None:
    """Upgrade every instance: one first, then the rest in waves of five; stops at the first failure.

    \b
    Examples:
      botctl upgrade --all
      botctl upgrade --all --to 0.2.0
    """
    layout = inventory.layout()
    target = version or releases.default(layout)
    releases.check(layout, target)
    waiting = [name for name in inventory.names(layout) if inventory.spec(layout, name).release != target]
    # The first one proves the release: it should be one that runs.
    waiting.sort(key=lambda name: not inventory.spec(layout, name).enabled)
    waves = [waiting[:1], *(waiting[start : start + WAVE] for start in range(1, len(waiting), WAVE))]
    for wave in filter(None, waves):
        try:
            switch(layout, wave, target)
        except B24BotError as error:
            raise B24BotError(
                f"{error}\nStopped: {', '.join(waiting)} are not on release {target}", next_step=error.next_step
            ) from None
        waiting = [name for name in waiting if name not in wave]
        click.echo(f"on release {target}: {', '.join(wave)}")
    click.echo(f"Every instance is on release {target}.")


@click.command()
@click.option(
    "--database", is_flag=True, help="Also put back the archive from before the upgrade; the present one stays."
)
@click.pass_obj
def rollback(instance: str, database: bool) -> None:
    """Put the instance back on the release that it had before.

    \b
    Examples:
      botctl shop-1 rollback
      botctl shop-1 rollback --database
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    target = releases.former(layout, instance)
    if not target or target == spec.release:
        raise B24BotError(
            f"{instance} was never upgraded: there is no release to go back to",
            next_step=f"botctl {instance} upgrade --to VERSION; here are: {', '.join(releases.installed(layout))}",
        )
    switch(layout, [instance], target, database=database)
    click.echo(f"{instance} runs release {target} again.")


def switch(
    layout: Layout, names: Sequence[str], version: str, *, database: bool = False, verify: Verify | None = None
) -> list[str]:
    """Put instances on a release, all of them or none; returns those that moved. Raises B24BotError.

    `database`: with the archive from before the last upgrade. `verify`: raises B24BotError when they are not well.
    """
    need_root(layout)
    releases.check(layout, version)
    if not layout.is_staging:
        releases.try_out(layout, version)
    machine = Machine(layout)
    with tx.exclusive(layout, lambda text: click.echo(text, err=True)):
        tx.recover(layout, machine)
        moving = [spec for name in names if (spec := inventory.spec(layout, name)).release != version]
        for spec in moving:
            _check_archive(layout, spec, version, database)
        ports = read_ports(layout.ports_map)
        steps = [step for spec in moving for step in switching.steps(layout, spec, version, ports, database=database)]
        asides = {step.instance: step.aside for step in steps if isinstance(step, ArchiveKept | ArchiveExchanged)}
        try:
            tx.Transaction(layout, machine, f"release {version} for {', '.join(names)}").carry_out(
                steps, lambda: (verify or _wait_until_well)(layout, moving, version)
            )
        except B24BotError as error:
            troubles = _troubles_after_undo(layout, moving)
            back = ", ".join(f"{spec.name} is back on release {spec.release}" for spec in moving)
            raise B24BotError(
                "\n".join([f"{error}", *(troubles or [back])]), next_step=error.next_step or "see the logs"
            ) from None
        finally:
            for instance, name in asides.items():
                if (layout.home(instance) / name).exists():
                    click.echo(f"{instance}: the archive as it was until now stays in {layout.home(instance) / name}")
    return [spec.name for spec in moving]


def _check_archive(layout: Layout, spec: InstanceSpec, version: str, database: bool) -> None:
    if database:
        archives.check_kept(layout, spec.name)
        return
    found, known = archives.schema(layout, spec.name), releases.schema(layout, version)
    if found > known:
        raise B24BotError(
            f"the archive of {spec.name} has schema {found}, release {version} knows {known}; nothing was changed",
            next_step=f"botctl {spec.name} rollback --database puts the archive from before the upgrade back;"
            " the present one stays beside it",
        )


def _wait_until_well(layout: Layout, specs: Sequence[InstanceSpec], version: str) -> None:
    """They answer, can write, work, and are really the new release."""
    if layout.is_staging:
        return
    wanted = releases.program_version(layout, version)
    machine = Machine(layout)
    for spec in specs:
        if spec.enabled:
            # Over at once when the process has died: clients wait at the socket.
            health.wait_until_ready(
                spec, through_nginx=False, has_died=partial(_has_died, machine, spec.name), timeout_s=1.0
            )
            found = health.admin_status(spec).get("version")
            if wanted and found != wanted:
                raise B24BotError(f"{spec.name} answers as release {found}, not {wanted}")


def _has_died(machine: Machine, instance: str) -> bool:
    """systemd has had to start it again since we started it; elsewhere: there is no process."""
    if not machine.has_systemd:
        return not daemon.is_running(machine.layout, instance)
    count = run(("systemctl", "show", "--property=NRestarts", "--value", machine.layout.service(instance)))
    return count.strip() not in ("", "0")


def _troubles_after_undo(layout: Layout, specs: Sequence[InstanceSpec]) -> list[str]:
    """The undo has started the processes again: do they come up as before?"""
    troubles: list[str] = []
    for spec in specs:
        if spec.enabled and not layout.is_staging:
            try:
                health.wait_until_ready(spec, through_nginx=False)
            except B24BotError as error:
                troubles.append(f"{spec.name} does not come up on its former release either: {error}")
    return troubles
