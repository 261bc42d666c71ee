"""setup_multi.sh at a terminal of a booted Debian; its plan where nothing is installed yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.terminal import Terminal

from . import trees
from .acting import CLIENT_SECRET, DOMAIN, TOKEN, Portal, get, play, setup, until
from .debian import Machine, difference
from .trees import CHECKOUT


def sit_down(machine: Machine, locale: str, *flags: str) -> Terminal:
    return machine.terminal(f"{CHECKOUT}/setup_multi.sh", *flags, env={"API_SECRET_TOKEN": TOKEN, "LC_ALL": locale})


def test_a_russian_sysadmin_answers_the_questions_and_the_instance_works(machine: Machine) -> None:
    with sit_down(machine, "ru_RU.UTF-8") as screen:
        screen.expect("Имя экземпляра")
        screen.type("Магазин")
        screen.expect("'Магазин' не годится")
        screen.type("acme")
        screen.expect("Домен этого сервера")
        screen.type("localhost")
        screen.expect("не домен")
        screen.type(f"http://{DOMAIN}/")
        screen.expect("Адрес портала")
        screen.type("http://127.0.0.1:9000")
        screen.expect("CLIENT_ID локального приложения")
        screen.type("local.e2e")
        screen.expect("CLIENT_SECRET локального приложения")
        screen.type(CLIENT_SECRET)
        screen.expect("Создать экземпляр acme")
        screen.type("д")
        screen.expect("acme работает.")
        assert screen.finish() == 0
    assert CLIENT_SECRET not in screen.seen and TOKEN not in screen.seen
    assert f"http://{DOMAIN}/acme/python_bot/" in screen.seen
    assert "открытые линии: сессии" in screen.seen and "Дальше: " in screen.seen
    told = machine("botctl", "acme", "status").out
    assert "next step" in told and "not installed yet" in told
    play(machine, Portal(machine), "acme", f"http://{DOMAIN}/acme/python_bot/")
    assert "next step" not in machine("botctl", "acme", "status").out


@pytest.mark.parametrize("question", ["Name of the instance", "Domain of this server", "Make the instance acme"])
def test_ctrl_c_leaves_the_machine_as_it_was(machine: Machine, question: str) -> None:
    before = machine.state()
    answers = {
        "Name of the instance": "acme",
        "Domain of this server": DOMAIN,
        "Host of the portal": "",
        "CLIENT_ID": "",
    }
    with sit_down(machine, "C.UTF-8") as screen:
        for text, answer in answers.items():
            if question.startswith(text):
                break
            screen.expect(text)
            screen.type(answer)
        screen.expect(question)
        assert screen.interrupt() in (130, -2), screen.seen
    assert difference(before, machine.state()) == {}


def test_ctrl_c_while_the_release_is_made_leaves_no_half_release(boot: Callable[..., Machine]) -> None:
    machine = boot(product=False)
    trees.put_checkout(machine.root)
    before = machine.files()
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/root/wheels"}
    with machine.terminal(f"{CHECKOUT}/setup_multi.sh", "--no-instance", env=env) as screen:
        screen.expect("Installing release")
        until(lambda: any("/opt/b24bot/releases/" in path for path in machine.files()), what="a half release")
        assert screen.interrupt() != 0, screen.seen
    assert difference({"files": before}, {"files": machine.files()}) == {}
    machine(f"{CHECKOUT}/setup_multi.sh", "--no-instance", env=env, timeout=300)
    assert machine("botctl", "list").code == 0


def everything(machine: Machine) -> dict[str, object]:
    """Every file with inode and time; of /run, where a running system always writes, what would be ours."""
    files = {path: row for path, row in machine.files(times=True).items() if path != "/run"}
    names = machine("ls", "-A", "/run").out.split()
    return {"files": files, "run": [name for name in names if "b24bot" in name or "nginx" in name]}


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_a_plan_on_a_bare_debian_shows_what_would_be_done_and_changes_nothing(
    boot: Callable[..., Machine], codename: str
) -> None:
    machine = boot(codename, packages=False)
    trees.put_checkout(machine.root)
    before = everything(machine)
    shown = setup(machine, "--instance", "acme", "--domain", DOMAIN, "--plan").out
    for part in (
        "Packages to install: python3 python3-venv nginx",
        "/opt/b24bot/releases/",
        "/usr/local/bin/botctl",
        "the system user b24bot-acme",
        "/etc/b24bot/env/acme.env (0600",
        "gunicorn-b24bot-acme.socket",
        f"/etc/nginx/b24bots.d/{DOMAIN}/acme.conf",
    ):
        assert part in shown, part
    assert difference(before, everything(machine)) == {}


def test_a_plan_before_the_release_shows_every_file_as_a_diff_and_changes_nothing(boot: Callable[..., Machine]) -> None:
    machine = boot(product=False)
    trees.put_checkout(machine.root)
    before = everything(machine)
    flags = ("--instance", "acme", "--domain", DOMAIN, "--plan")
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/root/wheels"}
    shown = setup(machine, *flags, env=env).out
    assert "Release to install: /opt/b24bot/releases/" in shown
    assert f"      +    server_name {DOMAIN};" in shown and "(its content is secret)" in shown
    assert TOKEN not in shown
    assert difference(before, everything(machine)) == {}

    # Without the package index there is the outline instead, and without ensurepip its package is named.
    assert "the system user b24bot-acme" in setup(machine, *flags, env={"PIP_NO_INDEX": "1"}).out
    machine("sh", "-c", "rm -r /usr/lib/python3*/ensurepip")
    assert "Packages to install: python3 python3-venv" in setup(machine, *flags).out


def test_a_missing_www_data_and_a_missing_var_www(machine: Machine) -> None:
    machine("rm", "-r", "/var/www")
    machine("systemctl", "stop", "nginx")
    machine("userdel", "www-data")
    before = machine.state()
    ran = machine("botctl", "acme", "create", "--domain", DOMAIN, "--yes", check=False)
    assert ran.code == 1 and 'getpwnam("www-data") failed' in ran.err
    command = ran.err.split("Next step: ")[1].split(", then run again")[0]
    assert difference(before, machine.state()) == {}

    assert command.endswith(" www-data")
    machine("sh", "-c", f"{command} && systemctl start nginx")
    before = machine.state()
    machine("botctl", "acme", "create", "--domain", DOMAIN, "--yes")
    until(lambda: get(machine, "/acme/python_bot", method="POST")[0] == 200, what="an answer without the slash")
    machine("botctl", "acme", "purge", "--yes")
    assert machine("test", "-e", "/var/www", check=False).code == 1
    assert difference(before, machine.state()) == {}
