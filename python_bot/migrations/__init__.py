"""The schema as numbered steps; steps are only ever appended. Step n takes the file to `user_version` n."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final


def _statements(script: str) -> tuple[str, ...]:
    """The single statements of a script; `executescript` would commit the transaction around it."""
    found: list[str] = []
    current = ""
    for line in script.splitlines(keepends=True):
        if not current and (not line.strip() or line.startswith("--")):
            continue
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    return tuple(found)


STEPS: Final = tuple(
    _statements(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).parent.glob("[0-9]*.sql"))
)
