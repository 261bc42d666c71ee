"""setup_multi.sh before it changes anything: its flags, its errors, its two languages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

SETUP: Final = Path(__file__).parents[2] / "setup_multi.sh"


def run(*flags: str, root: Path, language: str = "C") -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "LC_ALL": language, "B24BOT_ROOT": str(root)}
    return subprocess.run(
        [str(SETUP), *flags], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env, check=False
    )


@pytest.mark.parametrize(
    "flags, problem",
    [
        ((), "--instance is missing"),
        (("--instance",), "--instance needs a name"),
        (("--instance", "Shop"), "'Shop' is no name for an instance"),
        (("--instance", "-shop"), "'-shop' is no name for an instance"),
        (("--instance=" + 25 * "a",), "is no name for an instance"),
        (("--instance", "shop", "--domian", "x.ru"), "there is no option --domian"),
        (("--instance", "shop", "--domain"), "--domain needs a value"),
        (("shop",), "what is 'shop'?"),
    ],
)
def test_a_wrong_call_is_told_at_once_with_the_next_step(tmp_path: Path, flags: tuple[str, ...], problem: str) -> None:
    done = run(*flags, root=tmp_path)
    assert done.returncode == 2
    assert f"Error: {problem}" in done.stderr or problem in done.stderr
    assert "Next step: " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_are_russian_where_the_locale_is(tmp_path: Path) -> None:
    done = run("--instance", "Магазин", root=tmp_path, language="ru_RU.UTF-8")
    assert "Ошибка: 'Магазин' не годится" in done.stderr
    assert "Дальше: " in done.stderr


def test_help_names_every_flag_that_is_passed_on(tmp_path: Path) -> None:
    text = run("--help", root=tmp_path).stdout
    script = SETUP.read_text(encoding="utf-8")
    passed = script.split("WITH_VALUE='")[1].split("'")[0].split() + script.split("SWITCHES='")[1].split("'")[0].split()
    assert [flag for flag in passed if f"--{flag}" not in text] == []
