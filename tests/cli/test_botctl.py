"""`botctl`: exit codes, errors that end in a next step, the outbox."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from python_bot.db import Storage
from python_bot.model import NewJob
from python_bot.outbox import SqliteOutbox
from python_bot.subscriptions import SqliteSubscriptions
from tests.support import ROOT

TOKEN = "cli-secret-token-0123456789"


def botctl(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "B24BOT_ROOT": str(root), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "python_bot.cli", *args],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    env_file = tmp_path / "etc/b24bot/env/shop-1.env"
    env_file.parent.mkdir(parents=True)
    env_file.write_text(
        f"# settings\nB24BOT_HOME='{home}'\nAPI_SECRET_TOKEN={TOKEN}\n"
        "B24BOT_PUBLIC_URL=http://127.0.0.1:18099/python_bot/\n"
    )
    return tmp_path


def bury_one(root: Path) -> int:
    storage = Storage(root / "home/dialogs.db")
    storage.open()
    outbox = SqliteOutbox(storage)
    storage.write(lambda tx: outbox.put(tx, NewJob("handover", {"chat_id": 1763}, "chat:1763", "handover:1"), 0))
    job = outbox.waiting(1)[0]
    storage.write(lambda tx: outbox.bury(tx, job.id, time.time(), "imopenlines: CHAT_ID_EMPTY"))
    storage.close()
    return job.id


def test_an_unknown_instance_is_exit_code_4_with_a_next_step(root: Path) -> None:
    done = botctl(root, "nobody", "outbox")
    assert done.returncode == 4
    assert "Next step:" in done.stderr


@pytest.mark.parametrize("args", [("../etc", "run"), ("shop-1", "fly"), ("shop-1",), ("SHOP", "run")])
def test_wrong_usage_is_exit_code_2(root: Path, args: tuple[str, ...]) -> None:
    assert botctl(root, *args).returncode == 2


def test_run_names_every_wrong_setting_at_once_and_shows_no_secret(root: Path) -> None:
    env_file = root / "etc/b24bot/env/shop-1.env"
    env_file.write_text(env_file.read_text() + "B24BOT_LINES=some\nB24BOT_HANDOVER=nobody\n")
    done = botctl(root, "shop-1", "run")
    assert done.returncode == 1
    assert "B24BOT_LINES" in done.stderr
    assert "B24BOT_HANDOVER" in done.stderr
    assert TOKEN not in done.stderr + done.stdout


def test_a_buried_job_is_shown_and_revived(root: Path) -> None:
    job_id = bury_one(root)
    shown = json.loads(botctl(root, "shop-1", "outbox", "--json").stdout)
    assert [row["id"] for row in shown["buried"]] == [job_id]
    assert shown["buried"][0]["last_error"] == "imopenlines: CHAT_ID_EMPTY"
    assert "CHAT_ID_EMPTY" in botctl(root, "shop-1", "outbox").stdout
    assert json.loads(botctl(root, "shop-1", "outbox", "--revive", str(job_id), "--json").stdout) == {"revived": 1}
    again = json.loads(botctl(root, "shop-1", "outbox", "--json").stdout)
    assert [row["id"] for row in again["waiting"]] == [job_id]
    assert again["buried"] == []


def test_a_disabled_webhook_is_shown_without_its_path_and_revived(root: Path) -> None:
    storage = Storage(root / "home/dialogs.db")
    storage.open()
    store = SqliteSubscriptions(storage)
    url = "https://crm.example.ru/very-secret"
    number = storage.write(lambda tx: store.add(tx, url, ["dialog.opened"], None, "whsec_0123456789", 0))
    storage.write(lambda tx: store.disable(tx, number, 0, "answered HTTP 410: the receiver wants nothing any more"))
    storage.close()
    text = botctl(root, "shop-1", "outbox").stdout
    assert "#1 https://crm.example.ru off  answered HTTP 410" in text
    assert "botctl shop-1 outbox --revive-webhook 1" in text
    shown = botctl(root, "shop-1", "outbox", "--json").stdout
    assert json.loads(shown)["webhooks"][0]["disabled_reason"].startswith("answered HTTP 410")
    assert "very-secret" not in text + shown and "whsec_" not in text + shown
    done = botctl(root, "shop-1", "outbox", "--revive-webhook", "7")
    assert done.returncode == 1 and "Next step:" in done.stderr
    assert botctl(root, "shop-1", "outbox", "--revive-webhook", "1").returncode == 0
    assert json.loads(botctl(root, "shop-1", "outbox", "--json").stdout)["webhooks"][0]["active"]


def test_an_archive_of_another_release_is_not_migrated_by_a_look_at_its_outbox(root: Path) -> None:
    bury_one(root)
    with sqlite3.connect(root / "home/dialogs.db") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    done = botctl(root, "shop-1", "outbox")
    assert done.returncode == 1
    assert "schema 99" in done.stderr
    assert "Next step:" in done.stderr
