"""A name at DuckDNS on a booted Debian: asked once, refreshed by a timer of its own, gone with the last instance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from .acting import create, get, status, until
from .debian import Machine, Ran, difference

TOKEN = "a7c4d0ad-114e-40ef-ba1d-d217904a50f2"
HOST = "mybots.duckdns.org"
URL = {"B24BOT_DUCKDNS_URL": "http://127.0.0.1:9053"}
SERVICE, TIMER = "b24bot-duckdns-mybots.service", "b24bot-duckdns-mybots.timer"


def simulate(machine: Machine) -> None:
    """DuckDNS inside the machine, and its units told of it as only a test does."""
    machine.write("/root/accounts", json.dumps({"mybots": TOKEN}))
    machine.write("/root/token", f"{TOKEN}\n", 0o600)
    process = machine.start("python3", "/root/duckdns.py", "9053", "/root/accounts", "/root/asked")
    assert process.stdout and process.stdout.readline() == "up\n"


def asked(machine: Machine) -> list[dict[str, str]]:
    log = machine.path("/root/asked")
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def register(machine: Machine, name: str = "acme", *flags: str, check: bool = True) -> Ran:
    command = ("botctl", name, "create", "--duckdns-domain", "mybots", "--yes", *flags)
    return machine(*command, check=check, env=URL)


@pytest.fixture(params=["bookworm", "trixie"])
def machine(boot: Callable[..., Machine], request: pytest.FixtureRequest) -> Iterator[Machine]:
    booted = boot(request.param)
    simulate(booted)
    booted("systemctl", "set-environment", *(f"{name}={value}" for name, value in URL.items()))
    yield booted


def show(machine: Machine, unit: str, name: str) -> str:
    return machine("systemctl", "show", "--value", f"--property={name}", unit).out.strip()


def test_a_wrong_token_changes_nothing_and_a_right_one_is_asked_once_then_by_the_timer(machine: Machine) -> None:
    before = machine.state()
    machine.write("/root/wrong", "00000000-0000-0000-0000-000000000000\n")
    refused = register(machine, "acme", "--duckdns-token-file", "/root/wrong", check=False)
    assert refused.code == 1 and "DuckDNS refuses mybots.duckdns.org" in refused.err and "Next step: " in refused.err
    assert difference(before, machine.state()) == {}

    ran = register(machine, "acme", "--duckdns-token-file", "/root/token")
    assert f"http://{HOST}/acme/python_bot/" in ran.out
    until(lambda: get(machine, "/acme/python_bot/", HOST)[0] == 200)  # nginx lets its former workers go first
    assert [row["said"] for row in asked(machine)] == ["KO", "OK"]
    assert "nothing was changed" in register(machine).out
    register(machine, "shop")
    assert len(asked(machine)) == 2  # a second instance of the name asks nobody

    assert show(machine, TIMER, "ActiveState") == "active"
    timers = show(machine, TIMER, "TimersMonotonic")
    assert "OnUnitActiveUSec=5min" in timers and "OnActiveUSec=1min" in timers
    # The timer itself, with its periods made short.
    machine.write(
        f"/etc/systemd/system/{TIMER}.d/fast.conf",
        "[Timer]\nOnActiveSec=\nOnUnitActiveSec=\nOnActiveSec=1s\nOnUnitActiveSec=1s\nAccuracySec=1ms\n",
    )
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", TIMER)
    until(lambda: len(asked(machine)) >= 4, what="two refreshes")
    assert {row["token"] for row in asked(machine)[2:]} == {TOKEN}
    assert status(machine, "acme")["duckdns"]["address"] == "203.0.113.7"
    assert "leads to 203.0.113.7" in machine("botctl", "acme", "status").out

    # It is refused from now on: the unit fails, the status says why.
    machine.write("/root/accounts", "{}")
    until(lambda: show(machine, SERVICE, "ActiveState") == "failed", what="a failed unit")
    until(lambda: "refuses" in status(machine, "acme")["duckdns"]["problem"], what="the reason in the status")
    assert machine("botctl", "duckdns", check=False, env=URL).code == 1

    for place, command in {
        "journal": "journalctl --no-pager -o export",
        "process list": "cat /proc/[0-9]*/cmdline",
        "units": f"systemctl show {SERVICE} {TIMER}",
        "readable files": "find /etc /opt /var /run -xdev -type f -perm -o=r -exec cat {} +",
    }.items():
        assert TOKEN not in machine("sh", "-c", f"{command} | tr '\\0' '\\n'; true").out, place

    machine("rm", "-r", f"/etc/systemd/system/{TIMER}.d")
    machine("botctl", "acme", "purge", "--yes")
    assert show(machine, TIMER, "ActiveState") == "active"
    machine("botctl", "shop", "purge", "--yes")
    assert difference(before, machine.state()) == {}
    assert machine("sh", "-c", "ls -d /run/b24bot-duckdns* /run/private/b24bot-duckdns*", check=False).out == ""


def test_the_refresh_is_sandboxed_and_may_be_called_by_hand_before_its_first_run(machine: Machine) -> None:
    register(machine, "acme", "--duckdns-token-file", "/root/token")
    machine("botctl", "duckdns", env=URL)
    machine("systemctl", "start", SERVICE)
    machine("botctl", "duckdns", "mybots", env=URL)
    machine("systemctl", "start", SERVICE)
    assert len(asked(machine)) == 5
    told = machine("systemd-analyze", "security", "--no-pager", SERVICE).out
    found = re.search(r"exposure level for \S+: (\d+\.\d)", told)
    assert found and float(found[1]) <= 1.5, told[-2000:]
    warnings = machine("systemd-analyze", "verify", SERVICE, TIMER, check=False).text
    assert "duckdns" not in warnings, warnings


def test_a_container_without_systemd_has_a_line_for_cron(boot: Callable[..., Machine]) -> None:
    container = boot(systemd=False)
    simulate(container)
    before = set(container.files())
    register(container, "acme", "--duckdns-token-file", "/root/token")
    lines = container("cat", "/etc/cron.d/b24bot-duckdns-mybots").out.splitlines()
    line = next(line for line in lines if not line.startswith("#"))
    schedule, command = line.split(" root ", 1)
    assert schedule == "*/5 * * * *"
    container("sh", "-c", command, env=URL)
    assert [row["said"] for row in asked(container)] == ["OK", "OK"]
    container("botctl", "acme", "purge", "--yes")
    left = [path for path in set(container.files()) - before if not path.startswith("/var/lib/nginx/")]
    assert left == []


def test_an_installation_killed_half_way_leaves_no_timer(machine: Machine) -> None:
    before = machine.state()
    command = ("botctl", "acme", "create", "--duckdns-domain", "mybots", "--duckdns-token-file", "/root/token", "--yes")
    for step in (12, 16, 20, 21, 22, 23):
        ran = machine(*command, check=False, env={**URL, "B24BOT_TEST_STOP_AFTER_STEP": str(step)})
        assert ran.code == -9, ran.text
        machine("botctl", "recover")
        assert difference(before, machine.state()) == {}, f"after step {step}"
    assert create(machine, "acme").code == 0
