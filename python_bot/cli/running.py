"""How a verb asks the running instance: over its own API on loopback, with the token of its settings."""

from __future__ import annotations

import http.client
import json
from typing import Any, Final

import click

from ..errors import B24BotError
from ..provisioning import inventory
from .logs import visible

ANSWER_S: Final = 60.0  # the instance may ask a messenger, which may be slow
EXIT_NOT_RUNNING: Final = 3


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
        raise B24BotError(visible(problem), next_step=f"botctl {instance} logs")
    return found
