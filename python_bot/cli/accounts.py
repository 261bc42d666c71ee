"""What the verbs of messengers share: the running instance is asked over its own API, secrets are never arguments."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ..errors import B24BotError
from ..provisioning import inventory

ANSWER_S: Final = 60.0  # the instance asks the messenger, which may be slow
EXIT_NOT_RUNNING: Final = 3
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


def ask(instance: str, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON answer of the running instance. Raises B24BotError with what it says; exits 3 when it does not run."""
    spec = inventory.spec(inventory.layout(), instance)
    headers = {"Authorization": f"Bearer {spec.env.get('API_SECRET_TOKEN', '')}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", spec.port, timeout=ANSWER_S)
    try:
        connection.request(verb, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        status, content = answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        click.echo(f"Error: {instance} is not running\nNext step: botctl {instance} on", err=True)
        raise click.exceptions.Exit(EXIT_NOT_RUNNING) from None
    finally:
        connection.close()
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {}
    if status >= 300:
        problem = found.get("error", {}).get("message") or f"{instance} answered {status}"
        raise B24BotError(problem, next_step=f"botctl {instance} logs")
    return found
