"""`botctl <instance> call`: one REST method of the portal, with the instance's token, which is never seen."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import click

from ..bitrix.php_form import split_key
from ..errors import B24BotError, PortalError
from ..provisioning import inventory
from ..settings import Settings
from .logs import visible
from .output import echo_json
from .portal import ask, last_seen, masks_of

_METHOD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_TOKEN_NAMES: Final = frozenset({"auth", "access_token"})
MAX_FILE_BYTES: Final = 16 * 1024 * 1024


@click.command()
@click.argument("method")
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]…")
@click.option("--bot", "as_bot", is_flag=True, help="Add the number of the instance's own bot: BOT_ID, or botId.")
@click.pass_obj
def call(instance: str, method: str, parameters: tuple[str, ...], as_bot: bool) -> None:
    """Call a REST method of the portal with the instance's own token and print the answer, tokens masked.

    key[sub]=value makes a nested parameter, key[]=value a list, key=@file.json takes it from a file (@- from stdin).

    \b
    Examples:
      botctl shop-1 call imbot.bot.list
      botctl shop-1 call user.get ID=27
      botctl shop-1 call crm.lead.list 'select[]=ID' 'filter[STATUS_ID]=NEW'
      botctl shop-1 call imbot.update --bot FIELDS=@fields.json
    """
    if not _METHOD.fullmatch(method):
        raise click.UsageError(f"{method!r} is no method; write it like imbot.bot.list")
    given = nested(parameters)
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    if as_bot:
        name = "botId" if method.lower().startswith("imbot.v2.") else "BOT_ID"
        if name in given:
            raise click.UsageError(f"{name} is given already; leave it out, or leave --bot out")
        bot_id = last_seen(spec).bot_id
        if not bot_id:
            raise B24BotError(
                "the bot is not registered in the portal yet",
                next_step=f"botctl {instance} status says what is missing",
            )
        given = {name: bot_id, **given}
    hidden = masks_of(layout.home(instance), Settings.from_env({**spec.env, "B24BOT_HOME": "/"}))
    try:
        body = ask(layout, spec, lambda client: client.whole(method, given))
    except PortalError as error:
        raise B24BotError(visible(hidden.shown(str(error))), next_step=error.next_step) from None
    echo_json({name: hidden.value(value) for name, value in body.items() if name != "time"})


def nested(parameters: tuple[str, ...]) -> dict[str, Any]:
    """('a[b]=1', 'list[]=x') -> {'a': {'b': '1'}, 'list': ['x']}. Raises click.UsageError."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        key, is_pair, text = parameter.partition("=")
        path = split_key(key)
        if not (is_pair and path[0]):
            raise click.UsageError(f"{visible(parameter)!r} is no parameter; write it like KEY=VALUE")
        if path[0].lower() in _TOKEN_NAMES:
            raise click.UsageError(f"{path[0]} is not to be given: the call has the instance's own token")
        _put(found, path, _value(text), key)
    return found


def _put(found: dict[str, Any], path: tuple[str, ...], value: Any, key: str) -> None:
    node: Any = found
    for step, following in zip(path, (*path[1:], None), strict=True):
        fresh: Any = value if following is None else [] if following == "" else {}
        if isinstance(node, list) and step == "":
            node.append(fresh)
            node = fresh
        elif isinstance(node, dict) and step:
            node = node.setdefault(step, fresh)
            if (following is not None and type(node) is not type(fresh)) or (following is None and node is not fresh):
                raise click.UsageError(f"{visible(key)} contradicts another parameter")
        else:
            raise click.UsageError(f"{visible(key)} contradicts another parameter")


def _value(text: str) -> Any:
    if not text.startswith("@"):
        return text
    name = text[1:]
    try:
        content = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        if len(content) > MAX_FILE_BYTES:
            raise ValueError("it is larger than 16 MiB")
        return json.loads(content)
    except OSError as error:
        raise B24BotError(f"{name} cannot be read: {error.strerror}", next_step="give an existing file") from None
    except (ValueError, RecursionError) as error:
        raise B24BotError(f"{name} is no JSON: {error}", next_step="a plain text is given as KEY=TEXT") from None
