"""What goes wrong on real servers: afterwards the machine is as before or as intended, and the message says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .acting import DOMAIN, create, get, until
from .debian import Machine, Ran, difference


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 1, ran.text
    assert "Error: " in ran.err and "Next step: " in ran.err
    assert "Traceback" not in ran.text
    for word in words:
        assert word in ran.err, ran.err


def test_a_broken_nginx_is_named_and_left_alone(machine: Machine) -> None:
    machine.write("/etc/nginx/conf.d/somebody.conf", "server { listen 80\n")
    before = machine.state()
    refused(create(machine, "acme", check=False), "/etc/nginx/conf.d/somebody.conf", "broken already")
    assert difference(before, machine.state()) == {}


def test_a_foreign_default_server_stays_the_default(machine: Machine) -> None:
    machine("rm", "/etc/nginx/sites-enabled/default")
    site = 'server { listen 80 default_server; server_name main.example.ru; location / { return 200 "main"; } }\n'
    machine.write("/etc/nginx/sites-enabled/main", site)
    machine("systemctl", "reload", "nginx")
    create(machine, "acme")
    assert get(machine, "/", "unknown.example.ru") == (200, "main\n")
    assert get(machine, "/acme/python_bot/")[0] == 200


def test_a_site_that_is_the_default_by_its_place_does_not_lose_it(machine: Machine) -> None:
    machine("rm", "/etc/nginx/sites-enabled/default")
    site = 'server { listen 80; server_name main.example.ru; location / { return 200 "main"; } }\n'
    machine.write("/etc/nginx/sites-enabled/main", site)
    machine("systemctl", "reload", "nginx")
    before = machine.state()
    refused(create(machine, "acme", check=False), "/etc/nginx/sites-enabled/main", "default_server")
    assert difference(before, machine.state()) == {}


@pytest.mark.parametrize("place", ["/etc/nginx/conf.d/old.conf", "/etc/nginx/sites-enabled/old"])
def test_another_file_with_the_same_name_is_found(machine: Machine, place: str) -> None:
    machine.write(place, f"server {{ listen 80; server_name x.ru {DOMAIN}; }}\n")
    machine("systemctl", "reload", "nginx")
    before = machine.state()
    refused(create(machine, "acme", check=False), place)
    assert difference(before, machine.state()) == {}


def test_a_name_of_54_bytes_does_not_stop_nginx(machine: Machine) -> None:
    domain = "юридическая-консультация-онлайн.рф"
    create(machine, "acme", domain=domain)
    assert get(machine, "/acme/python_bot/", domain.encode("idna").decode())[0] == 200


def listen(machine: Machine, port: int) -> None:
    script = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); print('up',flush=True); time.sleep(60)"
    process = machine.start("python3", "-c", script)
    assert process.stdout and process.stdout.readline() == "up\n"


def test_a_taken_port_is_passed_over(machine: Machine) -> None:
    listen(machine, 18080)
    create(machine, "acme")
    assert machine("cat", "/etc/b24bot/ports.map").out == "acme:18081\n"


def test_a_port_80_that_another_program_holds_is_named(machine: Machine) -> None:
    machine("systemctl", "stop", "nginx")
    listen(machine, 80)
    before = machine.state()
    refused(create(machine, "acme", check=False), "port 80 is taken by python3")
    assert difference(before, machine.state()) == {}


def fill_etc(machine: Machine, pages_left: int) -> None:
    """/etc becomes a file system of its own with so many free blocks of 4 KiB."""
    machine("sh", "-c", "mkdir /run/etc && cp -a /etc/. /run/etc/ && mount -t tmpfs -o size=16m none /etc")
    machine("sh", "-c", "cp -a /run/etc/. /etc/ && systemctl daemon-reload")
    free = machine("sh", "-c", "df -k --output=avail /etc | tail -1").out
    machine("dd", "if=/dev/zero", "of=/etc/filler", "bs=4k", f"count={int(free) // 4 - pages_left}")


def test_a_full_etc_leaves_nothing_half_done(machine: Machine) -> None:
    fill_etc(machine, 0)
    before = machine.state()
    refusals = 0
    while (ran := create(machine, "acme", check=False)).code != 0:
        assert refusals < 30, ran.err
        refused(ran)
        assert "No space left" in ran.err or "useradd" in ran.err, ran.err
        assert difference(before, machine.state()) == {}
        refusals += 1
        machine("truncate", "--size=-8k", "/etc/filler")
    assert refusals > 12
    assert get(machine, "/acme/python_bot/")[0] == 200


def kill_after(machine: Machine, step: int, *command: str) -> bool:
    """Whether the command was killed there; False: it has no such step and came to its end."""
    ran = machine(*command, check=False, env={"B24BOT_TEST_STOP_AFTER_STEP": str(step)})
    assert ran.code in (0, -9), ran.text
    return ran.code != 0


def test_an_installer_killed_after_any_step_is_undone_by_the_next_run(machine: Machine) -> None:
    before = machine.state()
    command = ("botctl", "acme", "create", "--domain", DOMAIN, "--yes")
    steps = 0
    while kill_after(machine, steps, *command):
        assert "undone: create acme" in machine("botctl", "recover").out.lower()
        assert difference(before, machine.state()) == {}, f"after step {steps}"
        steps += 1
    assert steps > 15
    assert get(machine, "/acme/python_bot/")[0] == 200


def test_a_purge_killed_after_any_step_is_undone_and_the_instance_works(machine: Machine) -> None:
    create(machine, "acme")

    def settled() -> dict[str, object]:
        state = machine.state()
        state["files"] = {path: row for path, row in state["files"].items() if "/dialogs.db-" not in path}
        return state

    before = settled()
    steps = 0
    while kill_after(machine, steps, "botctl", "acme", "purge", "--yes"):
        machine("botctl", "recover")
        until(lambda: get(machine, "/acme/python_bot/")[0] == 200, what=f"an answer after step {steps}")
        assert difference(before, settled()) == {}, f"after step {steps}"
        steps += 1
    assert steps > 10


@pytest.mark.parametrize("step", [3, 12, 20])
def test_a_power_cut_during_the_installation_is_undone_by_the_next_boot(machine: Machine, step: int) -> None:
    before = machine.state()
    assert kill_after(machine, step, "botctl", "acme", "create", "--domain", DOMAIN, "--yes")
    machine.power_cut()
    machine.boot()
    until(lambda: machine("test", "-e", "/var/lib/b24bot/journal", check=False).code == 1, what="recovery at boot")
    assert difference(before, machine.state()) == {}
    create(machine, "acme")


def test_a_reload_that_fails_puts_back_what_was(machine: Machine) -> None:
    create(machine, "first")
    machine.write(
        "/root/bin/unshare", "#!/bin/sh\nexit 1\n", 0o755
    )  # the test in advance is impossible, as in a container
    machine.write("/etc/nginx/b24bots.d/other.example.ru/bad.conf", "nonsense;\n")
    before = machine.state()
    path = "/root/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
    command = ("botctl", "acme", "create", "--domain", "other.example.ru", "--yes")
    ran = machine(*command, check=False, env={"PATH": path})
    assert ran.code == 1 and "nonsense" in ran.err, ran.text
    assert difference(before, machine.state()) == {}
    assert get(machine, "/first/python_bot/")[0] == 200


@pytest.fixture
def reader(boot: Callable[..., Machine]) -> Machine:
    """The same accidents are worth little if Debian 13 differs."""
    return boot("trixie")


def test_debian_13_is_undone_as_well(reader: Machine) -> None:
    before = reader.state()
    for step in (2, 10, 16):
        assert kill_after(reader, step, "botctl", "acme", "create", "--domain", DOMAIN, "--yes")
        reader("botctl", "recover")
        assert difference(before, reader.state()) == {}, f"after step {step}"
