"""The archive made anew takes its place on a booted machine: clients wait, nobody is refused, a kill is undone."""

from __future__ import annotations

import json

from .acting import get, has_archived, until
from .debian import Machine
from .test_daily import Load
from .test_upgrades import HOME, says, talk

GREETING = "Здравствуйте! Это acme 👍"


def client_of(machine: Machine, chat_id: int) -> str:
    return str(json.loads(get(machine, f"/acme/api/dialogs/{chat_id}")[1])["dialog"]["client"]["id"])


def owners(machine: Machine) -> str:
    return machine("find", HOME, "-name", "*.db*", "-printf", "%f %u %m\\n").out


def test_it_takes_its_place_under_load_and_nobody_is_refused(machine: Machine) -> None:
    portal, chat_id = talk(machine)
    sent = Load(machine)
    ran = machine("botctl", "acme", "rebuild", "--replace", "--yes", timeout=200)
    sent.check()
    assert has_archived(machine, "acme", chat_id, GREETING)
    kept = ran.out.split(" stays in ")[1].split()[0]
    assert machine.path(kept).is_file() and not machine.path(f"{HOME}/rebuild").exists()
    says(machine, portal, "Скажу новому архиву")
    assert {line.split(" ", 1)[1] for line in owners(machine).splitlines()} == {"b24bot-acme 600"}
    assert machine("botctl", "acme", "rebuild", "--compare", check=False).code == 0
    # These too read the archive with the rights of its owner, who may not read the settings.
    assert machine("botctl", "acme", "completeness", "--verify").code == 0
    assert GREETING in machine("botctl", "acme", "export", "-", "--format", "jsonl").out
    assert machine("botctl", "acme", "forget", "--client", client_of(machine, chat_id), "--dry-run").code == 0
    assert machine("systemctl", "--failed", "--no-legend").out == ""


def test_killed_after_any_step_the_former_archive_is_back(machine: Machine) -> None:
    _, chat_id = talk(machine)
    inode = machine.path(f"{HOME}/dialogs.db").stat().st_ino
    steps = 0
    replace = ("botctl", "acme", "rebuild", "--replace", "--yes")
    while machine(*replace, check=False, env={"B24BOT_TEST_STOP_AFTER_STEP": str(steps)}).code != 0:
        assert "undone" in machine("botctl", "recover").out.lower()
        until(lambda: get(machine, "/acme/python_bot/")[0] == 200, what=f"an answer after step {steps}")
        assert machine.path(f"{HOME}/dialogs.db").stat().st_ino == inode, f"after step {steps}"
        assert has_archived(machine, "acme", chat_id, GREETING)
        steps += 1
    assert steps > 1
    assert machine.path(f"{HOME}/dialogs.db").stat().st_ino != inode
