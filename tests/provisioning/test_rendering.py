"""The files of systemd and nginx come from the instance's own release, also when another release's botctl asks."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from python_bot.provisioning.paths import Layout
from tests.cli.tools import botctl, create, ok, spec_of, tree

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """shop-1 on our release; a release 7.0.0 with other templates, whose interpreter is ours."""
    create(tmp_path)
    release = Layout(tmp_path).release("7.0.0")
    for name in ("python_bot", "systemd", "templates"):
        shutil.copytree(CHECKOUT / name, release / name, ignore=shutil.ignore_patterns("__pycache__"))
    for template in ("systemd/gunicorn-b24bot.service", "templates/nginx/instance.conf", "templates/nginx/common.conf"):
        with (release / template).open("a") as file:
            file.write("# of release seven\n")
    python = release / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    # `-I`, the first word, would hide the directory that stands for the environment's packages here.
    python.write_text(f'#!/bin/sh\nshift\ncd {release} && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def rendered(root: Path) -> list[str]:
    layout = Layout(root)
    found = (layout.units / layout.service("shop-1"), layout.include("bots.example.ru", "shop-1"), layout.nginx_common)
    return [path.read_text() for path in found]


def test_the_target_release_writes_its_own_files_and_a_rollback_brings_ours(root: Path) -> None:
    before = rendered(root)
    ok(root, "shop-1", "upgrade", "--to", "7.0.0")
    upgraded = rendered(root)
    assert all(text.endswith("# of release seven\n") for text in upgraded)
    assert "WorkingDirectory=/opt/b24bot/releases/7.0.0\n" in upgraded[0]
    ok(root, "shop-1", "config", "set", "B24BOT_LINES=3")
    assert rendered(root) == upgraded
    assert "nothing was changed" in ok(root, "shop-1", "create", "--yes")
    create(root, "shop-2")
    assert rendered(root) == upgraded, "what is shared stays that of the newest release in use"
    ok(root, "shop-2", "purge", "--yes")

    shutil.copytree(CHECKOUT / "python_bot", Layout(root).release("0.1.0") / "python_bot")
    (
        Layout(root).release("0.1.0") / "python_bot/provisioning/rendering.py"
    ).unlink()  # older than this: it is not asked
    (Layout(root).release("0.1.0") / ".venv/bin").mkdir(parents=True)
    (Layout(root).release("0.1.0") / ".venv/bin/python").touch()
    ok(root, "shop-1", "rollback")
    assert rendered(root) == before


def test_a_release_that_cannot_be_asked_changes_nothing(root: Path) -> None:
    (Layout(root).release("7.0.0") / "templates/nginx/instance.conf").unlink()
    before = tree(root)
    done = botctl(root, "shop-1", "upgrade", "--to", "7.0.0")
    assert done.returncode == 1
    assert "release 7.0.0 cannot write the files of shop-1: FileNotFoundError" in done.stderr
    assert "Next step:" in done.stderr
    assert tree(root) == before


def test_what_a_newer_release_noted_of_an_instance_is_passed_over(root: Path) -> None:
    path = Layout(root).spec_file("shop-1")
    known = spec_of(root)
    path.write_text(json.dumps({**json.loads(path.read_text()), "later": 1}))
    assert spec_of(root) == known
