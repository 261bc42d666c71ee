"""`botctl <instance> outbox`: what waits to be done, what was given up, and how to revive it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from ..model import Job, time_text
from ..outbox import SqliteOutbox
from .instances import open_storage
from .output import echo_json, json_option


@click.command()
@click.option("--revive", "revive_ids", type=int, multiple=True, metavar="ID", help="Try this buried job again.")
@click.option("--revive-all", is_flag=True, help="Try every buried job again.")
@click.option("--limit", default=50, show_default=True, help="How many of each to show.")
@json_option
@click.pass_obj
def outbox(instance: str, revive_ids: tuple[int, ...], revive_all: bool, limit: int, as_json: bool) -> None:
    """Show jobs that wait and jobs that were given up; revive the latter.

    \b
    Examples:
      botctl shop-1 outbox
      botctl shop-1 outbox --revive 17
      botctl shop-1 outbox --revive-all
    """
    storage = open_storage(instance)
    try:
        jobs = SqliteOutbox(storage)
        if revive_all or revive_ids:
            chosen = None if revive_all else revive_ids
            count = storage.write(lambda tx: jobs.revive(tx, chosen, time.time()))
            if as_json:
                echo_json({"revived": count})
            else:
                click.echo(f"Revived: {count}")
            return
        waiting, buried = jobs.waiting(limit), jobs.buried(limit)
    finally:
        storage.close()
    if as_json:
        rows = {
            "waiting": [_row(job) for job in waiting],
            "buried": [{**_row(b.job), "buried_at": time_text(b.buried_at)} for b in buried],
        }
        echo_json(rows)
        return
    click.echo(f"Waiting: {len(waiting)}")
    for job in waiting:
        last = f"  last: {job.last_error}" if job.last_error else ""
        click.echo(f"  {_line(job)}  due {time_text(job.due_at)}{last}")
    click.echo(f"Given up: {len(buried)}")
    for dead in buried:
        click.echo(f"  {_line(dead.job)}  {time_text(dead.buried_at)}  {dead.job.last_error}")
    if buried:
        click.echo(f"Next step: mend the cause, then botctl {instance} outbox --revive-all")


def _line(job: Job) -> str:
    return f"#{job.id} {job.kind} {job.lane} tries {job.attempts}"


def _row(job: Job) -> dict[str, Any]:
    return {**asdict(job), "created_at": time_text(job.created_at), "due_at": time_text(job.due_at)}
