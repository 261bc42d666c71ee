"""`botctl duckdns`: what the timer calls every five minutes, and a person when the address has just changed."""

from __future__ import annotations

import os

import click

from ..errors import B24BotError
from ..provisioning import duckdns as names
from ..provisioning import inventory
from .instances import need_root


def base_url() -> str:
    return os.environ.get(names.BASE_URL_VARIABLE) or names.BASE_URL


@click.command()
@click.argument("name", required=False)
def duckdns(name: str | None) -> None:
    """Tell DuckDNS this server's address now: of NAME, or of every name that this server refreshes.

    \b
    Examples:
      botctl duckdns
      botctl duckdns mybots
    """
    layout = inventory.layout()
    if "CREDENTIALS_DIRECTORY" not in os.environ:
        need_root(layout)
    wanted = [names.read_name(name)] if name else names.names(layout)
    if not wanted:
        click.echo("This server refreshes no name at DuckDNS.")
    failed: list[B24BotError] = []
    for each in wanted:
        try:
            address = names.refresh(layout, each, base_url())
            click.echo(f"{each}{names.SUFFIX} leads to {address or 'this server'}")
        except B24BotError as error:
            failed.append(error)
            if error is not failed[0]:
                click.echo(f"Error: {error}", err=True)
    if failed:
        raise failed[0]
