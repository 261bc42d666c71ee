"""`botctl <instance> token`: the secret token of the API, and further tokens that only read."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from ..archive import SqliteArchive
from ..db import Storage
from ..errors import B24BotError
from ..model import time_text
from ..provisioning import inventory
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import File, Step
from ..web.api_tokens import (
    FILE_NAME,
    FORMER,
    USES_FACT,
    ApiToken,
    Scope,
    hash_of,
    new_token,
    read_tokens,
    write_tokens,
)
from .duration import DURATION
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
@click.argument("name", required=False)
@click.option("--overlap", type=DURATION, default=None, help="How long the old one stays valid beside it, like 24h.")
@json_option
@click.pass_obj
def rotate(instance: str, name: str | None, overlap: float | None, as_json: bool) -> None:
    """Put a new token in place of an old one: API_SECRET_TOKEN (the instance restarts), or the further token NAME.

    Without --overlap the old token opens nothing from then on; other tokens stay valid.

    \b
    Examples:
      botctl shop-1 token rotate
      botctl shop-1 token rotate reports --overlap 24h
    """
    if name is not None:
        _rotate_further(instance, name, overlap or 0.0, as_json)
        return
    former = environment(instance).get("API_SECRET_TOKEN", "")

    def renewed(env: Env) -> Env:
        return {**env, "API_SECRET_TOKEN": secrets.token_hex(24)}

    if overlap and former:
        now = time.time()
        kept = ApiToken(f"API_SECRET_TOKEN{FORMER}", "admin", time_text(now), hash_of(former), time_text(now + overlap))
        _change_tokens(instance, lambda found: [*(row for row in found if row.name != kept.name), kept])
    change_settings(instance, "renew the token of", renewed, restart=True)
    end = time_text(time.time() + overlap) if overlap else None
    until = f"stays valid until {end}" if end else "opens nothing any more"
    if as_json:
        echo_json({"name": "API_SECRET_TOKEN", "former_expires_at": end})
        return
    click.echo(f"{instance} has a new token; the old one {until}.")
    click.echo(f"Next step: botctl {instance} token show, and give it to whoever used the old one")


def _rotate_further(instance: str, name: str, overlap_s: float, as_json: bool) -> None:
    secret = new_token()
    now = time.time()

    def renewed(found: list[ApiToken]) -> list[ApiToken]:
        old = _named(instance, found, name)
        left = [row for row in found if row.name not in (name, f"{name}{FORMER}")]
        if overlap_s:
            end = time_text(now + overlap_s)
            left.append(replace(old, name=f"{name}{FORMER}", expires_at=min(end, old.expires_at or end)))
        return [*left, replace(old, sha256=hash_of(secret), created_at=time_text(now))]

    _change_tokens(instance, renewed)
    _show_secret(f"Token {name}; it is shown only now:", {"name": name, "token": secret}, as_json)


@token.command()
@click.argument("name")
@click.option("--read", "scope", flag_value="read", default=True, help="It opens only what reads (default).")
@click.option("--export", "scope", flag_value="export", help="It reads and exports.")
@click.option("--admin", "scope", flag_value="admin", help="It opens everything.")
@click.option("--line", "line_id", type=click.IntRange(min=1), help="It sees one open line only (with --read).")
@click.option("--expires", "lifetime", type=DURATION, help="It opens nothing after so long, like 90d.")
@json_option
@click.pass_obj
def add(instance: str, name: str, scope: Scope, line_id: int | None, lifetime: float | None, as_json: bool) -> None:
    """Make a further token; it is shown this once, and stored only as a hash. The instance knows it at once.

    \b
    Examples:
      botctl shop-1 token add reports --read --expires 90d
      botctl shop-1 token add partner --line 7
      botctl shop-1 token add deploy --admin
    """
    if line_id is not None and scope != "read":
        raise click.UsageError("--line goes with --read only")
    if not NAME.fullmatch(name):
        raise click.UsageError(f"{name!r}: a name has up to 64 letters, digits, '.', '-', '_' or '@'")
    secret = new_token()
    now = time.time()
    expires_at = time_text(now + lifetime) if lifetime else ""
    made = ApiToken(name, scope, time_text(now), hash_of(secret), expires_at, line_id)

    def with_it(found: list[ApiToken]) -> list[ApiToken]:
        if any(other.name == name for other in found):
            raise B24BotError(f"{instance} has a token {name!r} already", next_step=f"botctl {instance} token list")
        return [*found, made]

    _change_tokens(instance, with_it)
    _show_secret(f"Token {name} ({_what(made)}); it is shown only now:", {**_row(made), "token": secret}, as_json)


@token.command(name="list")
@json_option
@click.pass_obj
def list_tokens(instance: str, as_json: bool) -> None:
    """List the further tokens; their values are not stored.

    Example: botctl shop-1 token list --json
    """
    directory = home(instance)
    found = read_tokens(directory / FILE_NAME)
    uses = _uses(directory) if found else {}
    if as_json:
        echo_json([{**_row(row), "last_used_at": uses.get(row.name)} for row in found])
        return
    for row in found:
        used = f"used {uses[row.name]}" if row.name in uses else "never used"
        click.echo(f"{row.name:<32} {_what(row):<24} {row.created_at}  {used}")
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
        _named(instance, found, name)
        return [row for row in found if row.name != name]

    _change_tokens(instance, without_it)
    click.echo(f"Token {name} opens nothing any more.")


def _named(instance: str, found: list[ApiToken], name: str) -> ApiToken:
    for row in found:
        if row.name == name:
            return row
    raise B24BotError(f"{instance} has no token {name!r}", next_step=f"botctl {instance} token list")


def _row(token: ApiToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "scope": token.scope,
        "line_id": token.line_id,
        "created_at": token.created_at,
        "expires_at": token.expires_at or None,
    }


def _what(token: ApiToken) -> str:
    line = f", line {token.line_id}" if token.line_id is not None else ""
    end = f", until {token.expires_at}" if token.expires_at else ""
    return f"{token.scope}{line}{end}"


def _show_secret(text: str, row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(row)
        return
    click.echo(text, err=True)
    click.echo(row["token"])


def _uses(directory: Path) -> dict[str, str]:
    """When each token opened something last, as the instance wrote it down."""
    if not (directory / "dialogs.db").exists():
        return {}
    archive = SqliteArchive(Storage(directory / "dialogs.db"))  # not opened: only read, and never migrated from here
    found: dict[str, str] = archive.fact(USES_FACT) or {}
    return found


def _change_tokens(instance: str, edit: Callable[[list[ApiToken]], list[ApiToken]]) -> None:
    layout = inventory.layout()

    def steps(spec: InstanceSpec) -> list[Step]:
        path = layout.home(spec.name) / FILE_NAME
        return [File(path, write_tokens(edit(read_tokens(path))), 0o600, layout.user(spec.name), secret=True)]

    change(layout, instance, "change the tokens of", steps)
