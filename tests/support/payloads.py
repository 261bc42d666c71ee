"""Recorded requests of a portal, one file per request under tests/fixtures/: `<event>__<detail>.form`.

All data in them is invented. `vector("V4")` finds one by its number in the reference of the wire format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FIXTURES: Final = Path(__file__).parent.parent / "fixtures"
# The token, portal and application that the recorded requests speak of.
APPLICATION_TOKEN: Final = "c0ffee11aa22bb33cc44dd55ee66ff77"
MEMBER_ID: Final = "5f1c0b7e9a2d4c3e8b6a7d90f1e2c3b4"
CLIENT_ID: Final = "local.66aa11bb22cc33.44556677"

INDEX: Final[list[dict[str, Any]]] = json.loads((FIXTURES / "index.json").read_text(encoding="utf-8"))
VECTORS: Final = {row["id"]: row for row in INDEX if row.get("id")}


def form(name: str) -> bytes:
    return (FIXTURES / f"{name}.form").read_bytes()


def vector(number: str) -> bytes:
    return form(VECTORS[number]["file"])
