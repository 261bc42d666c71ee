"""`botctl <instance> token`: the secret token of the API, and further tokens that only read."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Final

import click

from ..errors import B24BotError
from ..model import time_text
from ..provisioning import inventory
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import File, Step
from ..web.api_tokens import FILE_NAME, ApiToken, hash_of, new_token, read_tokens, write_tokens
from .env_change import Env, change_settings
from .instances import environment, home
from .operate import change
from .output import echo_json, json_option

NAME: Final = re.compile(r"[\w][\w.@-]{0,63}")


@click.group()
def token() -> None:
    """Show or renew the secret token of the API; add, list and revoke further tokens.

    \b
    Examples:
      botctl shop-1 token show
      botctl shop-1 token add reports
      botctl shop-1 token revoke reports
    """


@token.command()
@json_option
@click.pass_obj
def show(instance: str, as_json: bool) -> None:
    """Print API_SECRET_TOKEN, which opens everything.

    Example: curl -H "Authorization: Bearer $(botctl shop-1 token show)" …
    """
    found = environment(instance).get("API_SECRET_TOKEN", "")
    if not found:
        raise B24BotError(f"{instance} has no API_SECRET_TOKEN", next_step=f"botctl {instance} token rotate")
    if as_json:
        echo_json({"api_secret_token": found})
    else:
        click.echo(found)


@token.command()
@click.pass_obj
def rotate(instance: str) -> None:
    """Put a new API_SECRET_TOKEN in place of the old one and restart the instance.

    The old token opens nothing from then on; further tokens stay valid.

    Example: botctl shop-1 token rotate
    """

    def renewed(env: Env) -> Env:
        return {**env, "API_SECRET_TOKEN": secrets.token_hex(24)}

    change_settings(instance, "renew the token of", renewed, restart=True)
    click.echo(f"{instance} has a new token; the old one opens nothing any more.")
    click.echo(f"Next step: botctl {instance} token show, and give it to whoever used the old one")


@token.command()
@click.argument("name")
@click.option("--read/--admin", "reads_only", default=True, help="It opens only what reads (default), or everything.")
@json_option
@click.pass_obj
def add(instance: str, name: str, reads_only: bool, as_json: bool) -> None:
    """Make a further token; it is shown this once, and stored only as a hash. The instance knows it at once.

    \b
    Examples:
      botctl shop-1 token add reports --read
      botctl shop-1 token add deploy --admin
    """
    if not NAME.fullmatch(name):
        raise click.UsageError(f"{name!r}: a name has up to 64 letters, digits, '.', '-', '_' or '@'")
    secret = new_token()
    now = time_text(time.time())
    made = ApiToken(name, "read" if reads_only else "admin", now, hash_of(secret))

    def with_it(found: list[ApiToken]) -> list[ApiToken]:
        if any(other.name == name for other in found):
            raise B24BotError(f"{instance} has a token {name!r} already", next_step=f"botctl {instance} token list")
        return [*found, made]

    _change_tokens(instance, with_it)
    if as_json:
        echo_json({"name": name, "scope": made.scope, "created_at": now, "token": secret})
        return
    click.echo(f"Token {name} ({made.scope}); it is shown only now:", err=True)
    click.echo(secret)


@token.command(name="list")
@json_option
@click.pass_obj
def list_tokens(instance: str, as_json: bool) -> None:
    """List the further tokens; their values are not stored.

    Example: botctl shop-1 token list --json
    """
    found = read_tokens(home(instance) / FILE_NAME)
    if as_json:
        rows = [{"name": row.name, "scope": row.scope, "created_at": row.created_at} for row in found]
        echo_json(rows)
        return
    for row in found:
        click.echo(f"{row.name:<32} {row.scope:<6} {row.created_at}")
    if not found:
        click.echo(f"There is no further token: botctl {instance} token add NAME")


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(instance: str, name: str) -> None:
    """Take a further token away; it opens nothing from this moment.

    Example: botctl shop-1 token revoke reports
    """

    def without_it(found: list[ApiToken]) -> list[ApiToken]:
        left = [row for row in found if row.name != name]
        if len(left) == len(found):
            raise B24BotError(f"{instance} has no token {name!r}", next_step=f"botctl {instance} token list")
        return left

    _change_tokens(instance, without_it)
    click.echo(f"Token {name} opens nothing any more.")


def _change_tokens(instance: str, edit: Callable[[list[ApiToken]], list[ApiToken]]) -> None:
    layout = inventory.layout()

    def steps(spec: InstanceSpec) -> list[Step]:
        path = layout.home(spec.name) / FILE_NAME
        return [File(path, write_tokens(edit(read_tokens(path))), 0o600, layout.user(spec.name), secret=True)]

    change(layout, instance, "change the tokens of", steps)
