"""`botctl doctor` and `botctl <instance> doctor`: what is wrong, the root cause first, and what to do about it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import click

from ..bitrix.ensure import Wish
from ..doctor import Level, Report
from ..doctor.examination import examine
from ..doctor.facts import Subject
from ..doctor.findings import Finding, red
from ..doctor.report import report
from ..doctor.server import examine_server
from ..doctor.texts import Language, words
from ..errors import SettingsError
from ..provisioning import inventory
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from ..settings import Settings
from .instances import need_root
from .language import language
from .logs import visible
from .output import echo_json, json_option
from .repairs import repair

COLOURS: Final = {Level.GREEN: "green", Level.YELLOW: "yellow", Level.RED: "red"}
HEADINGS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "green": "all is well",
        "yellow": "it works, with something to look at",
        "red": "something is broken",
        "root": "Root cause",
        "because": "Explained by it",
        "next": "Next step",
        "well": "In order",
        "done": "Repaired",
        "nothing": "Nothing here can be repaired without a person.",
    },
    "ru": {
        "green": "всё в порядке",
        "yellow": "работает, но есть замечания",
        "red": "есть неисправность",
        "root": "Причина",
        "because": "Следствия",
        "next": "Что делать",
        "well": "В порядке",
        "done": "Исправлено",
        "nothing": "Без человека здесь исправить нечего.",
    },
}


@click.command()
@click.option("--fix", is_flag=True, help="Repair what is safe to repair, say what was done, and look again.")
@json_option
@click.pass_obj
def doctor(instance: str, fix: bool, as_json: bool) -> None:
    """Examine the instance: from its domain to the portal and back. Exit code 0: all is green.

    \b
    Examples:
      botctl shop-1 doctor
      botctl shop-1 doctor --fix
      botctl shop-1 doctor --json
    """
    layout = inventory.layout()
    need_root(layout)
    spec = inventory.spec(layout, instance)
    found = _examined(layout, spec)
    done: list[str] = []
    if fix and (wanted := list(dict.fromkeys(each.repair for each in found.problems if each.repair))):
        done = repair(layout, spec, wanted, language())
        spec = inventory.spec(layout, instance)
        found = _examined(layout, spec)
    if as_json:
        echo_json({**found.as_json(language()), "repaired": done})
    else:
        _show_repairs(done, fix)
        show(found)
    if found.level is not Level.GREEN:
        raise click.exceptions.Exit(1)


@click.command(name="doctor")
@json_option
def doctor_of_server(as_json: bool) -> None:
    """Examine the machine and every instance on it. Exit code 0: all is green.

    \b
    Examples:
      botctl doctor
      botctl doctor --json
    """
    layout = inventory.layout()
    need_root(layout)
    specs = [inventory.spec(layout, name) for name in inventory.names(layout)]
    reports = [examine_server(layout, specs)]
    reports += [_examined(layout, spec) for spec in specs]
    if as_json:
        echo_json({"reports": [each.as_json(language()) for each in reports]})
    else:
        for each in reports:
            show(each)
    if any(each.level is not Level.GREEN for each in reports):
        raise click.exceptions.Exit(1)


def _examined(layout: Layout, spec: InstanceSpec) -> Report:
    try:
        subject = subject_of(layout, spec)
    except SettingsError as error:
        # Without settings nothing else can be asked; and the instance cannot start.
        wrong = red("M", "settings_wrong", problems=error.problems, file=layout.env_file(spec.name))
        return report(spec.name, [wrong], 0.0)
    return examine(layout, spec, subject)


def subject_of(layout: Layout, spec: InstanceSpec) -> Subject:
    """What the settings say the instance should be. Raises SettingsError."""
    settings = Settings.from_env({**spec.env, "B24BOT_HOME": "/", "B24BOT_INSTANCE": spec.name})
    url = urlsplit(settings.public_url)
    home = layout.home(spec.name)
    return Subject(
        name=spec.name,
        home=home,
        wish=Wish(settings.public_url, settings.bot_code, settings.bot_name, settings.lines, settings.event_mode),
        scheme=url.scheme,
        host=url.hostname or "",
        unicode_host=spec.unicode_domain if url.hostname == spec.domain else url.hostname or "",
        port=url.port or (443 if url.scheme == "https" else 80),
        prefix=spec.prefix,
        local_port=spec.port,
        behind_nginx=layout.include(spec.domain, spec.name).exists(),
        enabled=spec.enabled,
        api_token=settings.api_secret_token,
        portal=settings.portal,
        oauth_url=settings.oauth_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        journal_days=settings.journal_days,
        connector_handler=settings.connector_handler,
        channel_urls=settings.channel_urls,
    )


# --- for people ------------------------------------------------------------------------------------------------


def show(found: Report) -> None:
    heading = HEADINGS[language()]
    name = found.subject or "botctl doctor"
    click.secho(f"{name}: {heading[found.level]}", fg=COLOURS[found.level], bold=True, nl=False)
    click.echo(f"  ({found.seconds:.1f} s)")
    for position, finding in enumerate(found.problems):
        consequences = [each.code for each in found.findings if each.because == finding.code]
        _show_problem(finding, found.subject, heading, is_root=position == 0, consequences=consequences)
    well = [finding for finding in found.findings if finding.level is Level.GREEN]
    if well:
        click.echo(f"{heading['well']}:")
    for finding in well:
        said = words(finding, language(), found.subject)
        click.echo(f"  {finding.section}  {visible(said.meaning)}: {visible(said.evidence)}")


def _show_problem(
    finding: Finding, subject: str, heading: dict[str, str], *, is_root: bool, consequences: list[str]
) -> None:
    said = words(finding, language(), subject)
    title = f"{heading['root']}: " if is_root else ""
    click.secho(f"  {finding.section}  {title}{visible(said.meaning)}", fg=COLOURS[finding.level])
    click.echo(f"     {visible(said.evidence)}  [{finding.code}]")
    if said.next_step:
        click.echo(f"     {heading['next']}: {visible(said.next_step)}")
    if consequences:
        click.echo(f"     {heading['because']}: {', '.join(consequences)}")


def _show_repairs(done: list[str], asked: bool) -> None:
    heading: dict[str, Any] = HEADINGS[language()]
    for text in done:
        click.echo(f"{heading['done']}: {text}")
    if asked and not done:
        click.echo(heading["nothing"])
