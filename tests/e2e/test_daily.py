"""A day in operation: neighbours, restarts under load, a killed process, the end of an instance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from .acting import PYTHON, TOKEN, create, get, install_release, setup, status, until
from .debian import Machine, difference


def unit(machine: Machine, name: str) -> dict[str, str]:
    names = "--property=MainPID,InvocationID,ActiveState,UnitFileState"
    lines = machine("systemctl", "show", names, f"gunicorn-b24bot-{name}.service").out.splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_neighbours_with_similar_names_never_touch_each_other_and_purging_all_restores_the_machine(
    machine: Machine,
) -> None:
    before = machine.state()
    for name in ("foo", "foobar", "foo-1"):
        create(machine, name)
    installed = machine.files()
    others = {name: unit(machine, name) for name in ("foobar", "foo-1")}
    for verb in ("restart", "off", "on", "disable", "enable"):
        machine("botctl", "foo", verb)
    assert {name: unit(machine, name) for name in others} == others

    dry = machine("botctl", "foo", "purge", "--dry-run").out
    assert "/var/www/b24bots/foo\n" in dry
    assert not [line for line in dry.splitlines() if line.startswith("  remove") and ("foobar" in line or "-1" in line)]
    machine("botctl", "foo", "purge", "--yes")
    assert {name: unit(machine, name) for name in others} == others
    assert get(machine, "/foobar/python_bot/")[0] == get(machine, "/foo-1/python_bot/")[0] == 200
    assert get(machine, "/foo/python_bot/")[0] == 404
    gone = installed.keys() - machine.files().keys()
    assert all("foobar" not in path and "foo-1" not in path for path in gone)

    machine("botctl", "foobar", "purge", "--yes")
    assert unit(machine, "foo-1") == others["foo-1"]
    machine("botctl", "foo-1", "purge", "--yes")
    assert difference(before, machine.state()) == {}

    setup(machine, "--uninstall")
    left = [path for path in machine.files() if "b24bot" in path and not path.startswith("/run")]
    assert left == []


class Load:
    """At least 300 requests at 50 a second, and as many as fit until `check`: every one has to succeed."""

    def __init__(self, machine: Machine) -> None:
        posted = get(machine, "/acme/python_bot", method="POST")[0]
        assert posted < 500
        self._good = {"GET 200", f"POST {posted}"}
        self._process = machine.start(PYTHON, "-I", "/root/load.py", "300", "50", "/acme", TOKEN)

    def check(self) -> None:
        out, err = self._process.communicate()
        assert out, err
        answers: dict[str, int] = json.loads(out)["answers"]
        assert answers.keys() == self._good, answers
        assert sum(answers.values()) >= 300


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_requests_at_50_a_second_during_five_restarts_and_an_upgrade_all_succeed(
    boot: Callable[..., Machine], codename: str
) -> None:
    machine = boot(codename)
    create(machine, "acme")
    install_release(machine, "7.0.0")
    sent = Load(machine)
    for verb in ("restart", "restart", "restart", "upgrade", "restart", "restart"):
        machine("botctl", "acme", verb)
    sent.check()
    # The unit forbids memory that is written and executed, and what sets SQLite up needs none.
    assert "SQLite goes on counting" not in machine("journalctl", "--unit", "gunicorn-b24bot-acme.service").out
    assert status(machine, "acme")["status"]["version"] == "7.0.0"


def test_a_killed_gunicorn_is_back_within_two_seconds(machine: Machine) -> None:
    create(machine, "acme")
    pid = unit(machine, "acme")["MainPID"]
    machine("sh", "-c", f"kill -9 {pid}")
    begun = time.monotonic()
    until(lambda: get(machine, "/acme/python_bot/")[0] == 200 and unit(machine, "acme")["MainPID"] != pid)
    assert time.monotonic() - begun < 2
    assert status(machine, "acme")["state"] == "running"


def test_off_stops_the_socket_and_a_reboot_keeps_on_and_off(machine: Machine) -> None:
    create(machine, "acme")
    create(machine, "shop")
    machine("botctl", "acme", "off")
    assert machine("test", "-e", "/var/www/b24bots/acme/DISABLED", check=False).code == 0
    assert machine("systemctl", "is-active", "gunicorn-b24bot-acme.socket", check=False).code != 0
    assert machine("botctl", "acme", "status", check=False).code == 3
    assert machine("botctl", "nobody", "status", check=False).code == 4
    machine.power_cut()
    machine.boot()
    assert machine("botctl", "acme", "status", check=False).code == 3
    until(lambda: get(machine, "/shop/python_bot/")[0] == 200)
    machine("botctl", "acme", "on")
    assert get(machine, "/acme/python_bot/")[0] == 200
    assert machine("test", "-e", "/var/www/b24bots/acme/DISABLED", check=False).code == 1


SERVICE, SOCKET = "gunicorn-b24bot-acme.service", "gunicorn-b24bot-acme.socket"
STOP = f"systemctl stop {SOCKET} {SERVICE}"
TAKEN = 'import socket, sys; s = socket.create_server(("127.0.0.1", 18080)); print(flush=True); sys.stdin.read()'
DAMAGES = {
    "stopped": STOP,
    "disabled": f"systemctl disable --now {SOCKET} {SERVICE}",
    "failed": f"{STOP}; mkfifo /run/in /run/out; python3 -c '{TAKEN}' </run/in >/run/out & exec 3>/run/in; "
    f"read line </run/out; systemctl start {SERVICE}; systemctl is-failed {SOCKET} >/root/is-failed; exec 3>&-; wait",
    "links deleted": f"{STOP}; rm /etc/systemd/system/*.target.wants/gunicorn-b24bot-acme.*",
    "units deleted": f"{STOP}; rm /etc/systemd/system/gunicorn-b24bot-acme.*; systemctl daemon-reload",
    "masked": f"{STOP}; cd /etc/systemd/system; ln -sf /dev/null {SOCKET}; ln -sf /dev/null {SERVICE}; "
    "systemctl daemon-reload",
    "masked until the next boot": f"{STOP}; systemctl mask --runtime {SOCKET} {SERVICE}",
}


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_on_heals_units_whatever_happened_to_them(boot: Callable[..., Machine], codename: str) -> None:
    machine = boot(codename)
    create(machine, "acme")
    files = machine.files()
    for damage, command in DAMAGES.items():
        machine("sh", "-c", command, check=False)
        assert machine("botctl", "acme", "status", check=False).code == 3, damage
        machine("botctl", "acme", "on")
        assert get(machine, "/acme/python_bot/")[0] == 200, damage
        assert unit(machine, "acme")["UnitFileState"] == "enabled", damage
        assert machine("systemctl", "is-enabled", SOCKET).out == "enabled\n", damage
        assert machine("systemctl", "--failed", "--no-legend").out == "", damage
    assert machine("cat", "/root/is-failed").out == "failed\n"
    assert {path for path in difference({"files": files}, {"files": machine.files()}).get("files", {})} <= {
        f"/var/www/b24bots/acme/dialogs.db-{kind}" for kind in ("wal", "shm")
    }


def test_another_name_server_is_let_through_from_the_next_start(machine: Machine) -> None:
    create(machine, "acme")

    def allowed() -> list[str]:
        return machine("systemctl", "show", "--property=IPAddressAllow", "--value", SERVICE).out.split()

    for verb, address in (("restart", "10.1.2.3"), ("on", "192.168.7.8"), ("restart", "8.8.8.8")):
        assert f"{address}/32" not in allowed()
        machine("sh", "-c", f"rm -f /etc/resolv.conf; echo nameserver {address} >/etc/resolv.conf")
        machine("botctl", "acme", verb)
        assert f"{address}/32" in allowed(), verb
    assert "10.1.2.3/32" not in allowed()
