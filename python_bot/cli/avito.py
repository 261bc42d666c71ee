"""`botctl <instance> avito`: the shops of Avito whose messages the instance brings in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click

from ..channels.avito.options import FEWEST, MOST, PER_MINUTE, REQUESTS
from .accounts import read_secret
from .logs import visible
from .output import echo_json, json_option
from .running import ask

VARIABLE: Final = "AVITO_CLIENT_SECRET"
_WHERE: Final = "/api/avito/accounts"

_secret_file = click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help=f"File with the client_secret, - for stdin; else {VARIABLE}, else you are asked for it.",
)
_line = click.option("--line", "line_id", type=click.IntRange(min=1), help="The open line that shows the messages.")
_bot = click.option("--telegram-bot", "bot_id", type=click.IntRange(min=1), help="The bot that makes a topic per chat.")
_chat = click.option("--telegram-chat", "chat_id", help="The group of the topics, like -1002000000001.")
_pace = click.option(
    "--requests-per-minute",
    "pace",
    type=click.IntRange(FEWEST, MOST),
    help=f"How many requests may go to Avito in a minute; usually {PER_MINUTE}.",
)


@click.group()
def avito() -> None:
    """Connect shops of Avito: their messages go to an open line, to topics of a Telegram group, or to both.

    \b
    Examples:
      botctl shop-1 avito add --client-id aBcD --secret-file secret.txt --line 3
      botctl shop-1 avito status
      botctl shop-1 avito remove 2
    """


@avito.command()
@click.option("--client-id", required=True, help="As Avito shows it under 'API'.")
@_secret_file
@_line
@_bot
@_chat
@_pace
@json_option
@click.pass_obj
def add(
    instance: str,
    client_id: str,
    secret_file: Path | None,
    line_id: int | None,
    bot_id: int | None,
    chat_id: str | None,
    pace: int | None,
    as_json: bool,
) -> None:
    """Connect a shop. Its webhook is registered by itself, now or as soon as Avito can be reached.

    Example: botctl shop-1 avito add --client-id aBcD --secret-file secret.txt --line 3
    """
    wanted: dict[str, Any] = {"api_client_id": client_id, "api_client_secret": _secret(secret_file)}
    more = {"line_id": line_id, "telegram_bot_id": bot_id, "telegram_chat_id": chat_id, REQUESTS: pace}
    wanted |= {name: value for name, value in more.items() if value is not None}
    found = ask(instance, "POST", _WHERE, wanted)
    if as_json:
        echo_json(found)
        return
    _show(found)
    click.echo(f"Next step: botctl {instance} avito status, in a minute")


@avito.command(name="list")
@json_option
@click.pass_obj
def list_accounts(instance: str, as_json: bool) -> None:
    """List the shops, with where their messages go.

    Example: botctl shop-1 avito list --json
    """
    rows = ask(instance, "GET", _WHERE)["accounts"]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['id']:>4}  {row['state']:<10} {visible(row['name'])}  {_targets(row)}")
    if not rows:
        click.echo(f"There is no shop: botctl {instance} avito add")


@avito.command()
@click.argument("account_id", type=click.IntRange(min=1))
@click.option("--client-id", help="New keys: with --secret-file, or its like.")
@_secret_file
@_line
@click.option("--no-line", is_flag=True, help="Into no open line any more.")
@_bot
@_chat
@click.option("--no-topics", is_flag=True, help="Into no topics any more.")
@_pace
@click.option("--on/--off", "active", default=None, help="Switch it on again, or off.")
@json_option
@click.pass_obj
def change(
    instance: str,
    account_id: int,
    client_id: str | None,
    secret_file: Path | None,
    line_id: int | None,
    no_line: bool,
    bot_id: int | None,
    chat_id: str | None,
    no_topics: bool,
    pace: int | None,
    active: bool | None,
    as_json: bool,
) -> None:
    """Change keys, targets or pace, or only renew the secret of the webhook, which every change does.

    \b
    Examples:
      botctl shop-1 avito change 2 --line 7
      botctl shop-1 avito change 2 --no-topics
    """
    if (no_line and line_id) or (no_topics and (bot_id or chat_id)):
        raise click.UsageError("a target is either given or taken away")
    given = {"api_client_id": client_id, "line_id": line_id, "telegram_bot_id": bot_id, "telegram_chat_id": chat_id}
    wanted: dict[str, Any] = {
        name: value for name, value in {**given, REQUESTS: pace, "active": active}.items() if value is not None
    }
    if client_id is not None or secret_file is not None:
        wanted["api_client_secret"] = _secret(secret_file)
    if no_line:
        wanted["line_id"] = None
    if no_topics:
        wanted |= {"telegram_bot_id": None, "telegram_chat_id": None}
    found = ask(instance, "PATCH", f"{_WHERE}/{account_id}", wanted)
    if as_json:
        echo_json(found)
    else:
        _show(found)


@avito.command()
@click.argument("account_id", type=click.IntRange(min=1))
@click.pass_obj
def remove(instance: str, account_id: int) -> None:
    """Disconnect a shop: Avito calls us no more, the connector leaves the portal. The archive stays.

    Example: botctl shop-1 avito remove 2
    """
    ask(instance, "DELETE", f"{_WHERE}/{account_id}")
    click.echo(f"The shop {account_id} is disconnected.")


@avito.command()
@click.argument("account_id", type=click.IntRange(min=1), required=False)
@json_option
@click.pass_obj
def status(instance: str, account_id: int | None, as_json: bool) -> None:
    """Show how the connection of the shops stands, and what to do where it does not. Exit code 1 then.

    Example: botctl shop-1 avito status
    """
    one = f"{_WHERE}/{account_id}"
    rows = ask(instance, "GET", _WHERE)["accounts"] if account_id is None else [ask(instance, "GET", one)]
    if as_json:
        echo_json(rows)
    else:
        for row in rows:
            _show(row)
        if not rows:
            click.echo(f"There is no shop: botctl {instance} avito add")
    if any(_problems(row) for row in rows):
        raise click.exceptions.Exit(1)


def _show(row: dict[str, Any]) -> None:
    hook = "webhook enabled" if row["webhook_enabled"] else "no webhook yet: Avito is asked every minute"
    last = f", last message {row['last_message_at']}" if row["last_message_at"] else ""
    click.echo(f"{row['id']}  {visible(row['name'])}: {row['state']}, {hook}{last}")
    pace = "" if row[REQUESTS] == PER_MINUTE else f", {row[REQUESTS]} requests a minute"
    click.echo(f"   {_targets(row)}{pace}")
    for problem in _problems(row):
        click.echo(f"   ! {visible(problem)}")


def _targets(row: dict[str, Any]) -> str:
    found = [f"line {row['line_id']}"] if row["line_id"] else []
    if row["telegram_chat_id"]:
        found.append(f"topics of {row['telegram_chat_id']} by the bot {row['telegram_bot_id']}")
    return " and ".join(found) or "shown nowhere yet: give it a line, or a group"


def _problems(row: dict[str, Any]) -> list[str]:
    names = ("problem", "webhook_last_error", "line_problem", "telegram_problem")
    return list(dict.fromkeys(row[name] for name in names if row[name]))


def _secret(file: Path | None) -> str:
    """Never from the command line, which everybody on the machine can read."""
    named = VARIABLE if file is None and os.environ.get(VARIABLE) else None
    return read_secret("client_secret", None if file is None or str(file) == "-" else str(file), named)
