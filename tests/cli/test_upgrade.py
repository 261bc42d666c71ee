"""`upgrade`, `rollback`, `upgrade --all` below a staging root: what changes, what is kept, and the way back."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from python_bot.cli.upgrade import switch
from python_bot.db import RESTORED, Storage
from python_bot.errors import B24BotError
from python_bot.migrations import STEPS
from python_bot.provisioning.paths import Layout
from python_bot.provisioning.spec import InstanceSpec
from tests.cli.tools import botctl, create, ok, shown, spec_of, tree

TODAY = len(STEPS)  # the schema of this release, and of the one that comes after it
LATER = TODAY + 1


def make_release(root: Path, version: str, schema: int = TODAY) -> None:
    release = Layout(root).release(version)
    (release / ".venv/bin").mkdir(parents=True)
    (release / ".venv/bin/python").touch()
    (release / "python_bot/migrations").mkdir(parents=True)
    (release / "python_bot/app.py").touch()
    (release / "python_bot/__init__.py").write_text(f'__version__ = "{version}"\n')
    for step in range(1, schema + 1):
        (release / f"python_bot/migrations/{step:04}_x.sql").touch()


def be_default(root: Path, version: str) -> None:
    link = Layout(root).current
    link.unlink(missing_ok=True)
    link.symlink_to(f"/opt/b24bot/releases/{version}")


def home(root: Path, name: str = "shop-1") -> Path:
    return Layout(root).home(name)


def schema_of(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as db:
        found: int = db.execute("PRAGMA user_version").fetchone()[0]
        return found


def make_archive(root: Path, name: str = "shop-1") -> None:
    storage = Storage(home(root, name) / "dialogs.db")
    storage.open()
    storage.close()


def be_migrated(root: Path, name: str = "shop-1") -> None:
    """As a newer release leaves the archive."""
    with contextlib.closing(sqlite3.connect(home(root, name) / "dialogs.db")) as db:
        db.execute("CREATE TABLE later (said TEXT)")
        db.execute(f"PRAGMA user_version={LATER}")
        db.commit()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """shop-1 on release 0.1.0 with an archive; 0.9.0 and 0.10.0 lie ready, and 0.10.0 is the default."""
    create(tmp_path)
    make_archive(tmp_path)
    make_release(tmp_path, "0.1.0")
    make_release(tmp_path, "0.9.0")
    make_release(tmp_path, "0.10.0", schema=LATER)
    be_default(tmp_path, "0.10.0")
    (Layout(tmp_path).releases / "0.11.0/python_bot").mkdir(parents=True)  # not whole
    return tmp_path


def link_of(root: Path, name: str = "shop-1") -> str:
    return str((home(root, name) / ".venv").readlink())


def unit_of(root: Path, name: str = "shop-1") -> str:
    return (root / f"etc/systemd/system/gunicorn-b24bot-{name}.service").read_text()


def test_an_upgrade_goes_to_the_default_release_and_back(root: Path) -> None:
    (home(root) / "ENABLED").unlink()
    (home(root) / "DISABLED").touch()
    assert "runs release 0.10.0" in ok(root, "shop-1", "upgrade")
    assert link_of(root) == "/opt/b24bot/releases/0.10.0/.venv"
    assert "WorkingDirectory=/opt/b24bot/releases/0.10.0\n" in unit_of(root)
    assert spec_of(root).release == "0.10.0"
    assert (home(root) / "DISABLED").exists(), "the switch is a person's, and stays"
    assert schema_of(home(root) / "upgrade/dialogs.db") == TODAY
    assert (home(root) / "upgrade/dialogs.db").stat().st_mode & 0o777 == 0o600
    assert shown(root, "shop-1", "info")["former_release"] == "0.1.0"
    assert "has release 0.10.0 already" in ok(root, "shop-1", "upgrade")

    assert "runs release 0.1.0 again" in ok(root, "shop-1", "rollback")
    assert spec_of(root).release == "0.1.0"
    assert link_of(root) == "/opt/b24bot/releases/0.1.0/.venv"


def test_a_release_that_is_not_there_or_not_whole_changes_nothing(root: Path) -> None:
    before = tree(root)
    for version in ("0.11.0", "7.0", "../0.9.0", ""):
        done = botctl(root, "shop-1", "upgrade", "--to", version or "-")
        assert done.returncode == 1
        assert "0.1.0, 0.9.0, 0.10.0" in done.stderr
        assert "Next step:" in done.stderr
    assert tree(root) == before
    assert botctl(root, "shop-1", "rollback").returncode == 1, "it was never upgraded"
    assert botctl(root, "nobody", "upgrade").returncode == 4


def test_an_instance_that_does_not_come_up_well_is_back_as_it_was(root: Path) -> None:
    before = tree(root)

    def ill(layout: Layout, specs: Sequence[InstanceSpec], version: str) -> None:
        assert spec_of(root).release == version
        raise B24BotError("shop-1 does not come up: no answer")

    with pytest.raises(B24BotError, match=r"no answer\nshop-1 is back on release 0\.1\.0"):
        _switch(root, ["shop-1"], "0.10.0", ill)
    after = tree(root)
    after.pop("var/www/b24bots/shop-1/upgrade/dialogs.db")
    assert after == before


def test_an_archive_that_the_failed_release_migrated_is_put_back_and_nothing_is_thrown_away(root: Path) -> None:
    def ill(layout: Layout, specs: Sequence[InstanceSpec], version: str) -> None:
        be_migrated(root)
        raise B24BotError("no answer")

    with pytest.raises(B24BotError):
        _switch(root, ["shop-1"], "0.10.0", ill)
    assert schema_of(home(root) / "dialogs.db") == TODAY
    newer = [path for path in home(root).glob("dialogs-*.db") if schema_of(path) == LATER]
    assert len(newer) == 1, "what came during the attempt stays"


def test_back_to_a_release_that_cannot_open_the_archive_only_with_the_former_archive(root: Path) -> None:
    ok(root, "shop-1", "upgrade")
    be_migrated(root)
    before = tree(root)
    done = botctl(root, "shop-1", "rollback")
    assert done.returncode == 1
    assert f"schema {LATER}" in done.stderr
    assert "rollback --database" in done.stderr
    assert tree(root) == before
    (home(root) / "search.db").touch()
    ok(root, "shop-1", "rollback", "--database")
    assert not (home(root) / "search.db").exists(), "it has followed the other archive; a new one is built"
    assert spec_of(root).release == "0.1.0"
    assert schema_of(home(root) / "dialogs.db") == TODAY
    assert [schema_of(path) for path in home(root).glob("dialogs-*.db")] == [LATER]
    assert (home(root) / RESTORED).exists(), "what waits in it may have been done since"


def test_a_rollback_with_the_former_archive_that_fails_brings_the_present_one_again(root: Path) -> None:
    ok(root, "shop-1", "upgrade")
    be_migrated(root)

    def ill(layout: Layout, specs: Sequence[InstanceSpec], version: str) -> None:
        assert schema_of(home(root) / "dialogs.db") == TODAY
        raise B24BotError("no answer")

    with pytest.raises(B24BotError):
        _switch(root, ["shop-1"], "0.1.0", ill, database=True)
    assert spec_of(root).release == "0.10.0"
    assert schema_of(home(root) / "dialogs.db") == LATER
    assert schema_of(home(root) / "upgrade/dialogs.db") == TODAY
    assert not list(home(root).glob("dialogs-*.db"))
    assert not (home(root) / RESTORED).exists()


def test_all_are_upgraded_one_first_then_in_waves_of_five(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2, 9):
        create(root, f"shop-{number}")
    (Layout(root).spec_file("shop-1")).write_text(
        Layout(root).spec_file("shop-1").read_text().replace('"enabled": true', '"enabled": false')
    )
    waves: list[list[str]] = []
    monkeypatch.setattr(
        "python_bot.cli.upgrade._wait_until_well", lambda layout, specs, version: waves.append([s.name for s in specs])
    )
    out = ok(root, "upgrade", "--all", "--to", "0.9.0")
    assert waves == [["shop-2"], [f"shop-{n}" for n in range(3, 8)], ["shop-8", "shop-1"]]
    assert "Every instance is on release 0.9.0" in out
    assert {spec_of(root, f"shop-{n}").release for n in range(1, 9)} == {"0.9.0"}
    assert botctl(root, "upgrade").returncode == 2, "--all is to be said"


def test_the_first_failure_stops_the_rest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2, 5):
        create(root, f"shop-{number}")

    def ill(layout: Layout, specs: Sequence[InstanceSpec], version: str) -> None:
        if any(spec.name == "shop-3" for spec in specs):
            raise B24BotError("shop-3 does not come up")

    monkeypatch.setattr("python_bot.cli.upgrade._wait_until_well", ill)
    done = botctl(root, "upgrade", "--all")
    assert done.returncode == 1
    assert "shop-3 does not come up" in done.stderr
    assert "Stopped: shop-2, shop-3, shop-4" in done.stderr
    assert [spec_of(root, f"shop-{n}").release for n in range(1, 5)] == ["0.10.0", "0.1.0", "0.1.0", "0.1.0"]


def test_a_note_of_the_former_release_that_somebody_forged_leads_nowhere(root: Path) -> None:
    (home(root) / "upgrade").mkdir()
    (home(root) / "upgrade/former.json").write_text(json.dumps({"release": "../../../home/x"}))
    assert botctl(root, "shop-1", "rollback").returncode == 1


def _switch(root: Path, names: list[str], version: str, verify: object, *, database: bool = False) -> None:
    switch(Layout(root), names, version, database=database, verify=verify)  # type: ignore[arg-type]  # in place of the check of health
