"""What `create` says and asks about a firewall that keeps the portal out."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..provisioning.machine import Machine
from ..provisioning.steps import FirewallPort, Step
from .wizard import Texts, confirm


def settle(machine: Machine, steps: Sequence[Step], say: Texts, *, asks: bool) -> list[Step]:
    """The steps without the ports that stay closed: nobody may open them, or the person would rather not."""
    if machine.layout.is_staging:
        return list(steps)
    kept: list[Step] = []
    for step in steps:
        if not isinstance(step, FirewallPort):
            kept.append(step)
            continue
        state = machine.firewall.state(step.port)
        if state == "refused":
            click.echo(say["firewall_refuses"].format(port=step.port), err=True)
        elif state == "closed" and asks and not confirm(say["ask_firewall"].format(port=step.port), say):
            click.echo(say["firewall_closed"].format(port=step.port), err=True)
        else:
            if state == "closed":
                click.echo(say["firewall_opens"].format(port=step.port), err=True)
            kept.append(step)
    return kept
