"""The quick start of docs/api.md, run word for word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, TOKEN, Server

SECTION = (ROOT / "docs/api.md").read_text(encoding="utf-8").split("## Quick start", 1)[1].split("\n## ", 1)[0]


def run(language: str, command: list[str], server: Server, folder: Path) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    env = os.environ | {"B24BOT_URL": server.url, "B24BOT_TOKEN": TOKEN, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([*command, block], cwd=folder, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_lines_for_curl_show_dialogs_hits_and_the_archive(filled: tuple[Server, int], tmp_path: Path) -> None:
    server, chat_id = filled
    output = run("sh", ["sh", "-euc"], server, tmp_path)
    decoder = json.JSONDecoder()
    dialogs, end = decoder.raw_decode(output)
    hits, _ = decoder.raw_decode(output[end:].lstrip())
    assert chat_id in {row["chat_id"] for row in dialogs["dialogs"]}
    assert {"<mark>доставка</mark>", "<mark>Доставка</mark>"} <= set(
        re.findall("<mark>[^<]*</mark>", " ".join(row["fragment"] for row in hits["messages"]))
    )
    lines = (tmp_path / "archive.jsonl").read_text(encoding="utf-8").splitlines()
    everything = server.api("/api/messages?limit=500")["messages"]
    assert sorted(json.loads(line)["message_id"] for line in lines) == sorted(row["message_id"] for row in everything)


def test_the_follower_gets_everything_once_and_goes_on_from_its_cursor(
    filled: tuple[Server, int], tmp_path: Path
) -> None:
    server, _ = filled
    first = run("python", [sys.executable, "-c"], server, tmp_path)
    everything = server.api("/api/messages?limit=500")["messages"]
    assert {row["message_id"] for row in everything} == {
        int(number) for number in re.findall(r"^(-?\d+)\t", first, re.M)
    }
    assert "Добрый день! Послезавтра." in first
    assert run("python", [sys.executable, "-c"], server, tmp_path) == ""
