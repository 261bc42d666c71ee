"""What integrators rely on when they install us: pinned, hashed, few, and each for a reason they can read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LOCKED: Final = [
    "requirements.txt",
    "requirements-dev.txt",
    "tests/api/requirements.txt",
    "tests/clients/requirements.txt",
]

# Each of these would cost an instance megabytes or tie it to somebody's service; the standard library does.
HEAVY: Final = [
    "aiohttp",
    "celery",
    "httpx",
    "marshmallow",
    "msgspec",
    "numpy",
    "pandas",
    "pydantic",
    "redis",
    "requests",
    "sqlalchemy",
]


def normal(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, tuple[str, list[str]]]:
    """name -> (version, hashes) of a locked file; fails on a line that is anything else."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        requirement, _, options = line.partition(" ")
        hashes = re.findall(r"--hash=\S+", options)  # before them there may be a marker: `; platform_machine != …`
        assert re.fullmatch(r"[a-z0-9._-]+==[\w.]+", requirement), f"{file}: not a plain pin: {line[:80]}"
        name, version = requirement.split("==")
        found[normal(name)] = (version, hashes)
    return found


def asked_for(file: str) -> dict[str, str]:
    """Direct requirement -> the comment directly above it (its group's comment, for a group)."""
    asked: dict[str, str] = {}
    comment: list[str] = []
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif not line:
            comment = []
        elif not line.startswith("-"):
            name = re.split(r"[<>=!~;\[ ]", line)[0]
            asked[name] = " ".join(comment)
    return asked


@pytest.mark.parametrize("file", LOCKED)
def test_every_package_is_pinned_with_hashes(file: str) -> None:
    for name, (_, hashes) in pins(file).items():
        assert hashes, f"{file}: {name} has no hash"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in hashes), f"{file}: {name}"


@pytest.mark.parametrize("file", [*LOCKED, "requirements.in", "requirements-dev.in"])
def test_no_requirements_file_names_an_index_or_a_path(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:/|(^|\s)(--index|--extra-index|--find-links|--trusted-host|-i |-f )", text)


@pytest.mark.parametrize("name, comment", asked_for("requirements.in").items())
def test_every_runtime_requirement_says_why_and_what_it_costs(name: str, comment: str) -> None:
    assert comment.lower().startswith(f"{name.lower()}: "), f"no reason above {name} in requirements.in"
    assert re.search(r"\d+\.\d MiB", comment), f"{name}: what does it cost?"


def test_the_reasons_stand_in_the_file_that_integrators_read() -> None:
    reasons = [
        line for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines() if line.startswith("#")
    ]
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in reasons if line not in locked] == [], "run tests/packaging/lock.sh"


def test_every_dev_requirement_is_named_in_its_comment() -> None:
    silent = [name for name, comment in asked_for("requirements-dev.in").items() if name not in comment]
    assert silent == []


@pytest.mark.parametrize("asked, locked", [(f"{stem[:-4]}.in", stem) for stem in LOCKED])
def test_what_is_asked_for_is_locked(asked: str, locked: str) -> None:
    missing = [name for name in asked_for(asked) if normal(name) not in pins(locked)]
    assert missing == [], "run tests/packaging/lock.sh"


def test_we_test_with_exactly_what_we_ship() -> None:
    dev = pins("requirements-dev.txt")
    assert {name: dev.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


# Prints the distributions that importing argv[1:] pulled in beyond what a bare interpreter loads, then the modules.
LOADED: Final = """
import importlib, importlib.metadata, sys
before = set(sys.modules)
for module in sys.argv[1:]:
    importlib.import_module(module)
new = set(sys.modules) - before
owners = importlib.metadata.packages_distributions()
print(*sorted({owner for name in new for owner in owners.get(name.partition(".")[0], [])}))
print(*sorted(new))
"""
INSTANCE: Final = ["python_bot.app", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread"]
BOTCTL: Final = ["python_bot.cli.main"]


def loaded_by(modules: list[str]) -> tuple[set[str], set[str]]:
    """(distributions, modules) that a process of its own has after importing `modules`."""
    command = [sys.executable, "-c", LOADED, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    owners, new = done.stdout.splitlines()
    return {normal(name) for name in owners.split()}, set(new.split())


@pytest.mark.parametrize("program", [INSTANCE, BOTCTL], ids=["instance", "botctl"])
def test_the_program_imports_only_what_requirements_txt_installs(program: list[str]) -> None:
    assert loaded_by(program)[0] - pins("requirements.txt").keys() == set()


def test_an_instance_imports_nothing_heavy_and_nothing_of_botctl() -> None:
    modules = loaded_by(INSTANCE)[1]
    assert (
        modules
        & {
            *HEAVY,
            "idna",
            "python_bot.cli",
            "python_bot.provisioning",
            "python_bot.simulator",
            "python_bot.export.names",
        }
        == set()
    )
