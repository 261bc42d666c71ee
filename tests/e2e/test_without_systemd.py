"""A container without systemd: the same commands, gunicorn as a daemon with a pid file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .acting import DOMAIN, Portal, create, get, play
from .debian import Machine


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_a_container_has_the_same_commands(boot: Callable[..., Machine], codename: str) -> None:
    machine = boot(codename, systemd=False)
    assert machine("test", "-d", "/run/systemd/system", check=False).code != 0
    before = set(machine.files())
    create(machine, "acme", "--portal", "http://127.0.0.1:9000")
    create(machine, "shop")
    play(machine, Portal(machine), "acme", f"http://{DOMAIN}/acme/python_bot/")
    first = machine("cat", "/var/www/b24bots/acme/gunicorn.pid").out
    machine("botctl", "acme", "restart")
    assert machine("cat", "/var/www/b24bots/acme/gunicorn.pid").out != first
    machine("botctl", "acme", "off")
    assert machine("botctl", "acme", "status", check=False).code == 3
    assert get(machine, "/shop/python_bot/")[0] == 200
    machine("botctl", "acme", "on")
    assert get(machine, "/acme/python_bot/")[0] == 200
    assert "nothing was changed" in create(machine, "acme").out
    for name in ("acme", "shop"):
        machine("botctl", name, "purge", "--yes")
    # nginx ran for the first time here: its own folders are its own.
    assert sorted(path for path in set(machine.files()) - before if not path.startswith("/var/lib/nginx/")) == []
