"""`botctl INSTANCE export`: whether the instance runs or not, into a file that is whole or absent."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.tools import StagedServer, botctl, ok
from tests.instance.tools import client_message
from tests.support import ROOT, TOKEN
from tests.support.terminal import Terminal

TEXTS = ("Добрый день!", "Меня зовут Фарангис, 8 999 123-45-67", "=1+1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedServer]:
    server = StagedServer(tmp_path_factory.mktemp("staged") / "root")
    server.pretend_installed()
    (server.home / "DISABLED").touch()
    with server:
        for number, text in enumerate(TEXTS):
            assert server.post_event(client_message(700_000 + number, 1763 + number, 321 + number, text)).status == 200
        yield server


def to_stdout(server: StagedServer, *args: str) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own: what is exported are bytes."""
    command = [sys.executable, "-m", "python_bot.cli", "shop-1", "export", "-", *args]
    return subprocess.run(command, capture_output=True, env=environment(server), check=False)


def environment(server: StagedServer) -> dict[str, str]:
    return {**os.environ, "B24BOT_ROOT": str(server.layout.root), "PYTHONPATH": str(ROOT)}


def rows(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def test_an_export_is_what_the_api_gives_running_or_not(server: StagedServer, tmp_path: Path) -> None:
    given = server.get("/api/export", X_API_Token=TOKEN).body
    path = tmp_path / "archive.jsonl"
    assert ok(server.layout.root, "shop-1", "export", str(path)) == ""
    assert path.read_bytes() == given and path.stat().st_mode & 0o777 == 0o600
    assert [message["text"] for message in rows(given)] == list(TEXTS)
    server.stop()
    try:
        assert to_stdout(server).stdout == given
    finally:
        server.start()


def test_filters_and_formats(server: StagedServer, tmp_path: Path) -> None:
    root = server.layout.root
    assert [m["chat_id"] for m in rows(to_stdout(server, "--chat-id", "1764").stdout)] == [1764]
    assert rows(to_stdout(server, "--since", "2100-01-01").stdout) == []
    sheet = to_stdout(server, "--format", "csv", "--tz-offset", "3").stdout.decode("utf-8-sig")
    assert sheet.startswith("Чат;") and "'=1+1" in sheet
    page = to_stdout(server, "--format", "html", "--chat-id", "1763").stdout.decode()
    assert "Добрый день!" in page
    ok(root, "shop-1", "export", str(tmp_path / "pages.zip"), "--format", "html")
    ok(root, "shop-1", "export", str(tmp_path / "tables.db"), "--format", "sqlite")
    with closing(sqlite3.connect(tmp_path / "tables.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM messages").fetchone() == (3,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages.zip", "tables.db"]


def test_the_words_of_a_search_choose_messages(server: StagedServer) -> None:
    done = to_stdout(server, "--q", "фарангис")
    assert [m["message_id"] for m in rows(done.stdout)] == [700_001], done.stderr


def test_pseudonyms_are_those_of_the_api(server: StagedServer) -> None:
    found = to_stdout(server, "--anonymise").stdout
    assert found == server.get("/api/export?anonymise=1", X_API_Token=TOKEN).body
    assert "Фарангис" not in found.decode() and "123-45" not in found.decode()


def test_a_wrong_option_and_a_place_that_cannot_be_written_leave_no_file(server: StagedServer, tmp_path: Path) -> None:
    root, path = server.layout.root, tmp_path / "x.jsonl"
    for options, told in (
        (("--since", "yesterday"), "--since must be"),
        (("--tz-offset", "3"), "--tz-offset needs"),
        (("--has-files", "maybe"), "--has-files must be"),
        (("--q", '"'), "q: "),
        (("--lang", "ru"), "--lang goes with"),
        (("--format", "html", "--chat-id", "424242"), "424242"),
    ):
        refused = botctl(root, "shop-1", "export", str(path), *options)
        assert refused.returncode == 1 and told in refused.stderr, refused.stderr
        assert list(tmp_path.iterdir()) == []
    refused = botctl(root, "shop-1", "export", str(tmp_path / "nowhere" / "x.jsonl"))
    assert refused.returncode == 1 and "Next step" in refused.stderr


def test_a_disk_without_room_is_said_before_anything_is_written(server: StagedServer, tmp_path: Path) -> None:
    env_file = server.layout.env_file("shop-1")
    before = env_file.read_bytes()
    env_file.write_bytes(before + b"B24BOT_DISK_RESERVE_MB=9999999\n")
    try:
        refused = botctl(server.layout.root, "shop-1", "export", str(tmp_path / "x.db"), "--format", "sqlite")
    finally:
        env_file.write_bytes(before)
    assert refused.returncode == 1 and "too little room" in refused.stderr and "jsonl" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_person_at_a_terminal_sees_how_far_it_is(server: StagedServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "python_bot.cli", "shop-1", "export", str(tmp_path / "x.jsonl")]
    with Terminal(command, env=environment(server)) as terminal:
        terminal.expect("messages")
        terminal.expect("100%")
