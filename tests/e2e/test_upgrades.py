"""Another release under running instances: healthy, broken, and killed half-way; clients wait, nobody is refused."""

from __future__ import annotations

import pytest

from .acting import Portal, copy_release, create, get, has_archived, play, status, until
from .debian import Machine, Ran
from .test_daily import Load

HOME = "/var/www/b24bots/acme"
RELEASED = "0.1.0"
MIGRATION = "echo 'CREATE TABLE later (said TEXT);' >python_bot/migrations/0998_later.sql\n"
BROKEN_MIGRATION = MIGRATION + "echo 'ALTER TABLE nowhere ADD COLUMN said;' >python_bot/migrations/0999_broken.sql\n"
# All of these load well: `botctl` cannot see in advance that they will not work.
BROKEN_START = """sed -i 's/^        self.storage.open()$/&; raise RuntimeError("broken")/' python_bot/instance.py\n"""
NEVER_READY = """sed -i 's/^    def readyz.*$/&\\n        return "no", 503/' python_bot/web/monitoring.py\n"""
BROKEN_FOR_THIRD = BROKEN_START.replace("; raise", '\\n        if self.settings.instance == "third": raise')


def release_of(machine: Machine, name: str = "acme") -> str:
    found = status(machine, name)
    version = str(found["status"]["version"])
    assert version == found["release"]
    return version


def schema(machine: Machine, path: str = f"{HOME}/dialogs.db") -> int:
    script = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version').fetchone()[0])"
    return int(machine("python3", "-c", script, path).out)


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 1, ran.text
    assert "Next step: " in ran.err and "Traceback" not in ran.text
    for word in words:
        assert word in ran.err, ran.err


def talk(machine: Machine) -> tuple[Portal, int]:
    """An instance that knows a conversation."""
    create(machine, "acme", "--portal", "http://127.0.0.1:9000")
    portal = Portal(machine)
    return portal, play(machine, portal, "acme", "http://bots.example.ru/acme/python_bot/")


def says(machine: Machine, portal: Portal, text: str) -> None:
    """A client writes; it is archived."""
    chat_id = portal("client", name=text, text=text)["chat_id"]
    until(lambda: has_archived(machine, "acme", chat_id, text), what=f"{text!r} in the archive")


@pytest.mark.parametrize(
    "broken",
    [BROKEN_START, BROKEN_MIGRATION, MIGRATION + BROKEN_START, NEVER_READY],
    ids=["start", "migration", "late", "ready"],
)
def test_a_release_that_does_not_come_up_well_is_taken_back_and_nobody_was_refused(
    machine: Machine, broken: str
) -> None:
    portal, chat_id = talk(machine)
    copy_release(machine, "7.0.0", broken)
    known = schema(machine)
    sent = Load(machine)
    refused(
        machine("botctl", "acme", "upgrade", "--to", "7.0.0", check=False, timeout=200),
        f"acme is back on release {RELEASED}",
    )
    sent.check()
    assert release_of(machine) == RELEASED
    assert schema(machine) == known
    assert has_archived(machine, "acme", chat_id, "Здравствуйте! Это acme 👍")
    says(machine, portal, "И снова здравствуйте")
    assert machine("systemctl", "--failed", "--no-legend").out == ""


def test_back_to_the_release_before_even_with_its_archive_and_nobody_is_refused(machine: Machine) -> None:
    portal, _ = talk(machine)
    known = schema(machine)
    copy_release(machine, "7.0.0", MIGRATION)
    sent = Load(machine)
    machine("botctl", "acme", "upgrade", "--to", "7.0.0")
    assert schema(machine) == known + 1
    says(machine, portal, "Скажу новому выпуску")
    refused(machine("botctl", "acme", "rollback", check=False), "rollback --database")
    ran = machine("botctl", "acme", "rollback", "--database")
    sent.check()
    assert release_of(machine) == RELEASED
    assert schema(machine) == known
    aside = ran.out.split(" stays in ")[1].split()[0]
    assert schema(machine, aside) == known + 1
    says(machine, portal, "Скажу прежнему выпуску")


@pytest.mark.parametrize("verb", [("upgrade", "--to", "7.0.0"), ("rollback", "--database")])
def test_killed_after_any_step_it_is_undone_by_the_next_run(machine: Machine, verb: tuple[str, ...]) -> None:
    talk(machine)
    copy_release(machine, "7.0.0", MIGRATION)
    if verb[0] == "rollback":
        machine("botctl", "acme", "upgrade", "--to", "7.0.0")
    before = release_of(machine), schema(machine)
    steps = 0
    while machine("botctl", "acme", *verb, check=False, env={"B24BOT_TEST_STOP_AFTER_STEP": str(steps)}).code != 0:
        assert "undone" in machine("botctl", "recover").out.lower()
        until(lambda: get(machine, "/acme/python_bot/")[0] == 200, what=f"an answer after step {steps}")
        assert (release_of(machine), schema(machine)) == before, f"after step {steps}"
        steps += 1
    assert steps > 5
    assert (release_of(machine), schema(machine)) != before


def test_all_instances_one_first_and_the_first_failure_ends_it(machine: Machine) -> None:
    for name in ("acme", "shop", "third"):
        create(machine, name)
    copy_release(machine, "7.0.0")
    out = machine("botctl", "upgrade", "--all", "--to", "7.0.0").out
    assert out.splitlines()[:2] == ["on release 7.0.0: acme", "on release 7.0.0: shop, third"]
    assert [release_of(machine, name) for name in ("acme", "shop", "third")] == ["7.0.0"] * 3

    # One of the second wave cannot live with the next one: its whole wave goes back, the first stays.
    copy_release(machine, "8.0.0", BROKEN_FOR_THIRD)
    ran = machine("botctl", "upgrade", "--all", "--to", "8.0.0", check=False)
    refused(ran, "third", "shop is back on release 7.0.0", "Stopped: shop, third are not on release 8.0.0")
    assert [release_of(machine, name) for name in ("acme", "shop", "third")] == ["8.0.0", "7.0.0", "7.0.0"]


def test_units_and_nginx_are_those_of_the_target_release(machine: Machine) -> None:
    create(machine, "acme")
    create(machine, "shop")
    places = ("/etc/systemd/system/gunicorn-b24bot-acme.service", "/etc/nginx/b24bots.d/bots.example.ru/acme.conf")
    before = [machine.path(place).read_text() for place in places]
    copy_release(
        machine,
        "7.0.0",
        "sed -i 's/^CPUWeight=50/CPUWeight=51/' systemd/gunicorn-b24bot.service\n"
        "sed -i 's/^Backlog=512/Backlog=500/' systemd/gunicorn-b24bot.socket\n"
        "echo '# of release seven' >>templates/nginx/instance.conf\n"
        "echo '# all of release seven' >>templates/nginx/common.conf\n",
    )
    common = machine.path("/etc/nginx/conf.d/00-b24bots.conf")
    sent = Load(machine)
    machine("botctl", "acme", "upgrade", "--to", "7.0.0")
    unit, include = (machine.path(place).read_text() for place in places)
    assert "\nCPUWeight=51\n" in unit and include.endswith("# of release seven\n")
    # What is shared is of the newest release, whoever is changed; the other's own files are of its own release.
    machine("botctl", "shop", "config", "set", "B24BOT_LINES=3", "--restart")
    create(machine, "shop")
    assert "# all of release seven" in common.read_text()
    assert "CPUWeight=50" in machine.path(places[0].replace("acme", "shop")).read_text()
    assert "seven" not in machine.path(places[1].replace("acme", "shop")).read_text()
    # A setting changed by the botctl of another release leaves the unit as its release wrote it.
    machine("botctl", "acme", "config", "set", "B24BOT_LINES=3", "--restart")
    assert machine.path(places[0]).read_text() == unit

    machine("botctl", "acme", "rollback")
    sent.check()
    assert [machine.path(place).read_text() for place in places] == before
    assert "seven" not in common.read_text()
    assert "nothing was changed" in create(machine, "acme").out
