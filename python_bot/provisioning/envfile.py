"""Env files as systemd reads them: `NAME=value` a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")

# What systemd and a shell unescape between double quotes.
_SPECIAL: Final = re.compile(r'["\\`$]')
_ESCAPED: Final = re.compile(r'\\(["\\`$])')


def read_env_file(path: Path) -> dict[str, str]:
    """Comments and blank lines are skipped; quotes around a value are taken off. Raises OSError."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match:
            value = match[2].strip()
            if len(value) >= 2 and value[0] == value[-1] == "'":
                value = value[1:-1]
            elif len(value) >= 2 and value[0] == value[-1] == '"':
                value = _ESCAPED.sub(r"\1", value[1:-1])
            found[match[1]] = value
    return found


def write_env(values: Mapping[str, str]) -> bytes:
    """Values with other signs are quoted; a line break cannot be written and is refused."""
    lines = ["# Settings of one instance; see README.md. Read at the start: botctl INSTANCE restart after a change."]
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise ValueError(f"{name} holds a line break")
        if not re.fullmatch(r"[\w.:/@%+,~-]*", value, re.ASCII):
            value = '"' + _SPECIAL.sub(r"\\\g<0>", value) + '"'
        lines.append(f"{name}={value}")
    return ("\n".join(lines) + "\n").encode()
