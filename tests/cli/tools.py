"""An instance as `botctl create` makes it below a staging root, and the same one really running."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

from python_bot.cli.main import main
from python_bot.provisioning.envfile import read_env_file, write_env
from python_bot.provisioning.paths import Layout
from python_bot.provisioning.spec import InstanceSpec, read_spec, write_spec
from python_bot.simulator import SimulatedPortal
from tests.support import Server


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def botctl(root: Path, *args: str, stdin: str = "") -> Done:
    """As a person types it, but in this process: a new interpreter for each call would take most of the time."""
    out, err, given = StringIO(), StringIO(), StringIO(stdin)
    code = 0
    with (
        mock.patch.dict(os.environ, {"B24BOT_ROOT": str(root), "LC_ALL": "C.UTF-8"}),
        mock.patch.object(sys, "stdin", given),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(args=list(args))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def ok(root: Path, *args: str, stdin: str = "") -> str:
    done = botctl(root, *args, stdin=stdin)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def shown(root: Path, *args: str) -> Any:
    return json.loads(ok(root, *args, "--json"))


def create(root: Path, name: str = "shop-1", *options: str) -> None:
    ok(root, name, "create", "--domain", "bots.example.ru", "--portal", "acme.bitrix24.ru", "--yes", *options)


def env_of(root: Path, name: str = "shop-1") -> str:
    return Layout(root).env_file(name).read_text(encoding="utf-8")


def spec_of(root: Path, name: str = "shop-1") -> InstanceSpec:
    return read_spec(Layout(root).spec_file(name), {})


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a directory with its mode and content, links as their targets."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = (0, os.readlink(path).encode())  # noqa: PTH115  # its text is enough
        elif path.is_file():
            found[str(path.relative_to(root))] = (path.stat().st_mode & 0o777, path.read_bytes())
    return found


class StagedServer(Server):
    """A running instance whose home, settings and specification lie where botctl looks for them."""

    def __init__(self, root: Path, portal: SimulatedPortal | None = None, name: str = "shop-1") -> None:
        self.layout, self.name = Layout(root), name
        home = self.layout.home(name)
        if not home.exists():
            create(root, name)
        super().__init__(portal, home=home, env={"B24BOT_INSTANCE": name})
        spec = InstanceSpec(name, f"127.0.0.1:{self.port}", f"127.0.0.1:{self.port}", self.port, "0.1.0", single=True)
        self.layout.spec_file(name).write_bytes(write_spec(spec))
        settings = {key: value for key, value in self.env.items() if key not in ("PATH", "PYTHONWARNINGS")}
        self.layout.env_file(name).write_bytes(write_env(settings))

    def __enter__(self) -> StagedServer:
        self.start()
        return self

    def restart(self) -> None:
        """As a restart of the unit does: with the env file as it is now."""
        self.stop()
        self.take_settings()
        self.start()

    def take_settings(self) -> None:
        self.env |= read_env_file(self.layout.env_file(self.name))
