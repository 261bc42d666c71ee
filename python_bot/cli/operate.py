"""The verbs of a day in operation: on, off, restart, enable, disable, purge, status, list, recover."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import click

from ..errors import B24BotError
from ..provisioning import daemon, duckdns, health, inventory, plan, rendering
from ..provisioning.machine import Machine
from ..provisioning.paths import Layout
from ..provisioning.ports import read_ports
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import Step
from ..provisioning.transaction import Transaction, exclusive
from ..provisioning.transaction import recover as undo_interrupted
from .instances import need_root
from .output import echo_facts, echo_json, json_option
from .plan_view import show_plan
from .running import EXIT_NOT_RUNNING, ask


def change(layout: Layout, instance: str, title: str, steps_of: Any, *, verify: bool = False) -> list[Step]:
    """Carry out `steps_of(spec)` under the lock, after undoing what an interrupted run left."""
    need_root(layout)
    machine = Machine(layout)
    with exclusive(layout, lambda text: click.echo(text, err=True)):
        undo_interrupted(layout, machine)
        spec = inventory.spec(layout, instance)
        steps: list[Step] = steps_of(spec)
        check = (
            (lambda: health.wait_until_ready(spec, through_nginx=False)) if verify and not layout.is_staging else None
        )
        return Transaction(layout, machine, f"{title} {instance}").carry_out(steps, check or (lambda: None))


def _switch(instance: str, on: bool) -> None:
    layout = inventory.layout()
    change(
        layout,
        instance,
        "switch on" if on else "switch off",
        lambda spec: [
            *(rendering.refreshed(layout, spec, read_ports(layout.ports_map)) if on else []),
            *plan.switch(layout, replace(spec, enabled=on), running=on),
        ],
        verify=on,
    )
    click.echo(f"{instance} is {'on' if on else 'off'}.")


@click.command()
@click.pass_obj
def on(instance: str) -> None:
    """Start the instance and keep it started; heals units that failed.

    Example: botctl shop-1 on
    """
    _switch(instance, True)


@click.command()
@click.pass_obj
def off(instance: str) -> None:
    """Stop the instance, its socket first, and keep it stopped.

    Example: botctl shop-1 off
    """
    _switch(instance, False)


@click.command()
@click.pass_obj
def restart(instance: str) -> None:
    """Restart the instance; the socket stays, so that no connection is refused meanwhile.

    Its unit learns the server's present name servers, and the present address of a portal in the local network.

    Example: botctl shop-1 restart
    """
    layout = inventory.layout()
    need_root(layout)
    machine = Machine(layout)
    with exclusive(layout, lambda text: click.echo(text, err=True)):
        undo_interrupted(layout, machine)
        spec = inventory.spec(layout, instance)
        if not spec.enabled:
            raise B24BotError(f"{instance} is off", next_step=f"botctl {instance} on")
        units = rendering.refreshed(layout, spec, read_ports(layout.ports_map))
        Transaction(layout, machine, f"refresh the units of {instance}").carry_out(units)
        machine.restart(instance)
    if not layout.is_staging:
        health.wait_until_ready(spec, through_nginx=False)
    click.echo(f"{instance} was restarted.")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask for the name.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted.")
@click.pass_obj
def purge(instance: str, yes: bool, dry_run: bool) -> None:
    """Delete the instance with its archive, settings, user, units and nginx files.

    \b
    Examples:
      botctl shop-1 purge --dry-run
      botctl shop-1 purge --yes
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)

    def steps(found: InstanceSpec) -> list[Step]:
        return plan.purge(layout, found, read_ports(layout.ports_map), inventory.others(layout, instance))

    if dry_run:
        click.echo(f"botctl {instance} purge would:")
        show_plan(Machine(layout), steps(spec))
        return
    if not yes and click.prompt(f"This deletes the archive of {instance} for good. Type its name") != instance:
        raise B24BotError("the name was another one; nothing was deleted")
    change(layout, instance, "purge", steps)
    click.echo(f"{instance} is gone.")


def _administer(instance: str, verb: str) -> None:
    ask(instance, "POST", f"/api/admin/{verb}")
    click.echo(f"{instance}: {verb}d.")


@click.command()
@click.pass_obj
def enable(instance: str) -> None:
    """Let calls leave again: waiting hand-overs go at once.

    Example: botctl shop-1 enable
    """
    _administer(instance, "enable")


@click.command()
@click.pass_obj
def disable(instance: str) -> None:
    """Archive events, but call nobody: no hand-over either.

    Example: botctl shop-1 disable
    """
    _administer(instance, "disable")


def state_of(layout: Layout, spec: InstanceSpec) -> dict[str, Any]:
    """What a person wants to know first about an instance. JSON values."""
    status = health.admin_status(spec)
    running = bool(status) or daemon.is_running(layout, spec.name)
    name = duckdns.name_of(spec.domain)
    last = duckdns.last(layout, name) if name else None
    return {
        "instance": spec.name,
        "state": "running" if running else "off" if not spec.enabled else "not running",
        "url": spec.public_url,
        "port": spec.port,
        "release": spec.release,
        "duckdns": asdict(last) if last else None,
        "status": status or None,
    }


@click.command()
@json_option
@click.pass_obj
def status(instance: str, as_json: bool) -> None:
    """Show whether the instance runs, what it is attached to, and what is wrong. Exit code 3 when it does not run.

    Example: botctl shop-1 status --json
    """
    layout = inventory.layout()
    found = state_of(layout, inventory.spec(layout, instance))
    if as_json:
        echo_json(found)
    else:
        _show_status(found)
    if found["state"] != "running":
        raise click.exceptions.Exit(EXIT_NOT_RUNNING)


def _show_status(found: dict[str, Any]) -> None:
    click.secho(f"{found['instance']}: {found['state']}", fg="green" if found["state"] == "running" else "red")
    facts: dict[str, object] = {"handler": found["url"]}
    if last := found["duckdns"]:
        text = f"leads to {last['address'] or 'this server'}" if not last["problem"] else _warning(last["problem"])
        facts["DuckDNS"] = f"{datetime.fromtimestamp(last['at']).strftime('%H:%M')}: {text}"
    if inner := found["status"]:
        facts["switch"] = "enabled" if inner["enabled"] else "disabled: no call leaves"
        facts["portal"] = "installed" if inner["installed"] else inner["authorization_problem"]
        if not inner["installed"]:
            facts["next step"] = _warning(
                f"open {found['url']} in a browser from outside this server: no page means DNS or a firewall;"
                " on the page is the link that authorizes the application, when its installation got lost"
            )
        portal = inner["portal"] or {}
        if portal.get("bot_id"):
            lines = ", ".join(f"{key} {line['name']}: {line['state']}" for key, line in portal["lines"].items())
            facts |= {"bot": f"{portal['bot_id']} ({portal['bot_code']})", "lines": lines or "none"}
        facts["problem"] = [_warning(text) for text in portal.get("problems", [])]
        facts["last event"] = inner["last_event_at"] or "none since the start"
        facts["archive"] = f"{inner['archive']['dialogs']} dialogs, {inner['archive']['messages']} messages"
        for account in inner.get("channels", []):  # a release before the channels tells of none
            facts[f"{account['channel']} {account['id']}"] = _account(account)
        waiting, buried = (sum(inner["outbox"][which].values()) for which in ("waiting", "buried"))
        facts["outbox"] = f"{waiting} waiting, {buried} given up"
    echo_facts(facts, indent="  ")


def _warning(text: str) -> str:
    return click.style(text, fg="yellow")


@click.command(name="list")
@json_option
def list_instances(as_json: bool) -> None:
    """Show the instances of this server.

    Example: botctl list
    """
    layout = inventory.layout()
    rows = [state_of(layout, inventory.spec(layout, name)) for name in inventory.names(layout)]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(f"{row['instance']:<24} {row['state']:<12} {row['port']:<6} {row['url']}")
    if not rows:
        click.echo("There is no instance yet: botctl NAME create --domain …")


@click.command()
def recover() -> None:
    """Undo a change that a power cut or a kill interrupted; the boot does it by itself.

    Example: botctl recover
    """
    layout = inventory.layout()
    need_root(layout)
    with exclusive(layout):
        title = undo_interrupted(layout, Machine(layout))
    click.echo(title.capitalize() if title else "Nothing was interrupted.")


def _account(account: dict[str, Any]) -> str:
    """'Our bot: working, line 3' or 'Our bot: failing, no line; wrong token; 4 messages wait for the portal'."""
    line = f"line {account['line_id']}" if account["line_id"] is not None else "no line"
    told = [f"{account['name']}: {account['state']}, {line}", account["problem"], account["line_problem"]]
    if account["waiting"]:
        told.append(f"{account['waiting']} messages wait for the portal")
    return "; ".join(part for part in told if part)
