"""`botctl INSTANCE import` beside a running instance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.tools import StagedServer, botctl, ok, shown
from tests.support.former import write_former


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StagedServer]:
    with StagedServer(tmp_path / "root") as running:
        yield running


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    write_former(path, [(1763, 744, "Здравствуйте", "2024-03-05 12:00:00"), (1763, 27, "Да", "2024-03-05 12:01:00")])
    return path


def test_the_former_archive_appears_in_the_api_of_the_running_instance(server: StagedServer, old: Path) -> None:
    root = server.layout.root
    told = ok(root, "shop-1", "import", str(old), "--timezone", "Europe/Moscow")
    assert "1 dialogs, 2 users, 2 messages" in told and "From 2024-03-05T09:00:00Z to 2024-03-05T09:01:00Z" in told
    (dialog,) = server.api("/api/dialogs")["dialogs"]
    assert (dialog["chat_id"], dialog["status"], dialog["message_count"]) == (1763, "closed", 2)
    pages = server.api("/api/dialogs/1763?limit=1")
    rest = server.api(f"/api/dialogs/1763?limit=1&cursor={pages['next_cursor']}")
    rows = pages["messages"] + rest["messages"]
    assert [(row["text"], row["sent_at"], row["author"]["kind"]) for row in rows] == [
        ("Здравствуйте", "2024-03-05T09:00:00Z", "client"),
        ("Да", "2024-03-05T09:01:00Z", "operator"),
    ]
    assert all(row["message_id"] < 0 and row["session_id"] is None for row in rows)
    again = shown(root, "shop-1", "import", str(old), "--timezone", "Europe/Moscow")
    assert again["taken"] == {"added": 0, "known": 2, "erased": 0, "replaced": 0}


def test_a_dry_run_and_a_refused_file_change_nothing(server: StagedServer, old: Path, tmp_path: Path) -> None:
    root = server.layout.root
    assert "Nothing was changed." in ok(root, "shop-1", "import", str(old), "--dry-run")
    found = json.loads(ok(root, "shop-1", "import", str(old), "--dry-run", "--json", "--timezone", "UTC"))
    assert (found["messages"], found["timezone"], found["first_at"]) == (2, "UTC", 1709640000)
    broken = tmp_path / "broken.db"
    broken.write_bytes(old.read_bytes()[:5000] + b"\xff" * 3000)
    for path in (broken, tmp_path / "nowhere.db", tmp_path):
        refused = botctl(root, "shop-1", "import", str(path))
        assert (refused.returncode, refused.stdout) == (1, "") and "Error: " in refused.stderr
    assert server.api("/api/dialogs")["dialogs"] == []


def test_a_zone_that_nobody_knows_is_refused(server: StagedServer, old: Path) -> None:
    refused = botctl(server.layout.root, "shop-1", "import", str(old), "--timezone", "Mars/Olympus")
    assert refused.returncode == 1 and "Europe/Moscow" in refused.stderr
    assert server.api("/api/dialogs")["dialogs"] == []
