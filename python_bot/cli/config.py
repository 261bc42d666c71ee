"""`botctl <instance> config`: the settings of an instance, checked before they are written."""

from __future__ import annotations

import difflib
import sys
from typing import Final

import click

from ..errors import B24BotError
from ..provisioning import inventory
from ..settings import VARIABLES
from .env_change import Env, change_settings, is_secret
from .instances import environment
from .output import echo_json, json_option

MASK: Final = "***"
# What is the instance's identity, and how it is changed instead.
ELSEWHERE: Final = {
    "B24BOT_PUBLIC_URL": "botctl {name} create --domain NEW-DOMAIN (nginx has to follow)",
    "B24BOT_INSTANCE": "botctl {name} backup FILE, then botctl {name} restore FILE --as NEW-NAME",
    "B24BOT_HOME": "the home follows from the instance's name; mount a larger disk there if you need room",
    "PORT": "the port is kept in ports.map, where instances cannot take each other's",
}


@click.group()
def config() -> None:
    """Show or change the settings of the instance.

    \b
    Examples:
      botctl shop-1 config get
      botctl shop-1 config set B24BOT_HANDOVER=user:27 --restart
      botctl shop-1 config set CLIENT_ID=local.66aa CLIENT_SECRET --restart
    """


@config.command()
@click.argument("name", required=False)
@click.option("--reveal", is_flag=True, help="Show secrets too.")
@json_option
@click.pass_obj
def get(instance: str, name: str | None, reveal: bool, as_json: bool) -> None:
    """Show all settings, or one. Secrets are masked unless asked for.

    \b
    Examples:
      botctl shop-1 config get
      botctl shop-1 config get CLIENT_SECRET --reveal
    """
    env = environment(instance)
    shown = {key: value if reveal or not is_secret(key) else MASK for key, value in env.items()}
    if name is None:
        if as_json:
            echo_json(shown)
        else:
            click.echo("\n".join(f"{key}={value}" for key, value in shown.items()))
        return
    _known(name, env)
    if name not in env:
        raise B24BotError(f"{name} is not set: its default applies", next_step=f"it means: {VARIABLES[name]}")
    if as_json:
        echo_json({name: shown[name]})
    else:
        click.echo(shown[name])


@config.command(name="set")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE…")
@click.option("--restart", is_flag=True, help="Restart the instance, and put the former settings back if it fails.")
@click.pass_obj
def set_values(instance: str, assignments: tuple[str, ...], restart: bool) -> None:
    """Set one setting or several; all or none. The name of a secret comes without a value: it is asked for.

    \b
    Examples:
      botctl shop-1 config set B24BOT_LINES=3,7 B24BOT_HANDOVER=operator
      botctl shop-1 config set CLIENT_SECRET --restart
      botctl shop-1 config set CLIENT_SECRET <secret.txt
    """
    env = environment(instance)
    inventory.spec(inventory.layout(), instance)  # nobody types a secret for an instance that is not there
    wanted: Env = {}
    for assignment in assignments:
        name, has_value, value = assignment.partition("=")
        _may_change(instance, name, env)
        if is_secret(name):
            if has_value:
                raise click.UsageError(
                    f"{name} is a secret: on a command line everybody could read it in the list of processes.\n"
                    f"Give its name alone: botctl {instance} config set {name} (it is asked for, or read from stdin)"
                )
            value = _secret(name)
        elif not has_value:
            raise click.UsageError(f"say {name}=VALUE; botctl {instance} config unset {name} brings its default back")
        wanted[name] = value
    changed = change_settings(instance, "change the settings of", lambda found: _merged(found, wanted), restart=restart)
    _report(instance, changed, restart)


@config.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--restart", is_flag=True, help="Restart the instance, and put the former settings back if it fails.")
@click.pass_obj
def unset(instance: str, names: tuple[str, ...], restart: bool) -> None:
    """Take settings out of the file: their defaults apply again.

    Example: botctl shop-1 config unset B24BOT_HANDOVER --restart
    """
    env = environment(instance)
    for name in names:
        _may_change(instance, name, env)
    changed = change_settings(
        instance, "change the settings of", lambda found: _merged(found, dict.fromkeys(names, "")), restart=restart
    )
    _report(instance, changed, restart)


def _merged(found: Env, wanted: Env) -> Env:
    """An empty value is no value."""
    return {name: value for name, value in {**found, **wanted}.items() if value or name not in wanted}


def _report(instance: str, changed: bool, restart: bool) -> None:
    if not changed:
        click.echo(f"{instance}: every value was as wanted; nothing was changed.")
        return
    spec = inventory.spec(inventory.layout(), instance)
    click.echo(f"{instance}: changed{' and restarted' if restart and spec.enabled else ''}.")
    if not restart and spec.enabled:
        click.echo(f"Next step: botctl {instance} restart (settings are read at the start)")


def _known(name: str, env: Env) -> None:
    if name not in VARIABLES and name not in env:
        near = difflib.get_close_matches(name.upper(), VARIABLES, 1)
        raise click.UsageError(f"there is no setting {name!r}" + (f"; do you mean {near[0]}?" if near else ""))


def _may_change(instance: str, name: str, env: Env) -> None:
    _known(name, env)
    if name in ELSEWHERE:
        raise B24BotError(
            f"{name} belongs to more than this file; nothing was changed",
            next_step=ELSEWHERE[name].format(name=instance),
        )


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        value: str = click.prompt(f"{name} (not shown)", hide_input=True)
    else:
        value = sys.stdin.readline()
    if not value.strip():
        raise click.UsageError(f"no value came for {name} on standard input")
    return value.strip()
