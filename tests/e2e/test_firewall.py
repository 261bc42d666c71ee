"""A server whose UFW lets only SSH in, as hosters set it up: Debian's own ufw, with rules in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .acting import DOMAIN, TOKEN, create
from .debian import Machine, difference


@pytest.fixture(params=["bookworm", "trixie"])
def machine(boot: Callable[..., Machine], request: pytest.FixtureRequest) -> Iterator[Machine]:
    booted = boot(request.param, ufw=True)
    booted("ufw", "allow", "22/tcp")
    booted("ufw", "--force", "enable")
    yield booted


def reaches(machine: Machine, port: int) -> bool:
    """Whether the kernel lets a stranger in, by the rules that ufw gave it."""
    rules = machine("iptables-save").out.splitlines()
    return any(f"--dport {port} " in rule and rule.endswith("-j ACCEPT") for rule in rules)


def state(machine: Machine) -> dict[str, object]:
    return {**machine.state(), "rules": machine("sh", "-c", "cat /etc/ufw/user*.rules").out}


def test_a_closed_port_is_opened_said_and_closed_again_by_the_last_purge(machine: Machine) -> None:
    before = state(machine)
    shown = machine("botctl", "acme", "create", "--domain", DOMAIN, "--plan").out
    assert "  ufw allow 80/tcp\n" in shown and "443" not in shown
    assert difference(before, state(machine)) == {}

    ran = create(machine, "acme")
    assert "UFW keeps port 80 closed: it will be opened" in ran.err
    assert reaches(machine, 80)
    assert "UFW" not in create(machine, "shop").text
    machine("botctl", "acme", "purge", "--yes")
    assert reaches(machine, 80)
    assert "ufw delete allow 80/tcp" in machine("botctl", "shop", "purge", "--dry-run").out
    machine("botctl", "shop", "purge", "--yes")
    assert not reaches(machine, 80)
    assert difference(before, state(machine)) == {}


def test_a_rule_of_somebody_else_is_neither_repeated_nor_removed(machine: Machine) -> None:
    machine("ufw", "allow", "WWW Full")
    before = state(machine)
    assert "UFW" not in create(machine, "acme").text
    machine("botctl", "acme", "purge", "--yes")
    assert difference(before, state(machine)) == {}

    machine("ufw", "delete", "allow", "WWW Full")
    create(machine, "acme")
    machine("ufw", "allow", "80/tcp", "comment", "shop front")  # the sysadmin makes the rule his own
    machine("botctl", "acme", "purge", "--yes")
    assert reaches(machine, 80)


def test_a_rule_that_refuses_is_left_alone_and_told(machine: Machine) -> None:
    machine("ufw", "deny", "80")
    rules = machine("cat", "/etc/ufw/user.rules").out
    assert "UFW has a rule that refuses port 80" in create(machine, "acme").err
    assert machine("cat", "/etc/ufw/user.rules").out == rules


def test_on_a_terminal_it_is_asked_and_no_means_no(machine: Machine) -> None:
    command = ("botctl", "acme", "create", "--domain", DOMAIN)
    env = {"API_SECRET_TOKEN": TOKEN, "LC_ALL": "ru_RU.UTF-8"}
    with machine.terminal(*command, env=env) as screen:
        screen.expect("Создать экземпляр acme")
        screen.type("")
        screen.expect("UFW никого не пускает на порт 80. Открыть его")
        screen.type("нет")
        screen.expect("пока вы не выполните ufw allow 80/tcp")
        assert screen.finish() == 0
    assert not reaches(machine, 80)
    with machine.terminal(*command, env=env) as screen:
        screen.expect("Открыть его")
        screen.type("да")
        assert screen.finish() == 0
    assert reaches(machine, 80)


def test_an_installation_that_fails_or_is_killed_closes_the_port_again(machine: Machine) -> None:
    before = state(machine)
    command = ("botctl", "acme", "create", "--domain", DOMAIN, "--yes")
    killed = 0
    for step in range(19, 40):  # the first steps are those of every other test
        ran = machine(*command, check=False, env={"B24BOT_TEST_STOP_AFTER_STEP": str(step)})
        if ran.code == 0:
            break
        killed += reaches(machine, 80)
        machine("botctl", "recover")
        assert difference(before, state(machine)) == {}, f"after step {step}"
    assert killed == 1, "no run was killed after the port had been opened"
