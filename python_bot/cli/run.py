"""`botctl <instance> run`: Gunicorn in the foreground with the instance's env file read for you."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..settings import Settings
from .instances import environment

PACKAGE_ROOT = Path(__file__).parent.parent.parent


def gunicorn_command() -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "python_bot/gunicorn_conf.py", "python_bot.app:create_app()"]


@click.command()
@click.pass_obj
def run(instance: str) -> None:
    """Run the instance in the foreground until Ctrl-C.

    Example: botctl shop-1 run
    """
    env = environment(instance)
    Settings.from_env(env)  # every wrong setting is named here, before Gunicorn starts
    os.chdir(PACKAGE_ROOT)
    command = gunicorn_command()
    os.execve(command[0], command, {**os.environ, **env})
