"""test.sh and check.sh, with stand-ins for the interpreter and the tools: what they say and what they run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ["ruff", "mypy", "lint-imports", "shellcheck", "shfmt", "python"]


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


@pytest.mark.parametrize(
    "interpreter, problem, package",
    [
        ('case "$2" in *exit*) exit 1;; *) echo 3.9;; esac', "is Python 3.9; 3.11 or newer is needed", "python3"),
        ('case "$2" in *ensurepip*) exit 1;; *) echo 3.13;; esac', "cannot make virtual", "python3.13-venv"),
        ("exit 127", "there is no", "python3 python3-venv"),
    ],
)
def test_an_unfit_interpreter_is_refused_with_the_command_that_helps(
    tmp_path: Path, interpreter: str, problem: str, package: str
) -> None:
    python = script(tmp_path / "python3", interpreter)
    done = run([str(ROOT / "test.sh")], PYTHON=str(python))
    assert done.returncode == 1
    assert problem in done.stderr
    assert f"Next step: apt-get install -y {package}" in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with check.sh, one shell script, and tools that only tell how they were called."""
    shutil.copy(ROOT / "check.sh", tmp_path)
    script(tmp_path / "deploy", "exit 0")
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tmp_path / ".venv" / "stamp").touch()
    (tmp_path / ".gitignore").write_text(".venv\n", encoding="utf-8")
    for tool in TOOLS:
        script(tools / tool, f'echo {tool} "$@"')
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def calls(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if not line.startswith("==")]


def test_all_checks_run_and_the_tests_come_last(checkout: Path) -> None:
    done = run([str(checkout / "check.sh")])
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in calls(done)] == ["ruff", *TOOLS]
    assert "shellcheck check.sh deploy" in calls(done)


@pytest.mark.parametrize("broken", ["ruff", "mypy", "lint-imports", "shellcheck", "shfmt"])
def test_one_failed_check_stops_nothing_but_fails_the_whole(checkout: Path, broken: str) -> None:
    script(checkout / ".venv" / "bin" / broken, f"echo {broken}; exit 3")
    done = run([str(checkout / "check.sh")])
    assert done.returncode == 1
    assert [line.split()[0] for line in calls(done)] == ["ruff", *TOOLS]
    assert f"({broken}" in done.stdout.split("== FAILED before the tests: ")[1].replace("import-linter", "lint-imports")
    assert done.stdout.splitlines()[-1].startswith("python -m pytest")


def test_failing_tests_fail_the_whole(checkout: Path) -> None:
    script(checkout / ".venv" / "bin" / "python", "exit 1")
    assert run([str(checkout / "check.sh")]).returncode == 1


def test_arguments_go_to_pytest_and_nothing_else_runs(checkout: Path) -> None:
    done = run([str(checkout / "check.sh"), "tests/unit", "-k", "a and b"])
    assert len(calls(done)) == 1
    assert calls(done)[0].endswith("tests/unit -k a and b")
