"""`botctl <instance> url` and `info`: where everything of an instance is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..provisioning import inventory, releases
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from .instances import environment
from .output import echo_facts, echo_json, json_option


@click.command()
@json_option
@click.pass_obj
def url(instance: str, as_json: bool) -> None:
    """Print the handler URL as the portal must know it; for a name in another script also as people read it.

    Example: botctl shop-1 url
    """
    layout = inventory.layout()
    if layout.spec_file(instance).exists():
        spec = inventory.spec(layout, instance)
        punycode, shown = spec.public_url, spec.shown_url
    else:
        punycode = shown = environment(instance).get("B24BOT_PUBLIC_URL", "")
    if as_json:
        echo_json({"url": punycode, "unicode": shown})
        return
    click.echo(punycode)
    if shown != punycode:
        click.echo(shown)


@click.command()
@json_option
@click.pass_obj
def info(instance: str, as_json: bool) -> None:
    """Show the paths, the user, the units, the release and the sizes of the instance. No secrets.

    Example: botctl shop-1 info --json
    """
    layout = inventory.layout()
    found = facts(layout, inventory.spec(layout, instance))
    if as_json:
        echo_json(found)
    else:
        echo_facts({**found, "bytes": {name: _size(count) for name, count in found["bytes"].items()}})


def facts(layout: Layout, spec: InstanceSpec) -> dict[str, Any]:
    home = layout.home(spec.name)
    return {
        "instance": spec.name,
        "url": spec.public_url,
        "unicode_url": spec.shown_url,
        "port": spec.port,
        "user": layout.user(spec.name),
        "release": spec.release,
        "former_release": releases.former(layout, spec.name) or None,
        "enabled": spec.enabled,
        "paths": {
            "home": str(home),
            "database": str(home / "dialogs.db"),
            "files": str(home / "files"),
            "log": str(home / "bot.log"),
            "settings": str(layout.env_file(spec.name)),
            "specification": str(layout.spec_file(spec.name)),
            "code": str(layout.release(spec.release)),
            "nginx": str(layout.include(spec.domain, spec.name)),
            "vhost": str(layout.vhost(spec.domain)),
        },
        "units": {"service": layout.service(spec.name), "socket": layout.socket(spec.name)},
        "bytes": {
            "database": sum(_bytes(home / f"dialogs.db{suffix}") for suffix in ("", "-wal")),
            "files": _bytes_below(home / "files"),
            "logs": sum(_bytes(path) for path in home.glob("bot.log*")),
            "home": _bytes_below(home),
        },
    }


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _bytes_below(directory: Path) -> int:
    return sum(_bytes(Path(where) / name) for where, _, names in os.walk(directory) for name in names)


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"
