"""`botctl <instance> lines`: which open lines the bot takes part in."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from ..bitrix import ensure
from ..errors import B24BotError, PortalError
from ..model import Lines
from ..provisioning import health, inventory
from ..provisioning.spec import InstanceSpec
from ..settings import Settings
from .env_change import Env, change_settings
from .output import echo_json, json_option
from .portal import ask, last_seen

SETTLE_S: Final = 30.0  # how long the restarted instance may take to set the portal up


@click.group(invoke_without_command=True)
@click.pass_context
def lines(context: click.Context) -> None:
    """Show the open lines of the portal; attach the bot to lines or detach it.

    \b
    Examples:
      botctl shop-1 lines
      botctl shop-1 lines attach 3 7
      botctl shop-1 lines detach 7
    """
    if context.invoked_subcommand is None:
        context.invoke(list_lines)


@lines.command(name="list")
@json_option
@click.pass_obj
def list_lines(instance: str, as_json: bool = False) -> None:
    """Show the lines as the portal says now, or, when it cannot be asked, as the instance last saw them.

    Example: botctl shop-1 lines list --json
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    known = last_seen(spec)
    problem = ""
    try:
        found = ask(layout, spec, lambda client: ensure.read_lines(client, known.bot_id))
    except PortalError as error:
        found, problem = known.lines, str(error)
    setting = spec.env.get("B24BOT_LINES") or "all"
    if as_json:
        rows = {str(line_id): line for line_id, line in found.items()}
        value = {"setting": setting, "bot_id": known.bot_id or None, "lines": rows, "problem": problem or None}
        echo_json(value)
        return
    click.echo(f"B24BOT_LINES={setting}")
    if problem:
        click.echo(f"The portal cannot be asked now ({problem}); as last seen:", err=True)
    for line_id, line in found.items():
        click.echo(f"  {line_id:>6}  {line['state']:<12} {line['name']}")
    if not found:
        click.echo(f"No line is known: botctl {instance} status says how far the installation is")


@lines.command()
@click.argument("line_ids", type=click.IntRange(min=1), nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def attach(instance: str, line_ids: tuple[int, ...]) -> None:
    """Attach the bot to these lines: the setting changes, and the restarted instance writes it to the portal.

    A line that another bot serves is taken over: naming it means that.

    Example: botctl shop-1 lines attach 3 7
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    bot_id = last_seen(spec).bot_id
    present = ask(layout, spec, lambda client: ensure.read_lines(client, bot_id))
    missing = [line_id for line_id in line_ids if line_id not in present]
    if missing:
        raise B24BotError(
            f"the portal has no line {', '.join(map(str, missing))}; nothing was changed",
            next_step=f"botctl {instance} lines shows them",
        )
    ours = [line_id for line_id, line in present.items() if line["state"] == "attached"]

    def with_them(env: Env) -> Env:
        now = _wanted(env)
        if now.all and not any(present[line_id]["state"] == "other bot" for line_id in line_ids):
            return env  # all free lines are wanted already
        return {**env, "B24BOT_LINES": _written({*(ours if now.all else now.ids), *line_ids})}

    began = time.time()
    changed = change_settings(instance, "attach lines of", with_them, restart=True)
    _tell_setting(instance, changed)
    if changed and spec.enabled and not layout.is_staging:
        _show_attached(spec, line_ids, began)
    elif not changed and any(present[line_id]["state"] != "attached" for line_id in line_ids):
        click.echo(f"Next step: botctl {instance} restart writes it to the portal again")


@lines.command()
@click.argument("line_ids", type=click.IntRange(min=1), nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def detach(instance: str, line_ids: tuple[int, ...]) -> None:
    """Take the bot off these lines: in the setting and, where it is our bot that serves the line, in the portal.

    New dialogs there are not archived any more; running ones stay.

    Example: botctl shop-1 lines detach 7
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    bot_id = last_seen(spec).bot_id
    if not bot_id:
        raise B24BotError("the bot is not registered in the portal yet", next_step=f"botctl {instance} status")
    present = ask(layout, spec, lambda client: ensure.read_lines(client, bot_id))
    ours = [line_id for line_id, line in present.items() if line["state"] == "attached"]
    was_all = _wanted(spec.env).all

    def without_them(env: Env) -> Env:
        now = _wanted(env)
        left = set(ours if now.all else now.ids) - set(line_ids)
        return env if not now.all and left == set(now.ids) else {**env, "B24BOT_LINES": _written(left)}

    # The setting first: an instance that still wants the line would attach itself again.
    changed = change_settings(instance, "detach lines of", without_them, restart=True)
    _tell_setting(instance, changed)
    if was_all:
        click.echo(f"New lines are not attached by themselves any more: botctl {instance} lines attach ID")
    states = ask(layout, spec, lambda client: ensure.detach(client, bot_id, line_ids))
    for line_id, state in states.items():
        click.echo(f"  {line_id:>6}  {state:<12} {present.get(line_id, {}).get('name', '')}")
    failed = [line_id for line_id, state in states.items() if state == "not kept" or state.startswith("refused")]
    if failed:
        raise B24BotError(
            f"the portal keeps the bot on line {', '.join(map(str, failed))}",
            next_step="switch the bot off in the line's settings in the portal, or do it as an administrator",
        )


def _wanted(env: Env) -> Lines:
    return Settings.from_env({**env, "B24BOT_HOME": "/"}).lines


def _written(ids: set[int]) -> str:
    return ",".join(map(str, sorted(ids))) or "none"


def _tell_setting(instance: str, changed: bool) -> None:
    setting = inventory.spec(inventory.layout(), instance).env.get("B24BOT_LINES") or "all"
    click.echo(f"B24BOT_LINES={setting}" + ("" if changed else " (as before)"))


def _show_attached(spec: InstanceSpec, line_ids: tuple[int, ...], began: float) -> None:
    """What the restarted instance reports of these lines. Raises B24BotError when one is not attached."""
    end = time.monotonic() + SETTLE_S
    while True:
        portal: dict[str, Any] = health.admin_status(spec).get("portal") or {}
        states = {line_id: (portal.get("lines") or {}).get(str(line_id)) for line_id in line_ids}
        # A report from just before the restart knows nothing of these lines, or names another bot.
        is_new = portal.get("ensured_at", 0) >= int(began)
        if is_new and all(line and line["state"] in ("attached", "refused", "not kept") for line in states.values()):
            break
        if time.monotonic() > end:
            raise B24BotError(
                f"{spec.name} has not set these lines up within {SETTLE_S:.0f} s",
                next_step=f"botctl {spec.name} status, botctl {spec.name} logs",
            )
        time.sleep(0.3)
    for line_id, line in states.items():
        click.echo(f"  {line_id:>6}  {line['state']:<12} {line['name']}" if line else f"  {line_id:>6}")
    if any(line and line["state"] != "attached" for line in states.values()):
        raise B24BotError(
            "not every line is attached" + "".join(f"\n{text}" for text in portal.get("problems", [])),
            next_step="attach the bot by hand in the line's settings, or let an administrator install the application",
        )
