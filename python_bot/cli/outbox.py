"""`botctl <instance> outbox`: what waits to be done, what was given up, and how to revive it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import click

from ..errors import B24BotError
from ..model import Job, time_text
from ..outbox import SqliteOutbox
from ..subscriptions import SqliteSubscriptions, Subscription
from ..subscriptions.contract import Backlog
from ..subscriptions.guard import parse
from .instances import open_storage
from .output import echo_json, json_option


@click.command()
@click.option("--revive", "revive_ids", type=int, multiple=True, metavar="ID", help="Try this buried job again.")
@click.option("--revive-all", is_flag=True, help="Try every buried job again.")
@click.option("--revive-webhook", type=int, metavar="ID", help="Tell this subscription again what happens.")
@click.option("--limit", default=50, show_default=True, help="How many of each to show.")
@json_option
@click.pass_obj
def outbox(
    instance: str,
    revive_ids: tuple[int, ...],
    revive_all: bool,
    revive_webhook: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show jobs that wait, jobs that were given up, and outgoing webhooks; revive what was given up.

    \b
    Examples:
      botctl shop-1 outbox
      botctl shop-1 outbox --revive 17
      botctl shop-1 outbox --revive-all
      botctl shop-1 outbox --revive-webhook 2
    """
    storage = open_storage(instance)
    try:
        jobs, subscriptions = SqliteOutbox(storage), SqliteSubscriptions(storage)
        if revive_webhook is not None:
            if not storage.write(lambda tx: subscriptions.change(tx, revive_webhook, time.time(), active=True)):
                raise B24BotError(
                    f"there is no subscription {revive_webhook}", next_step=f"botctl {instance} outbox lists them"
                )
            if as_json:
                echo_json({"revived_webhook": revive_webhook})
            else:
                click.echo(f"Revived: webhook {revive_webhook}")
            return
        if revive_all or revive_ids:
            chosen = None if revive_all else revive_ids
            count = storage.write(lambda tx: jobs.revive(tx, chosen, time.time()))
            if as_json:
                echo_json({"revived": count})
            else:
                click.echo(f"Revived: {count}")
            return
        waiting, buried = jobs.waiting(limit), jobs.buried(limit)
        webhooks, backlogs = subscriptions.all(), subscriptions.backlog()
    finally:
        storage.close()
    if as_json:
        rows = {
            "waiting": [_row(job) for job in waiting],
            "buried": [{**_row(b.job), "buried_at": time_text(b.buried_at)} for b in buried],
            "webhooks": [_webhook(each, backlogs[each.id]) for each in webhooks],
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
    if webhooks:
        click.echo(f"Webhooks: {len(webhooks)}")
    for each in webhooks:
        backlog = backlogs[each.id]
        state = "active" if each.active else f"off  {each.disabled_reason}".rstrip()
        since = f", since {time_text(backlog.oldest_at)}" if backlog.oldest_at is not None else ""
        last = f"  last: {backlog.last_error}" if backlog.last_error else ""
        counts = f"waiting {backlog.waiting} (failing {backlog.failing}){since}"
        click.echo(f"  #{each.id} {parse(each.url).origin} {state}  {counts}{last}")
    for each in webhooks:
        if each.disabled_reason:
            click.echo(f"Next step: mend the receiver, then botctl {instance} outbox --revive-webhook {each.id}")


def _line(job: Job) -> str:
    return f"#{job.id} {job.kind} {job.lane} tries {job.attempts}"


def _webhook(subscription: Subscription, backlog: Backlog) -> dict[str, Any]:
    """Without the path of the address, which may be a secret of the receiver's."""
    return {
        "id": subscription.id,
        "host": parse(subscription.url).origin,
        "active": subscription.active,
        "disabled_reason": subscription.disabled_reason,
        **asdict(backlog),
        "oldest_at": None if backlog.oldest_at is None else time_text(backlog.oldest_at),
    }


def _row(job: Job) -> dict[str, Any]:
    return {**asdict(job), "created_at": time_text(job.created_at), "due_at": time_text(job.due_at)}
