"""`botctl <instance> logs`: bot.log for people, from its end, and as it grows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import click

from ..errors import B24BotError
from ..provisioning import inventory
from ..provisioning.machine import Machine
from .instances import home

BLOCK: Final = 64 * 1024
POLL_S: Final = 0.25
COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}
SHOWN: Final = ("time", "level", "instance", "logger", "message", "exception")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is written, until Ctrl-C.")
@click.option("-n", "--lines", "count", type=click.IntRange(min=0), default=50, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are written: one JSON object each.")
@click.pass_obj
def logs(instance: str, follow: bool, count: int, as_json: bool) -> None:
    """Show the end of the instance's log (times are UTC).

    \b
    Examples:
      botctl shop-1 logs -n 200
      botctl shop-1 logs -f
      botctl shop-1 logs --json | grep TRACE-ID
    """
    path = home(instance) / "bot.log"
    if not as_json:
        click.echo(f"Gunicorn's own words: {_other_log(instance)}", err=True)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise B24BotError(
            f"{path} is not there: {instance} has never started", next_step=_other_log(instance)
        ) from None
    except PermissionError:
        raise B24BotError(f"{path} cannot be read", next_step="run botctl as root (sudo)") from None
    with suppress(KeyboardInterrupt):
        for line in _last_lines(file, count):
            _show(line, as_json)
        if follow:
            for line in _new_lines(path, file):
                _show(line, as_json)
    file.close()


def _other_log(instance: str) -> str:
    layout = inventory.layout()
    if Machine(layout).has_systemd:
        return f"journalctl -u {layout.service(instance)}"
    return str(layout.home(instance) / "gunicorn.log")


def _last_lines(file: IO[bytes], count: int) -> list[bytes]:
    """Reads from the end only as much as is needed; the file stands at its end afterwards."""
    end = position = file.seek(0, os.SEEK_END)
    blocks: list[bytes] = []
    breaks = 0
    while position > 0 and breaks <= count:
        start = max(0, position - BLOCK)
        file.seek(start)
        blocks.append(file.read(position - start))
        breaks += blocks[-1].count(b"\n")
        position = start
    file.seek(end)
    lines = b"".join(reversed(blocks)).splitlines(keepends=True)
    return lines[-count:] if count else []


def _new_lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    """Whole lines as they come; goes on in the new file after a rotation, whether by rename or by truncation."""
    rest = b""
    while True:
        chunk = file.readline()
        if chunk:
            rest += chunk
            if rest.endswith(b"\n"):
                yield rest
                rest = b""
            continue
        found, open_now = None, os.fstat(file.fileno())
        with suppress(FileNotFoundError):
            found = path.stat()
        if found is not None and (found.st_ino, found.st_dev) != (open_now.st_ino, open_now.st_dev):
            last = file.read()  # written between our last look and the rename
            yield from (rest + last).splitlines(keepends=True)
            rest = b""
            with suppress(FileNotFoundError):
                file, former = path.open("rb"), file
                former.close()
        elif open_now.st_size < file.tell():
            file.seek(0)
        else:
            time.sleep(POLL_S)


def _show(line: bytes, as_json: bool) -> None:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    if as_json:
        click.echo(text)
        return
    try:
        row = json.loads(text)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        click.echo(visible(text))
        return
    level = str(row.get("level", ""))
    click.secho(f"{row.get('time', '')} {level:<8}", fg=COLOURS.get(level), nl=False)
    click.echo(f" {row.get('logger', '')}: {visible(str(row.get('message', '')))}{_extras(row)}")
    for part in str(row.get("exception") or "").splitlines():
        click.echo(f"    {visible(part)}")


def _extras(row: dict[str, Any]) -> str:
    found = [f"{name}={visible(str(value))}" for name, value in row.items() if name not in SHOWN]
    return f"  [{' '.join(found)}]" if found else ""


def visible(text: str) -> str:
    """What strangers wrote must not steer the terminal: control characters are spelt out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
