"""A database of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from python_bot.db import Storage
from tests.unit.db.tools import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dialogs.db"


@pytest.fixture
def storage(path: Path) -> Iterator[Storage]:
    with opened(path) as storage:
        yield storage
