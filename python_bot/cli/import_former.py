"""`botctl <instance> import FILE`: the archive of the single-file bot, taken over."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from ..archive.former import FormerArchive
from ..errors import B24BotError
from ..takeover import Summary, take_over
from .instances import open_storage

LOCALTIME: Final = Path("/etc/localtime")


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--timezone", "zone_name", metavar="NAME", help="Zone of the times in it, such as Europe/Moscow.")
@click.option("--dry-run", is_flag=True, help="Only read the file and say what it holds.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def import_former(instance: str, file: Path, zone_name: str | None, dry_run: bool, as_json: bool) -> None:
    """Take over the archive of the single-file bot, while the instance runs. Safe to repeat.

    Its messages stand in until the portal's history tells the same ones; nothing is doubled, and what history does
    not have stays. Times in the file are local: of this server's zone unless --timezone names another.

    \b
    Examples:
      botctl shop-1 import old.db --dry-run
      botctl shop-1 import old.db --timezone Europe/Moscow
    """
    zone = read_zone(zone_name)
    former = FormerArchive(file, zone)
    try:
        summary = _carry_out(instance, former, dry_run, shows=sys.stderr.isatty() and not as_json)
    finally:
        former.close()
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "timezone": str(zone), **asdict(summary)}, ensure_ascii=False))
        return
    _tell(summary, zone, dry_run)


def _carry_out(instance: str, former: FormerArchive, dry_run: bool, *, shows: bool) -> Summary:
    storage = None if dry_run else open_storage(instance)
    bar = click.progressbar(length=former.count(), label="messages", file=sys.stderr) if shows else None
    try:
        with bar or nullcontext():
            return take_over(former, storage, bar.update if bar else lambda count: None)
    finally:
        if storage is not None:
            storage.close()


def _tell(summary: Summary, zone: ZoneInfo, dry_run: bool) -> None:
    click.echo(f"Read: {summary.dialogs} dialogs, {summary.users} users, {summary.messages} messages")
    if summary.messages:
        click.echo(f"From {_time(summary.first_at)} to {_time(summary.last_at)} (UTC; {zone} in the file)")
    if summary.unreadable_times:
        click.echo(f"Without a readable time: {summary.unreadable_times}; they got that of the message before")
    if dry_run:
        click.echo("Nothing was changed.")
        return
    taken = summary.taken
    click.echo(
        f"Taken over: {taken.added}; here already: {taken.known}; told by the portal too, so not doubled:"
        f" {taken.replaced}; erased here before, so left out: {taken.erased}"
    )
    click.echo("When the portal's history of these sessions is read, its own messages take the place of the same ones.")


def read_zone(name: str | None) -> ZoneInfo:
    """The zone of this name, or the server's own. Raises B24BotError."""
    wanted = name or os.environ.get("TZ", "").removeprefix(":") or _servers_zone()
    try:
        return ZoneInfo(wanted)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise B24BotError(
            f"{wanted!r} is no time zone that this server knows",
            next_step="give one such as Europe/Moscow with --timezone; the zones are in the package tzdata",
        ) from None


def _servers_zone() -> str:
    """/etc/localtime is a link to /usr/share/zoneinfo/Europe/Moscow."""
    return str(LOCALTIME.resolve()).partition("/zoneinfo/")[2] or "UTC"


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
