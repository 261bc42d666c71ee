"""What the reading verbs share: the option --json with what it prints, and facts as lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


def echo_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def echo_facts(facts: Mapping[str, object], indent: str = "") -> None:
    """Aligned lines of name and value. A list is a line for each, None a dash, a mapping a section of its own."""
    width = max((len(name) for name, value in facts.items() if not isinstance(value, Mapping)), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            click.echo(f"{indent}{name}:")
            echo_facts(value, indent + "  ")
            continue
        for item in value if isinstance(value, list) else [value]:
            click.echo(f"{indent}{name:<{width}}  {'-' if item is None else item}")
