"""The repository itself: nobody's own machine in it, and scripts that read alike."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

# Paths that exist on one developer's machine only. Written in pieces, or this file would find itself.
SOMEBODYS_PATHS: Final = ["/" + "work/", "/tmp/" + "explore", "/root/" + ".pyenv", "/" + "Users/"]


def files() -> list[Path]:
    """What git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(200)


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    own = re.compile("|".join(rf"(?<![\w.-]){re.escape(path)}" for path in SOMEBODYS_PATHS).encode())
    found = {str(path.relative_to(ROOT)): match[0] for path in files() if (match := own.search(path.read_bytes()))}
    assert found == {}


def test_whoever_silences_a_check_says_why_on_the_line() -> None:
    silenced = re.compile(r"#\s*(?:type:\s*ignore|noqa)(?:\[[\w, -]+\]|:\s*[A-Z0-9, ]+)?(?P<reason>.*)$", re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files()
        if path.suffix == ".py"
        for match in silenced.finditer(path.read_text(encoding="utf-8"))
        if not re.search(r"\w", match["reason"])
    ]
    assert found == []


SCRIPTS: Final = [path for path in files() if re.match(rb"#!.*[/ ](ba|da)?sh\b", first_line(path))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_shell_script_stops_at_errors_and_ends_with_main(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert re.search(r"^set -e?uo pipefail$", text, re.MULTILINE)
    assert text.endswith('\nmain "$@"\n'), "a half-downloaded script must do nothing: all in main, called last"
    assert script.stat().st_mode & 0o111, "not executable"
