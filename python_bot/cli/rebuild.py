"""`botctl <instance> rebuild`: the archive made anew from its raw sources, compared, and put in place if wished."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import click

from ..archive import SqliteRaw
from ..db import Storage
from ..errors import B24BotError
from ..model import Differences
from ..provisioning import archives, health, inventory, rebuilt
from ..provisioning import transaction as tx
from ..provisioning.machine import Machine
from ..provisioning.owner import acting_as_owner
from ..provisioning.paths import Layout
from ..provisioning.ports import read_ports
from ..provisioning.spec import InstanceSpec
from ..rebuild import Rebuild
from ..worker import WorkerLock
from .instances import home, need_root, open_storage
from .output import echo_json, json_option


@click.command()
@click.option("--compare", "compares", is_flag=True, help="Only compare; nothing is changed (the default).")
@click.option("--replace", "replaces", is_flag=True, help="Put the new archive in place; the present one stays beside.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def rebuild(instance: str, compares: bool, replaces: bool, yes: bool, as_json: bool) -> None:
    """Make the archive anew from the stored requests and the portal's answers, and compare it with the present one.

    The instance goes on meanwhile. Exit code 1: they differ. What has no raw source (hand-overs, files, imported
    messages, jobs, erasures) moves over with --replace, and so does every message that the new one lacks.

    \b
    Examples:
      botctl shop-1 rebuild
      botctl shop-1 rebuild --replace
    """
    if compares and replaces:
        raise click.UsageError("--compare or --replace")
    layout = inventory.layout()
    place = home(instance)
    if replaces:
        need_root(layout)
        with tx.exclusive(layout, _say):  # first of all: an interrupted run may have left another archive in place
            tx.recover(layout, Machine(layout))
    kept = ""
    with _beside(place, instance) as (present, target):
        with acting_as_owner(place):
            made, found = _make(present, target, shows=sys.stderr.isatty() and not as_json)
        with closing(made):
            if not as_json:
                _tell(found)
            if replaces:
                if not yes:
                    _ask(found)
                kept = _put_in_place(layout, inventory.spec(layout, instance), made, present)
    if as_json:
        echo_json({**asdict(found), "replaced": replaces, "kept": kept or None})
    elif replaces:
        click.echo(f"The new archive is in place; the former one stays in {place / kept}")
    if found.found and not replaces:
        raise click.exceptions.Exit(1)


@contextmanager
def _beside(place: Path, instance: str) -> Iterator[tuple[Storage, Path]]:
    """The present archive, and where the new one is made; what is left there afterwards goes."""
    directory = place / "rebuild"
    with acting_as_owner(place):
        shutil.rmtree(directory, ignore_errors=True)
        _check_room(place)
        directory.mkdir(mode=0o700)
        present = open_storage(instance, place)
    try:
        yield present, directory / archives.DATABASE
    finally:
        with acting_as_owner(place):
            present.close()
            shutil.rmtree(directory, ignore_errors=True)


def _make(present: Storage, target: Path, *, shows: bool) -> tuple[Rebuild, Differences]:
    count = SqliteRaw(present).count()
    bar = click.progressbar(length=count, label="requests", file=sys.stderr) if shows else None
    made = Rebuild(present, target, bar.update if bar else lambda count: None)
    try:
        with bar or nullcontext():
            made.replay()
        return made, made.compare()
    except BaseException:
        made.close()
        raise


def _say(text: str) -> None:
    click.echo(text, err=True)


def _check_room(place: Path) -> None:
    needed = sum(path.stat().st_size for path in place.glob("dialogs.db*") if path.suffix in (".db", ".db-wal"))
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    if free < needed * 1.5:
        raise B24BotError(
            f"the new archive needs up to {needed * 3 // 2 >> 20} MiB, {free >> 20} MiB are free", next_step="make room"
        )


def _put_in_place(layout: Layout, spec: InstanceSpec, made: Rebuild, present: Storage) -> str:
    """Under the rules of `restore --replace`: the socket goes on taking connections. Returns the former one's name."""
    place = layout.home(spec.name)

    def finish() -> None:
        with acting_as_owner(place), _nobody_works(place, spec.name):
            made.finish()
            made.close()
            present.close()

    machine = rebuilt.RebuildingMachine(layout, finish)
    with tx.exclusive(layout, _say):
        tx.recover(layout, Machine(layout))
        steps, aside = rebuilt.steps(layout, spec, read_ports(layout.ports_map))

        def verify() -> None:
            if spec.enabled and not layout.is_staging:
                health.wait_until_ready(spec, through_nginx=False)

        tx.Transaction(layout, machine, f"rebuild {spec.name}").carry_out(steps, verify)
    return aside


@contextmanager
def _nobody_works(place: Path, instance: str) -> Iterator[None]:
    lock = WorkerLock(place / "worker.lock")
    try:
        if not lock.try_take():
            raise B24BotError(
                f"{instance} runs, and was not started by botctl; nothing was changed",
                next_step="end that process, then try again",
            )
        yield
    finally:
        lock.close()


def _tell(found: Differences) -> None:
    click.echo(f"Messages in the archive: {found.present_messages}; made anew: {found.rebuilt_messages}")
    for difference in found.found:
        click.echo(f"{difference.what}: {difference.count}")
        for chat_id, number in difference.examples:
            click.echo(f"  {number}" if chat_id is None else f"  chat {chat_id}: {number}")
    if not found.found:
        click.echo("They are equal.")


def _ask(found: Differences) -> None:
    if not sys.stdin.isatty():
        raise B24BotError("nobody can be asked here; nothing was changed", next_step="give --yes")
    differ = sum(difference.count for difference in found.found)
    click.confirm(f"Put the new archive in place ({differ} differences)?", abort=True)
