"""A day in operation: neighbours, restarts under load, a killed process, the end of an instance."""

from __future__ import annotations

import json
import time
from typing import Any

from .acting import PYTHON, TOKEN, create, get, setup, status, until
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


def load(machine: Machine, count: int, rate: int) -> Any:
    return machine.start(PYTHON, "-I", "/root/load.py", str(count), str(rate), "/acme", TOKEN)


def test_300_requests_at_50_a_second_during_five_restarts_all_succeed(machine: Machine) -> None:
    create(machine, "acme")
    expected = {"GET 200": 150, **{f"POST {get(machine, '/acme/python_bot', method='POST')[0]}": 150}}
    sender = load(machine, 300, 50)
    for _ in range(5):
        time.sleep(0.4)
        machine("botctl", "acme", "restart")
    answer = json.loads(sender.communicate()[0])
    assert answer["answers"] == expected, answer
    assert "POST 5" not in str(expected)


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


def test_on_heals_failed_units(machine: Machine) -> None:
    create(machine, "acme")
    machine("systemctl", "stop", "gunicorn-b24bot-acme.socket", "gunicorn-b24bot-acme.service")
    machine("botctl", "acme", "on")
    assert get(machine, "/acme/python_bot/")[0] == 200
