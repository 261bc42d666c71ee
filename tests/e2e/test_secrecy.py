"""Nobody reads what is not his: users among each other, process lists, logs, world-readable files; the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .acting import CLIENT_SECRET, DOMAIN, TOKEN, Portal, create, get, play
from .debian import Machine

SECRET = CLIENT_SECRET


@pytest.fixture
def two(machine: Machine) -> Machine:
    for name in ("acme", "shop"):
        create(machine, name)
    return machine


def as_user(machine: Machine, user: str, *command: str) -> int:
    return machine("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command, check=False).code


def test_an_instance_reads_nothing_of_another(two: Machine) -> None:
    two("sh", "-c", "echo '{}' >/var/www/b24bots/shop/auth.json")
    for path in (
        "/var/www/b24bots/shop/dialogs.db",
        "/var/www/b24bots/shop/auth.json",
        "/etc/b24bot/env/shop.env",
        "/etc/b24bot/env/acme.env",
    ):
        assert two("test", "-s", path, check=False).code == 0, f"{path} is missing"
        assert as_user(two, "b24bot-acme", "cat", path) != 0, path
    assert as_user(two, "b24bot-acme", "ls", "/var/www/b24bots/shop") != 0
    assert as_user(two, "b24bot-acme", "cat", "/var/www/b24bots/acme/dialogs.db") == 0

    # From inside the sandbox there are not even the names of the others.
    pid = two("systemctl", "show", "--property=MainPID", "--value", "gunicorn-b24bot-acme.service").out.strip()
    seen = two("nsenter", "-t", pid, "-m", "ls", "/var/www/b24bots").out.split()
    assert seen == ["acme"]
    assert two("nsenter", "-t", pid, "-m", "ls", "/etc/b24bot", "/etc/nginx", check=False).out.split() in (
        [],
        ["/etc/b24bot:", "/etc/nginx:"],
    )


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_the_sandbox_is_as_tight_as_promised(boot: Callable[..., Machine], codename: str) -> None:
    machine = boot(codename)
    create(machine, "acme")
    told = machine("systemd-analyze", "security", "--no-pager", "gunicorn-b24bot-acme.service").out
    found = re.search(r"exposure level for \S+: (\d+\.\d)", told)
    assert found and float(found[1]) <= 1.5, told[-200:]
    warnings = machine("systemd-analyze", "verify", "gunicorn-b24bot-acme.service", check=False).text
    assert "gunicorn-b24bot" not in warnings, warnings


def test_no_secret_is_in_process_lists_logs_or_world_readable_files(machine: Machine) -> None:
    machine.write("/root/secret", SECRET, 0o600)
    create(machine, "acme", "--client-id", "local.e2e", "--client-secret-file", "/root/secret")
    machine("botctl", "acme", "restart")
    get(machine, f"/acme/api/dialogs?token={TOKEN}")
    get(machine, f"/acme/api/webhooks/avito/messages/7/{SECRET}", method="POST")
    machine("botctl", "acme", "off")
    get(machine, f"/acme/api/dialogs?token={TOKEN}")  # nginx has an error to tell now
    machine("botctl", "acme", "on")

    places = {
        "process list": "cat /proc/[0-9]*/cmdline",
        "journal": "journalctl --no-pager -o export",
        "logs": "cat /var/log/nginx/* /var/www/b24bots/acme/bot.log",
        "systemctl show": "systemctl show gunicorn-b24bot-acme.service",
        "readable files": "find /etc /opt /var /run -xdev -type f -perm -o=r -exec cat {} +",
        "environment of others": "setpriv --reuid=www-data --clear-groups sh -c 'cat /proc/[0-9]*/environ 2>/dev/null'",
    }
    for place, command in places.items():
        # What this very test runs would find itself: the words are cut out of the output afterwards.
        text = machine("sh", "-c", f"{command} | tr '\\0' '\\n'; true").out
        assert TOKEN not in text, place
        assert SECRET not in text, place


def test_a_refused_secret_is_not_in_the_message(machine: Machine) -> None:
    machine.write("/root/secret", f"{SECRET}\nsecond line\n", 0o600)
    ran = create(machine, "acme", "--client-secret-file", "/root/secret", check=False)
    assert ran.code == 1 and SECRET not in ran.text and "one line" in ran.err


def test_settings_survive_the_way_through_systemd(machine: Machine) -> None:
    name = 'Бот "Ромашка" $HOME `id` \\ 100% #1'
    machine.write("/root/answers", f"DOMAIN={DOMAIN}\nPORTAL=http://127.0.0.1:9000\nB24BOT_BOT_NAME='{name}'\n")
    machine("botctl", "acme", "create", "--answers", "/root/answers", "--yes", env={"API_SECRET_TOKEN": TOKEN})
    pid = machine("systemctl", "show", "--property=MainPID", "--value", "gunicorn-b24bot-acme.service").out.strip()
    assert f"B24BOT_BOT_NAME={name}" in machine("cat", f"/proc/{pid}/environ").out.split("\0")
    play(machine, Portal(machine), "acme", f"http://{DOMAIN}/acme/python_bot/")
    again = machine("botctl", "acme", "create", "--answers", "/root/answers", "--yes")
    assert "nothing was changed" in again.out
