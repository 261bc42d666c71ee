"""`botctl <instance> journal`: which requests came and left, how they ended, and what one of them led to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import click

from ..errors import B24BotError
from ..traffic import Entry, Question, SqliteTraffic
from ..traffic.record import KINDS
from .duration import DURATION
from .instances import open_storage
from .logs import visible
from .output import echo_json
from .trace_view import as_data, line_of, read_trace, row_of, tree

LOOK_S: Final = 0.5
PAGE: Final = 500
_STATUS: Final = re.compile(r"([1-5])xx|([1-5][0-9]{2})")


class Status(click.ParamType[tuple[int, int]]):
    """4xx, 404, or none -> (lowest, highest)"""

    name = "status"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        if value == "none":
            return 0, 0
        found = _STATUS.fullmatch(str(value).lower())
        if found is None:
            self.fail(
                f"{value!r} is no status; write it like 4xx, 404, or none for requests without an answer", param, ctx
            )
        if found[1]:
            return int(found[1]) * 100, int(found[1]) * 100 + 99
        return int(found[2]), int(found[2])


@click.command()
@click.option("--since", type=DURATION, metavar="TIME", help="Of the last so long: 30m, 1h, 2d.")
@click.option("--trace", "trace_id", metavar="ID", help="Everything that one request led to, as a tree.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only of this kind; may be repeated.")
@click.option("--status", type=Status(), metavar="4xx", help="Only answered so: 4xx, 404, or none.")
@click.option("--chat", "chat_id", type=click.IntRange(min=1), metavar="ID", help="Only about this dialog.")
@click.option("-n", "--lines", "count", type=click.IntRange(min=0), default=50, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; with --trace one for all.")
@click.pass_obj
def journal(
    instance: str,
    since: float | None,
    trace_id: str | None,
    kinds: tuple[str, ...],
    status: tuple[int, int] | None,
    chat_id: int | None,
    count: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show the newest requests of the HTTP journal, in and out, oldest first (times are UTC); up to a second late.

    \b
    Examples:
      botctl shop-1 journal --since 1h --status 4xx
      botctl shop-1 journal --kind event -f
      botctl shop-1 journal --trace 9f2c51d0a7e3b846
    """
    storage = open_storage(instance)
    try:
        if trace_id is not None:
            found = read_trace(storage, trace_id)
            if found.is_empty:
                raise B24BotError(
                    f"nothing is known of the trace {visible(trace_id)}",
                    next_step=f"botctl {instance} journal shows traces in brackets; the oldest are deleted after"
                    " B24BOT_JOURNAL_DAYS",
                )
            if as_json:
                echo_json(as_data(found))
            else:
                for line in tree(found):
                    click.echo(visible(line))
            return
        traffic = SqliteTraffic(storage)
        lowest, highest = status or (None, None)
        question = Question(
            since=time.time() - since if since is not None else None,
            kinds=kinds,  # type: ignore[arg-type]  # click.Choice lets nothing else in
            lowest_status=lowest,
            highest_status=highest,
            chat_id=chat_id,
        )
        seen = traffic.newest_id()
        entries = traffic.page(question, count) if count else []
        _show(entries, as_json)
        if not entries and not follow and not as_json:
            click.echo("No request in the journal is like that", err=True)
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(traffic, question, max([seen, *(entry.id for entry in entries)]), as_json)
    finally:
        storage.close()


def _follow(traffic: SqliteTraffic, question: Question, seen: int, as_json: bool) -> None:
    while True:
        entries = traffic.page(replace(question, after_id=seen), PAGE)
        _show(entries, as_json)
        if entries:
            seen = entries[-1].id
        else:
            time.sleep(LOOK_S)


def _show(entries: Iterable[Entry], as_json: bool) -> None:
    for entry in entries:
        click.echo(json.dumps(row_of(entry), ensure_ascii=False) if as_json else visible(line_of(entry)))
