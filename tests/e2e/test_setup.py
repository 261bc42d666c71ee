"""setup_multi.sh killed after each of its steps, and two of it at once: a half-made release is never used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import trees
from .acting import DOMAIN, OFFLINE, create, get, setup
from .debian import Machine, difference
from .passage import Passage
from .test_first_install import PROXY
from .trees import CHECKOUT

STEPS = ("release", "venv", "whole", "link", "current", "command")
SOFTWARE = f"{CHECKOUT}/setup_multi.sh"


def remove_software(machine: Machine) -> None:
    machine("sh", "-c", "rm -r /opt/b24bot /usr/local/bin/botctl")


def releases(machine: Machine) -> list[str]:
    return sorted(machine("ls", "-A", "/opt/b24bot/releases", check=False).out.split())


@pytest.mark.parametrize(("codename", "steps"), [("bookworm", STEPS), ("trixie", ("venv", "link"))])
def test_killed_after_any_of_its_steps_the_next_run_makes_it_whole(
    boot: Callable[..., Machine], codename: str, steps: tuple[str, ...]
) -> None:
    machine = boot(codename)
    intended = machine.files()
    remove_software(machine)
    for step in steps:
        killed = setup(machine, "--no-instance", check=False, env={**OFFLINE, "B24BOT_TEST_STOP_AFTER": step})
        assert killed.code == -9, (step, killed.text)
        if step in ("release", "venv"):
            assert [name for name in releases(machine) if not name.startswith(".")] == []
        if machine("test", "-x", "/usr/local/bin/botctl", check=False).code == 0:
            machine("botctl", "list")
        again = setup(machine, "--no-instance", env=OFFLINE)
        assert again.code == 0
        assert difference({"files": intended}, {"files": machine.files()}) == {}, step
        if step != steps[-1]:
            remove_software(machine)
    create(machine, "acme")
    assert get(machine, "/acme/python_bot/")[0] == 200


def test_killed_while_it_repairs_a_release_the_running_instances_keep_it(machine: Machine) -> None:
    create(machine, "acme")
    intended = machine.files()
    # As after an upgrade of Debian: the environment has lost its packages.
    site = machine("sh", "-c", "echo /opt/b24bot/current/.venv/lib/python3*/site-packages").out.strip()
    machine("mv", f"{site}/flask", f"{site}/flask.away")
    for step in ("release", "venv"):
        env = {**OFFLINE, "B24BOT_TEST_STOP_AFTER": step}
        assert setup(machine, "--no-instance", check=False, env=env).code == -9
        assert get(machine, "/acme/python_bot/")[0] == 200
        assert machine("test", "-d", f"{site}/gunicorn", check=False).code == 0, "the old release is still there"
    setup(machine, "--no-instance", env=OFFLINE)
    machine("botctl", "acme", "restart")
    changed = difference({"files": intended}, {"files": machine.files()}).get("files", {})
    assert [path for path in changed if "/dialogs.db-" not in path] == []


def test_two_at_once_wait_for_each_other(machine: Machine) -> None:
    intended = machine.files()
    remove_software(machine)
    flags = ("--domain", DOMAIN, "--yes")
    running = [machine.start(SOFTWARE, "--instance", name, *flags, env=OFFLINE) for name in ("acme", "shop", "third")]
    for process in running:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err
    assert [get(machine, f"/{name}/python_bot/")[0] for name in ("acme", "shop", "third")] == [200] * 3
    for name in ("acme", "shop", "third"):
        machine("botctl", name, "purge", "--yes")
    assert difference({"files": intended}, {"files": machine.files()}) == {}


def test_killed_after_the_packages_it_still_knows_which_came_with_it(boot: Callable[..., Machine]) -> None:
    certificates = [option for option in trees.host_network() if option.startswith("--bind-ro")]
    machine = boot("bookworm", options=certificates, packages=False)
    trees.put_checkout(machine.root)
    env = {**PROXY, "B24BOT_TEST_STOP_AFTER": "packages"}
    with Passage(machine.leader):
        assert setup(machine, "--no-instance", check=False, env=env).code == -9
        assert machine("sh", "-c", "command -v nginx").out == "/usr/sbin/nginx\n"
        setup(machine, "--no-instance", env=PROXY)
    assert "nginx\n" in machine("cat", "/opt/b24bot/packages").out
    assert machine("test", "-e", "/opt/b24bot/packages.new", check=False).code == 1
    setup(machine, "--uninstall", "--yes")
    assert machine("sh", "-c", "command -v nginx python3 botctl", check=False).out == ""
