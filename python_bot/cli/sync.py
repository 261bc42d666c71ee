"""`botctl <instance> sync`: compare the archive with the portal now, or bring in the whole past."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import click

from ..archive import SqliteArchive, SqliteComparison
from ..errors import B24BotError
from ..outbox import SqliteOutbox
from ..provisioning import health, inventory
from ..sync.runs import Runs, View
from .instances import open_storage
from .output import echo_json, json_option
from .running import EXIT_NOT_RUNNING

LOOK_S: Final = 0.5
LINE_EVERY_S: Final = 10.0  # where nobody watches a bar
BAR: Final = 30


@click.command()
@click.option("--chat", "chat_id", type=click.IntRange(min=1), metavar="ID", help="Every session of this chat.")
@click.option("--all", "everything", is_flag=True, help="Every session there is, from number 1 upward.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Everything since this day (UTC).")
@json_option
@click.pass_obj
def sync(instance: str, chat_id: int | None, everything: bool, since: datetime | None, as_json: bool) -> None:
    """Compare the archive with the portal now; without options, what is open or incomplete, and what was missed.

    The running instance does the work, behind hand-overs and within the portal's limits; Ctrl-C only stops watching.
    A run over everything goes on where it was, whatever happened to the instance.

    \b
    Examples:
      botctl shop-1 sync
      botctl shop-1 sync --chat 1763
      botctl shop-1 sync --since 2026-07-01
      botctl shop-1 sync --all
    """
    if sum((chat_id is not None, everything, since is not None)) > 1:
        raise click.UsageError("--chat, --all and --since exclude each other")
    _check_running(instance)
    storage = open_storage(instance)
    try:
        runs = Runs(storage, SqliteArchive(storage), SqliteComparison(storage), SqliteOutbox(storage))
        resumed = False
        if chat_id is not None:
            trace_id = runs.compare_chat(chat_id)
        elif everything or since is not None:
            trace_id, resumed = runs.compare_all(int(since.replace(tzinfo=UTC).timestamp()) if since else 0)
        else:
            trace_id = runs.compare_due()
        watch = Watch(show=not as_json, is_terminal=sys.stdout.isatty())
        if resumed:
            watch.say("An interrupted run goes on.")
        try:
            view = watch.until_over(lambda: runs.look(trace_id))
        except KeyboardInterrupt:
            watch.say(f"The work goes on in the instance. Watch it again: botctl {instance} sync …, as before")
            raise click.exceptions.Exit(130) from None
    finally:
        storage.close()
    if as_json:
        echo_json({"trace_id": trace_id, "resumed": resumed, "found": view.found, "refused": view.refused})
    else:
        watch.say("Compared." + (f" {view.found} new sessions were found." if view.next else ""))
    if view.refused:
        raise B24BotError(
            f"the portal refused {view.refused} of the requests", next_step=f"botctl {instance} outbox shows why"
        )


def _check_running(instance: str) -> None:
    """Only a running instance that may call its portal gets anywhere. Says why it does not."""
    state = health.admin_status(inventory.spec(inventory.layout(), instance))
    if not state:
        click.echo(f"Error: {instance} is not running, and it is the instance that does the work", err=True)
        click.echo(f"Next step: botctl {instance} on", err=True)
        raise click.exceptions.Exit(EXIT_NOT_RUNNING)
    if not state["enabled"]:
        raise B24BotError(f"{instance} is disabled: no call leaves", next_step=f"botctl {instance} enable")
    if state["authorization_problem"]:
        raise B24BotError(f"{instance} cannot call its portal: {state['authorization_problem']}")


class Watch:
    """Shows how far a run is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, *, show: bool, is_terminal: bool) -> None:
        self._show = show
        self._is_terminal = is_terminal
        self._is_line_open = False

    def say(self, text: str) -> None:
        if not self._show:
            return
        click.echo(("\n" if self._is_line_open else "") + text)
        self._is_line_open = False

    def until_over(self, look: Callable[[], View]) -> View:
        started, first, shown_at = time.monotonic(), look(), float("-inf")
        most = 0
        while True:
            view = look()
            if view.is_over:
                return view
            most = max(most, view.waiting)
            now = time.monotonic()
            if self._show and (self._is_terminal or now - shown_at >= LINE_EVERY_S):
                self._print(progress_line(view, first, most, now - started, bar=self._is_terminal))
                shown_at = now
            time.sleep(LOOK_S)

    def _print(self, text: str) -> None:
        if self._is_terminal:
            click.echo(f"\r\033[K{text}", nl=False)
            self._is_line_open = True
        else:
            click.echo(text)


def progress_line(view: View, first: View, most: int, elapsed_s: float, *, bar: bool) -> str:
    """One line about a run that was at `first` when the watching began, and of which at most `most` jobs waited."""
    if view.high:
        share, begun = view.share, first.share
        text = f"session {view.next - 1} of {view.high}, {view.found} found, {view.waiting} requests wait"
    else:
        share, begun = (1.0 - view.waiting / most if most else 0.0), 0.0
        text = f"{view.waiting} requests wait"
    if share > begun and elapsed_s > 2.0:
        text += f", about {_duration((1.0 - share) * elapsed_s / (share - begun))} left"
    if view.refused:
        text += f", {view.refused} refused"
    filled = int(share * BAR)
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {share:4.0%}  {text}" if bar else f"{share:.0%}  {text}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
