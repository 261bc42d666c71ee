"""`botctl <instance> telegram`: the Telegram bots of a running instance."""

from __future__ import annotations

from typing import Any

import click

from ..errors import B24BotError
from .accounts import read_secret, secret_options
from .output import echo_json, json_option
from .running import ask

PATH = "/api/telegram/bots"


@click.group()
def telegram() -> None:
    """Telegram bots as channels of open lines: add one, list them, remove one.

    \b
    Examples:
      botctl shop-1 telegram add --line 3 <token.txt
      botctl shop-1 telegram list
      botctl shop-1 telegram status
    """


@telegram.command()
@click.option("--line", "line_id", type=click.IntRange(min=1), help="The open line that clients' messages come to.")
@click.option("--polling/--webhook", default=None, help="Ask Telegram for messages (usual), or be called by it.")
@click.option("--signature/--no-signature", default=None, help="Whether clients see the operator's name.")
@secret_options("the bot's token, from @BotFather")
@click.pass_obj
def add(
    instance: str,
    line_id: int | None,
    polling: bool | None,
    signature: bool | None,
    secret_file: str | None,
    secret_env: str | None,
) -> None:
    """Add a bot, or change one that is there: its token is asked for, or read from a file, a variable or stdin.

    The token is never an argument: everybody on the machine sees those.

    \b
    Examples:
      botctl shop-1 telegram add --line 3
      botctl shop-1 telegram add --line 3 --file /root/token.txt
    """
    body: dict[str, Any] = {"token": read_secret("Token of the bot", secret_file, secret_env), "line_id": line_id}
    body |= {name: value for name, value in (("polling", polling), ("signature", signature)) if value is not None}
    bot = ask(instance, "POST", PATH, body)
    click.echo(f"{instance}: bot {bot['id']} is {bot['name']} ({bot['url'] or bot['bot_id']}), {_place(bot)}.")
    click.echo(f"Next step: botctl {instance} telegram status")


@telegram.command(name="list")
@json_option
@click.pass_obj
def list_bots(instance: str, as_json: bool = False) -> None:
    """Show the bots, without their secrets.

    Example: botctl shop-1 telegram list --json
    """
    bots = ask(instance, "GET", PATH)["bots"]
    if as_json:
        echo_json(bots)
        return
    for bot in bots:
        click.echo(f"{bot['id']:>4}  {bot['state']:<11} {bot['name']}  {bot['url'] or ''}  {_place(bot)}")
    if not bots:
        click.echo(f"There is no bot. Next step: botctl {instance} telegram add --line ID")


@telegram.command()
@click.argument("bot", type=click.IntRange(min=1))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(instance: str, bot: int, yes: bool) -> None:
    """Remove a bot: its connector leaves the portal, its token is forgotten. What was said stays in the archive.

    Example: botctl shop-1 telegram remove 1
    """
    found = ask(instance, "GET", f"{PATH}/{bot}")
    if not yes:
        click.confirm(f"Remove {found['name']}? {found['waiting']} messages did not reach the portal yet", abort=True)
    ask(instance, "DELETE", f"{PATH}/{bot}")
    click.echo(f"{instance}: {found['name']} is removed.")


@telegram.command()
@json_option
@click.pass_obj
def status(instance: str, as_json: bool) -> None:
    """Show how each bot is, and what to do; fails when one of them does not work.

    Example: botctl shop-1 telegram status --json
    """
    bots = ask(instance, "GET", PATH)["bots"]
    if as_json:
        echo_json(bots)
    else:
        _show(bots)
    failing = [str(bot["id"]) for bot in bots if bot["state"] == "failing" or bot["line_problem"]]
    if failing:
        raise B24BotError(f"not well: bot {', '.join(failing)}", next_step="do what is said above")


def _show(bots: list[dict[str, Any]]) -> None:
    for bot in bots:
        way = "asks Telegram" if bot["polling"] else "is called by Telegram"
        click.echo(f"{bot['id']} {bot['name']}: {bot['state']}, {_place(bot)}, {way}")
        click.echo(f"  last message: {bot['last_message_at'] or 'none yet'}; waiting for the portal: {bot['waiting']}")
        for problem in filter(None, (bot["problem"], bot["line_problem"])):
            click.echo(f"  {problem}", err=True)


def _place(bot: dict[str, Any]) -> str:
    return f"open line {bot['line_id']}" if bot["line_id"] else "no open line yet"
