"""`botctl`: two tables of verbs, one for an instance and one for the server. Help, docs and tests read them."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import __version__
from ..errors import B24BotError
from ..provisioning.inventory import NoSuchInstance
from ..settings import INSTANCE_NAME
from . import backup, completion, operate, upgrade
from .avito import avito
from .call import call
from .completeness import completeness
from .config import config
from .create import create
from .demo import demo
from .doctor import doctor, doctor_of_server
from .duckdns import duckdns
from .export import export
from .forget import forget
from .import_former import import_former
from .info import info, url
from .journal import journal
from .lines import lines
from .logs import logs
from .outbox import outbox
from .rebuild import rebuild
from .run import run
from .sync import sync
from .telegram import telegram
from .token import token

EXIT_FAILED, EXIT_USAGE, EXIT_NO_INSTANCE = 1, 2, 4  # 3: running.EXIT_NOT_RUNNING

SERVER_VERBS: dict[str, click.Command] = {
    "demo": demo,
    "doctor": doctor_of_server,
    "duckdns": duckdns,
    "list": operate.list_instances,
    "recover": operate.recover,
    "upgrade": upgrade.upgrade_all,
}
INSTANCE_VERBS: dict[str, click.Command] = {
    "avito": avito,
    "backup": backup.backup,
    "call": call,
    "completeness": completeness,
    "config": config,
    "create": create,
    "disable": operate.disable,
    "doctor": doctor,
    "enable": operate.enable,
    "export": export,
    "forget": forget,
    "import": import_former,
    "info": info,
    "journal": journal,
    "lines": lines,
    "logs": logs,
    "off": operate.off,
    "on": operate.on,
    "outbox": outbox,
    "purge": operate.purge,
    "rebuild": rebuild,
    "restart": operate.restart,
    "restore": backup.restore,
    "rollback": upgrade.rollback,
    "run": run,
    "status": operate.status,
    "sync": sync,
    "telegram": telegram,
    "token": token,
    "upgrade": upgrade.upgrade,
    "url": url,
}
SERVER_VERBS["completion"] = completion.command(SERVER_VERBS, INSTANCE_VERBS)


class Botctl(click.Group):
    """The first word is a verb of the server, or the name of an instance whose verb follows."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        first = args[0]
        if first in SERVER_VERBS:
            return first, SERVER_VERBS[first], args[1:]
        if first in INSTANCE_VERBS:
            ctx.fail(f"{first!r} is a verb: the instance's name comes first, botctl NAME {first}")
        if not INSTANCE_NAME.fullmatch(first):
            ctx.fail(f"{first!r} is neither a command nor the name of an instance")
        if len(args) < 2 or args[1] not in INSTANCE_VERBS:
            ctx.fail(f"say what to do with {first!r}: botctl {first} {'|'.join(sorted(INSTANCE_VERBS))}")
        ctx.obj = first
        return f"{first} {args[1]}", INSTANCE_VERBS[args[1]], args[2:]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SERVER_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return SERVER_VERBS.get(cmd_name)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("With an instance: botctl INSTANCE"):
            rows = [(name, verb.get_short_help_str(70)) for name, verb in sorted(INSTANCE_VERBS.items())]
            formatter.write_dl(rows)
        with formatter.section("Exit codes"):
            formatter.write_text("0 ok, 1 failed, 2 wrong usage, 3 not running, 4 no such instance")


@click.group(cls=Botctl, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="botctl")
def botctl() -> None:
    """Archive of Bitrix24 Open Lines: operate the instances of this server."""


def main(**extra: Any) -> None:
    try:
        # click turns Exit(3) into a return value here.
        code = botctl.main(prog_name="botctl", standalone_mode=False, **extra)
        if isinstance(code, int):
            sys.exit(code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE if isinstance(error, click.UsageError) else EXIT_FAILED)
    except B24BotError as error:
        click.echo(f"Error: {error}", err=True)
        if error.next_step:
            click.echo(f"Next step: {error.next_step}", err=True)
        sys.exit(EXIT_NO_INSTANCE if isinstance(error, NoSuchInstance) else EXIT_FAILED)
