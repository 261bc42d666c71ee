"""`botctl <instance> create`: wizard and flags are one path; `--plan` shows what would change."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from .. import __version__
from ..errors import B24BotError
from ..provisioning import duckdns, health, inventory, rendering
from ..provisioning.domain import Domain, read_domain
from ..provisioning.envfile import read_env_file
from ..provisioning.inventory import NoSuchInstance
from ..provisioning.machine import Machine
from ..provisioning.paths import Layout
from ..provisioning.ports import choose_port, read_ports
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import NginxReload, Process, Step, UnitState
from ..provisioning.transaction import Transaction, exclusive, recover
from ..settings import Settings
from . import certificates, firewall
from .create_texts import TEXTS
from .duckdns import base_url
from .instances import check_name
from .language import language
from .plan_view import show_plan
from .wizard import ask_what_is_missing, confirm

Make = Callable[[InstanceSpec], bool]


@click.command()
@click.option("--domain", help="Domain of the instance, as a person pastes it.")
@click.option("--duckdns-domain", help="Instead of --domain: a name at DuckDNS, which is kept leading to this server.")
@click.option("--duckdns-token-file", type=click.Path(path_type=Path), help="File that holds the token of DuckDNS.")
@click.option("--portal", help="Host of the portal that may install the application.")
@click.option("--client-id", help="CLIENT_ID of the local application.")
@click.option("--client-secret-file", type=click.Path(path_type=Path), help="File that holds CLIENT_SECRET.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File that holds API_SECRET_TOKEN.")
@click.option("--lines", help="Open lines to attach the bot to: none, all, or ids such as 3,7.")
@click.option("--single", is_flag=True, help="Serve at the root of the domain, without the instance's prefix.")
@certificates.options
@click.option("--answers", type=click.Path(path_type=Path), help="File with answers, NAME=value a line.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing; what is missing gets its default.")
@click.option("--allow-mixed-scripts", is_flag=True, help="Accept a name that mixes alphabets.")
@click.option("--no-nginx", is_flag=True, help="Leave nginx alone: another proxy serves this instance.")
@click.pass_obj
def create(instance: str, /, **options: Any) -> None:
    """Make an instance, or bring an existing one into the wanted state.

    \b
    Examples:
      botctl shop-1 create --domain bots.example.ru --portal acme.bitrix24.ru
      botctl shop-1 create --domain бот.пример.рф --plan
      botctl shop-1 create --tls acme --acme-email admin@example.ru
    """
    say = TEXTS[language()]
    layout = inventory.layout()
    if not layout.is_staging and os.geteuid() != 0:
        raise B24BotError("creating an instance changes this server", next_step=f"sudo botctl {instance} create …")
    machine = Machine(layout)
    # Even the lock would be a file that was not there: a plan changes nothing.
    lock = nullcontext() if options["plan_only"] else exclusive(layout, lambda text: click.echo(text, err=True))
    with lock:
        undone = "" if options["plan_only"] else recover(layout, machine)
        if undone:
            click.echo(f"An interrupted run was {undone}", err=True)
        spec, address, is_new = _wanted(layout, instance, options, say)
        check_name(layout, spec)
        before = certificates.until_issued(layout, spec, options)

        def steps_of(stage: InstanceSpec) -> list[Step]:
            ports = read_ports(layout.ports_map)
            return rendering.create(layout, stage, ports, nginx_wanted=not options["no_nginx"], address=address)

        if options["plan_only"]:
            click.echo(say["plan"].format(name=instance))
            then = say["plan_then"].format(domain=spec.domain)
            _show_plans(machine, steps_of(before) if before else [], steps_of(spec), then)
            return
        is_asked = not options["yes"] and sys.stdin.isatty()
        if is_new and is_asked and not confirm(say["confirm"].format(name=instance, url=spec.shown_url), say):
            raise click.Abort()
        wanted = steps_of(spec)
        settled = firewall.settle(machine, wanted, say, asks=is_asked)
        declined = [step for step in wanted if step not in settled]

        def make(stage: InstanceSpec) -> bool:
            verify = _verifier(layout, stage, through_nginx=not options["no_nginx"])
            steps = [step for step in steps_of(stage) if step not in declined]
            return bool(Transaction(layout, machine, f"create {instance}").carry_out(steps, verify))

        _take_address(layout, address, say)
        changed = _make(before, spec, say, make)
    if not changed:
        click.echo(say["nothing"].format(name=instance))
    _farewell(spec, say)
    certificates.point_to_neighbours(layout, spec, say)


def _show_plans(machine: Machine, before: Sequence[Step], steps: Sequence[Step], then: str) -> None:
    """`before`: of what is served while an authority is asked; empty when none is."""
    if before:
        show_plan(machine, before)
        click.echo(then)
    again = (UnitState, Process, NginxReload)
    show_plan(machine, [step for step in steps if step not in before or isinstance(step, again)])


def _make(before: InstanceSpec | None, spec: InstanceSpec, say: dict[str, str], make: Make) -> bool:
    """Whether anything changed. What `make` does happens or does not; when the authority refuses, `before` stays."""
    if before is None:
        return make(spec)
    changed = make(before)
    click.echo(say["asking"].format(url=before.public_url, domain=spec.domain, server=spec.acme_server))
    try:
        return make(spec) or changed
    except B24BotError:
        _farewell(before, say)
        click.echo(say["refused"].format(url=before.public_url))
        raise


def _take_address(layout: Layout, address: duckdns.DuckDns | None, say: dict[str, str]) -> None:
    """Ask DuckDNS once, while nothing is changed yet: a wrong name or token ends it here. Raises B24BotError."""
    if address and not layout.is_staging and address.token != duckdns.known_token(layout, address.name):
        leads_to = duckdns.update(address, base_url())
        click.echo(say["address"].format(name=address.name + duckdns.SUFFIX, address=leads_to or "OK"), err=True)


def _verifier(layout: Layout, spec: InstanceSpec, *, through_nginx: bool) -> Callable[[], None]:
    if layout.is_staging or not spec.enabled:
        return lambda: None
    return lambda: health.wait_until_ready(spec, through_nginx=through_nginx)


_SETTING: Final = re.compile(r"(B24BOT|B24|TG|TELEGRAM|AVITO|API|GUNICORN)_[A-Z0-9_]+")
_OURS: Final = (
    "B24BOT_INSTANCE",
    "B24BOT_HOME",
    "B24BOT_PUBLIC_URL",
    "API_SECRET_TOKEN",
    "B24BOT_PORTAL",
    "B24BOT_LINES",
)


def _wanted(
    layout: Layout, name: str, options: dict[str, Any], say: dict[str, str]
) -> tuple[InstanceSpec, duckdns.DuckDns | None, bool]:
    """The instance as flags, answers, environment, questions, and what exists already describe it; its name at
    DuckDNS if this server refreshes one; whether it is new."""
    given = _answers(options)
    try:
        existing: InstanceSpec | None = inventory.spec(layout, name)
    except NoSuchInstance:
        existing = None
    may_ask = existing is None and not options["yes"] and not options["plan_only"] and sys.stdin.isatty()
    if existing is None and not given.get("domain") and may_ask:
        ask_what_is_missing(layout, given, say, allow_mixed_scripts=options["allow_mixed_scripts"])
    domain = _domain(given, existing, options, say)
    base = existing or InstanceSpec(name, "", "", choose_port(read_ports(layout.ports_map), name), _release(layout))
    single = bool(options["single"] or base.single)
    spec = replace(base, domain=domain.ascii, unicode_domain=domain.unicode, single=single)
    spec = certificates.with_certificate(layout, spec, given, existing.domain if existing else "")
    spec = replace(spec, env=_environment(layout, spec, given))
    return spec, _address(layout, spec, given, options), existing is None


def _address(
    layout: Layout, spec: InstanceSpec, given: dict[str, str], options: dict[str, Any]
) -> duckdns.DuckDns | None:
    name = duckdns.name_of(spec.domain)
    if options["duckdns_token_file"] and not name:
        raise click.UsageError("--duckdns-token-file belongs to --duckdns-domain")
    token = name and (given.get("duckdns_token") or duckdns.known_token(layout, name))
    if not token and given.get("duckdns_domain"):
        raise B24BotError(
            "the token of DuckDNS is missing", next_step="give --duckdns-token-file FILE, or DUCKDNS_TOKEN=… before it"
        )
    return duckdns.DuckDns(name, token) if token else None


def _release(layout: Layout) -> str:
    """The release that runs us; from a checkout, the one it would be installed as."""
    ours = Path(__file__).parents[2]
    return ours.name if ours.parent == layout.releases else __version__


def _domain(
    given: dict[str, str], existing: InstanceSpec | None, options: dict[str, Any], say: dict[str, str]
) -> Domain:
    if given.get("domain"):
        domain = read_domain(given["domain"], allow_mixed_scripts=options["allow_mixed_scripts"])
        if domain.ascii != domain.unicode:
            click.echo(say["domain"].format(unicode=domain.unicode, ascii=domain.ascii), err=True)
        return domain
    if existing is not None:
        return Domain(existing.domain, existing.unicode_domain)
    raise click.UsageError("--domain is missing (or --duckdns-domain)")


def _answers(options: dict[str, Any]) -> dict[str, str]:
    """Flags first, then the answers file, then the environment; secrets from files or the environment only."""
    found: dict[str, str] = {}
    if options["answers"]:
        found |= _answer_file(options["answers"])
    if options["domain"] and options["duckdns_domain"]:
        raise click.UsageError("give --domain or --duckdns-domain, not both")
    if options["domain"]:
        found.pop("duckdns_domain", None)
    for key in ("domain", "duckdns_domain", "portal", "client_id", "lines", *certificates.OPTIONS):
        if options[key]:
            found[key] = options[key]
    if found.get("duckdns_domain"):
        found["domain"] = duckdns.read_name(found["duckdns_domain"]) + duckdns.SUFFIX
    for key, option, variable in (
        ("client_secret", "client_secret_file", "CLIENT_SECRET"),
        ("token", "token_file", "API_SECRET_TOKEN"),
        ("duckdns_token", "duckdns_token_file", "DUCKDNS_TOKEN"),
    ):
        if options[option]:
            found[key] = _secret(options[option])
        elif os.environ.get(variable) and not found.get(key):
            found[key] = os.environ[variable]
    return found


def _answer_file(path: Path) -> dict[str, str]:
    """DOMAIN=…, CLIENT_SECRET=… as the flags are called; any other setting of an instance under its own name."""
    try:
        rows = read_env_file(path)
    except OSError as error:
        raise B24BotError(f"{path} cannot be read: {error.strerror}", next_step="give another --answers") from None
    found = {key.lower(): value for key, value in rows.items() if not _SETTING.fullmatch(key)}
    for key, variable in (("token", "API_SECRET_TOKEN"), ("portal", "B24BOT_PORTAL"), ("lines", "B24BOT_LINES")):
        if rows.get(variable):
            found[key] = rows[variable]
    return found | {key: value for key, value in rows.items() if _SETTING.fullmatch(key) and key not in _OURS}


def _secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise B24BotError(f"{path} cannot be read: {error.strerror}", next_step="give another file") from None
    if not text or "\n" in text:
        raise B24BotError(f"{path} must hold one line: the secret", next_step="write it anew")
    return text


def _environment(layout: Layout, spec: InstanceSpec, given: dict[str, str]) -> dict[str, str]:
    """The env file's content: what stands there already stays unless something else was given."""
    env = dict(spec.env)
    env |= {
        "B24BOT_INSTANCE": spec.name,
        "B24BOT_HOME": str(Path("/") / layout.home(spec.name).relative_to(layout.root)),
        "B24BOT_PUBLIC_URL": spec.public_url,
        "PORT": str(spec.port),
    }
    for variable, key in (
        ("B24BOT_PORTAL", "portal"),
        ("CLIENT_ID", "client_id"),
        ("CLIENT_SECRET", "client_secret"),
        ("B24BOT_LINES", "lines"),
        ("API_SECRET_TOKEN", "token"),
    ):
        if given.get(key):
            env[variable] = given[key]
    env |= {key: value for key, value in given.items() if _SETTING.fullmatch(key)}
    env.setdefault("API_SECRET_TOKEN", secrets.token_hex(24))
    Settings.from_env({**env, "B24BOT_HOME": "/"})  # every wrong value is named before anything changes
    return env


def _farewell(spec: InstanceSpec, say: dict[str, str]) -> None:
    click.secho(say["done"].format(name=spec.name), fg="green")
    click.echo(f"{say['handler']}\n  {spec.public_url}")
    if spec.shown_url != spec.public_url:
        click.echo(f"  ({spec.shown_url})")
    click.echo(f"  {say['slash']}\n{say['scopes']}")
    for scope in ("imbot", "imopenlines", "im", "disk", "user"):
        click.echo(f"  {scope:<12} {say[f'scope_{scope}']}")
    click.echo(say["token"].format(name=spec.name))
    click.echo(say["next"].format(name=spec.name))
    click.echo(say["missed"].format(home=spec.env["B24BOT_HOME"], url=spec.shown_url))
    if not spec.env.get("CLIENT_SECRET"):
        click.echo(say["next_secret"].format(name=spec.name))


def spec_json(spec: InstanceSpec) -> str:
    """The instance as `info --json` shows it; no secrets."""
    row = {"name": spec.name, "url": spec.public_url, "shown_url": spec.shown_url, "port": spec.port}
    return json.dumps(row, ensure_ascii=False)
