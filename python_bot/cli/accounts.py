"""Where the verbs of messengers get a secret from: never from an argument, which everybody on the machine sees."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

_Verb = TypeVar("_Verb", bound=Callable[..., None])


def secret_options(what: str) -> Callable[[_Verb], _Verb]:
    """--file and --env, from which a secret can come."""

    def dress(verb: _Verb) -> _Verb:
        verb = click.option("--env", "secret_env", metavar="NAME", help=f"The variable that holds {what}.")(verb)
        return click.option("--file", "secret_file", metavar="PATH", help=f"The file that holds {what}.")(verb)

    return dress


def read_secret(name: str, file: str | None, variable: str | None) -> str:
    """From the file or variable that was named, else typed unseen, else from standard input."""
    if file is not None:
        try:
            value = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise click.UsageError(f"{file} cannot be read: {error}") from None
    elif variable is not None:
        value = os.environ.get(variable, "")
    elif sys.stdin.isatty():
        value = click.prompt(f"{name} (not shown)", hide_input=True)
    else:
        value = sys.stdin.readline()
    if not value.strip():
        raise click.UsageError(f"no value came for: {name}")
    return value.strip()
