"""`botctl <instance> completeness`: what was captured, and what is missing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click

from ..archive import SqliteArchive, SqliteComparison, SqliteCompleteness, SqliteManifests
from ..proof.report import Report
from ..proof.verify import verify
from ..provisioning.owner import acting_as_owner
from .instances import home, open_storage
from .output import echo_facts, echo_json, json_option

PAGE: Final = 500
SHOWN: Final = 50


@click.command()
@click.option("--since", metavar="TIME", help="From this day or time on (UTC).")
@click.option("--until", metavar="TIME", help="Before this day or time (UTC).")
@click.option("--verify", "verifies", is_flag=True, help="Compare the archive with the daily manifests instead.")
@json_option
@click.pass_obj
def completeness(instance: str, since: str | None, until: str | None, verifies: bool, as_json: bool) -> None:
    """Show what was captured of what the portal's history knows, by dialog and day. Exit code 1: something is missing.

    Missing is a message of which only an edit or a deletion was seen, a session whose history was never read, and a
    session number that nobody has asked for yet.

    \b
    Examples:
      botctl shop-1 completeness
      botctl shop-1 completeness --since 2026-07-01 --until 2026-08-01 --json
      botctl shop-1 completeness --verify
    """
    if verifies:
        _verify(instance, as_json)
        return
    first, end = _seconds("--since", since) or 0, _seconds("--until", until)
    place = home(instance)
    with acting_as_owner(place):
        storage = open_storage(instance, place)
        try:
            report = Report(SqliteArchive(storage), SqliteComparison(storage), SqliteCompleteness(storage))
            totals = report.totals(first, end)
            days = _all_days(report, first, end) if as_json else _incomplete(report, first, end)
        finally:
            storage.close()
    if as_json:
        echo_json({"totals": totals, "days": days})
    else:
        _tell(totals, days)
    if totals["gaps"]:
        raise click.exceptions.Exit(1)


def _verify(instance: str, as_json: bool) -> None:
    place = home(instance)
    with acting_as_owner(place):
        storage = open_storage(instance, place)
        try:
            found = verify(place / "manifests", SqliteManifests(storage))
        finally:
            storage.close()
    if as_json:
        echo_json(asdict(found))
    else:
        facts = {name: value for name, value in asdict(found).items() if name != "problems"}
        echo_facts({**facts, "head": found.head or None})
        for problem in found.problems:
            about = f"message {problem.message_id}: " if problem.message_id is not None else ""
            click.echo(f"{problem.manifest}: {about}{problem.what}")
    if found.problem_count:
        raise click.exceptions.Exit(1)


def _all_days(report: Report, since: int, until: int | None) -> list[dict[str, Any]]:
    found, after = report.days(None, PAGE, since, until)
    while after is not None:
        more, after = report.days(after, PAGE, since, until)
        found += more
    return found


def _incomplete(report: Report, since: int, until: int | None) -> list[dict[str, Any]]:
    """The first rows to which something is wanting."""
    found: list[dict[str, Any]] = []
    rows, after = report.days(None, PAGE, since, until)
    while True:
        found += [row for row in rows if not row["complete"]]
        if after is None or len(found) > SHOWN:
            return found
        rows, after = report.days(after, PAGE, since, until)


def _tell(totals: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    echo_facts(totals)
    for row in rows[:SHOWN]:
        known = "?" if row["known"] is None else row["known"]
        lacks = [f"only changes of {', '.join(map(str, row['missing_ids']))}"] if row["missing"] else []
        if row["sessions_uncompared"]:
            names = ("without a number" if number is None else str(number) for number in row["sessions_uncompared"])
            lacks.append(f"never compared: session {', '.join(names)}")
        if row["sessions_behind"]:
            lacks.append(f"to be compared again: {row['sessions_behind']}")
        click.echo(f"{row['day']}  chat {row['chat_id']}  {row['captured']} of {known}  {'; '.join(lacks)}")
    if len(rows) > SHOWN:
        click.echo("… and more; --json shows all of them")


def _seconds(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{name}: a day like 2026-07-29 or a time like 2026-07-29T08:00:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
