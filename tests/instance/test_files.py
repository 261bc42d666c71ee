"""Attachments: fetched from a strict portal through real sockets, and kept whole."""

from __future__ import annotations

import os
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from python_bot.db import Storage
from python_bot.outbox import SqliteOutbox
from python_bot.simulator import SimulatedPortal
from tests.instance.attachments import CONTENT, DIGEST, DOWNLOAD, Scene, content, place, reaches, sends, shown
from tests.instance.test_storage_faults import disk
from tests.instance.tools import (
    BEARER,
    Stranger,
    adopt,
    at_work,
    attach_by_hand,
    client_message,
    error_code,
    handover_calls,
    log_text,
    status,
    wait_idle,
)
from tests.support import Server, until


@pytest.fixture
def scene() -> Iterator[Scene]:
    with at_work(env=DOWNLOAD) as scene:
        yield scene


def on_disk(server: Server) -> list[str]:
    """Contents, parts and markers; not the lock."""
    root = server.home / "files"
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != ".lock")


def tried(server: Server, file_id: int, problem: str) -> None:
    until(lambda: problem in (shown(server, file_id).get("problem") or ""), what=f"a try ended in: {problem}")


def hasten(server: Server, attempts: int = 0) -> None:
    """Postponed downloads are due now, after so many tries."""
    with sqlite3.connect(server.home / "dialogs.db", timeout=10) as db:
        sets = "due_at = 0" + (f", attempts = {attempts}" if attempts else "")
        db.execute(f"UPDATE outbox SET {sets} WHERE kind = 'file.fetch' AND claimed_until = 0")
    db.close()


def test_a_file_is_fetched_stored_by_its_hash_and_given_out(scene: Scene) -> None:
    portal, server = scene
    file_id = sends(portal)
    assert reaches(server, file_id, "stored")["problem"] is None
    answer = content(server, file_id)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert on_disk(server) == [place(DIGEST)]
    assert (server.home / "files" / place(DIGEST)).stat().st_mode & 0o777 == 0o600
    assert answer.headers["Content-Type"] == "image/jpeg" and answer.headers["ETag"] == f'"{DIGEST}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "чек №7.jpg" in unquote(answer.headers["Content-Disposition"])
    assert status(server)["files"] == {"stored": 1, "bytes": len(CONTENT)}


def test_without_the_setting_only_the_name_is_kept_and_the_setting_fetches_what_is_known() -> None:
    with at_work() as (portal, server):
        file_id = sends(portal)
        assert reaches(server, file_id, "metadata")["size"] == len(CONTENT)
        answer = content(server, file_id)
        assert error_code(answer) == (404, "file_not_stored") and "B24BOT_FILES=download" in answer.text
        assert not portal.calls_of("disk.file.get")
        server.stop()
        server.env |= DOWNLOAD
        server.start()
        reaches(server, file_id, "stored")


def revive(server: Server) -> None:
    """As `botctl INSTANCE outbox --revive-all` does."""
    storage = Storage(server.home / "dialogs.db")
    storage.open()
    assert storage.write(lambda tx: SqliteOutbox(storage).revive(tx, None, time.time())) == 1
    storage.close()


def test_a_file_that_only_history_knows_is_fetched(scene: Scene) -> None:
    portal, server = scene
    portal.faults.drop_events(1, "ONIMBOTMESSAGEADD")
    file_id = sends(portal)
    chat_id = portal.chats[0].chat_id
    assert not shown(server, file_id)
    portal.operator(27).finishes(chat_id)
    reaches(server, file_id, "stored")


def test_the_same_content_is_stored_once(scene: Scene) -> None:
    portal, server = scene
    first, second = sends(portal), sends(portal, name="копия.jpg")
    reaches(server, first, "stored")
    reaches(server, second, "stored")
    assert on_disk(server) == [place(DIGEST)]
    assert status(server)["files"] == {"stored": 2, "bytes": len(CONTENT)}


# --- what goes wrong on the way


def test_a_cut_download_is_repeated_from_the_beginning(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.cut(after=100_000)
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    assert "the download was cut" in log_text(server)
    assert content(server, file_id).body == CONTENT and on_disk(server) == [place(DIGEST)]


def test_a_content_of_another_size_is_not_stored(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.wrong_size(missing=1)
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    assert f"announces {len(CONTENT) - 1} bytes instead of {len(CONTENT)}" in log_text(server)
    assert content(server, file_id).body == CONTENT


@pytest.mark.parametrize("fault", ["error_page", "status"])
def test_a_link_that_leads_nowhere_is_replaced_by_the_next_way(scene: Scene, fault: str) -> None:
    portal, server = scene
    if fault == "status":
        portal.downloads.status(404)
    else:
        portal.downloads.error_page()
    reaches(server, sends(portal), "stored")
    assert portal.calls_of("im.v2.File.download") and "failed (try" not in log_text(server)


def test_without_the_disk_scope_the_chat_gives_the_link() -> None:
    with SimulatedPortal() as portal, at_work(portal, env=DOWNLOAD) as (_, server):
        next(iter(portal.core.apps.values())).scopes = ("imbot", "imopenlines", "im")
        reaches(server, sends(portal), "stored")
        assert "(im.v2.File.download)" in log_text(server)


def test_a_redirect_inside_the_portal_is_followed(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.redirect(times=3)
    reaches(server, sends(portal), "stored")
    assert len(portal.calls_of("disk.file.get")) == 1


def test_redirects_have_an_end(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.redirect(times=12)
    reaches(server, sends(portal), "stored")
    assert portal.calls_of("im.v2.File.download")


def test_a_redirect_to_a_foreign_host_is_not_followed_until_it_is_permitted(stranger: Stranger) -> None:
    with at_work(env=DOWNLOAD) as (portal, server):
        portal.downloads.redirect(times=2, to=f"{stranger.url}/cdn?token=secret-of-a-link")
        file_id = sends(portal)
        tried(server, file_id, f"{stranger.host}, which is not permitted; add the host to B24BOT_FILE_HOSTS")
        assert stranger.heard == []
        portal.downloads.redirect(times=1, to=f"{stranger.url}/cdn?token=secret-of-a-link")
        server.stop()
        server.env["B24BOT_FILE_HOSTS"] = stranger.url
        server.start()
        hasten(server)
        until(lambda: stranger.heard, what="the permitted host is asked")
        assert "secret-of-a-link" not in log_text(server)


def test_a_file_that_cannot_be_had_is_marked_with_the_reason_and_can_be_revived(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.status(410, times=4)
    file_id = sends(portal)
    tried(server, file_id, "the link was answered HTTP 410")
    assert error_code(content(server, file_id)) == (404, "file_not_stored")
    hasten(server, attempts=14)
    assert "(15 tries)" in reaches(server, file_id, "failed")["problem"]
    assert "HTTP 410" in content(server, file_id).text
    revive(server)
    reaches(server, file_id, "stored")


def test_downloads_that_stand_still_delay_neither_handovers_nor_history(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.hang(after=1000, times=2)
    first, second = sends(portal), sends(portal)
    until(lambda: len(portal.calls_of("disk.file.get")) == 2, what="both downloads began")
    client = portal.client("Борис", external_id="3")
    chat_id = client.writes("Добрый день").chat_id
    until(lambda: portal.handed_over(chat_id), 5, "the hand-over")
    portal.operator(27).finishes(chat_id)
    until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["complete"], what="history")
    assert {shown(server, each)["state"] for each in (first, second)} == {"waiting"}
    assert server.get("/readyz").status == 200
    portal.downloads.clear()
    reaches(server, first, "stored")
    reaches(server, second, "stored")


def test_sigkill_in_the_middle_of_a_download_leaves_nothing_and_loses_nothing(scene: Scene) -> None:
    portal, server = scene
    portal.downloads.hang(after=200_000)
    file_id = sends(portal)
    until(lambda: any(p.stat().st_size for p in (server.home / "files" / "tmp").glob("*-*")), what="a part is written")
    server.kill()
    assert len(on_disk(server)) == 1
    portal.downloads.clear()
    server.start()
    reaches(server, file_id, "stored")
    until(lambda: on_disk(server) == [place(DIGEST)], what="the part is gone")


def test_a_crash_between_the_rename_and_the_commit_leaves_no_orphan(scene: Scene) -> None:
    portal, server = scene
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    server.kill()
    orphan = "ab" + "0" * 62
    for digest in (orphan, DIGEST):  # one that was not committed, and one that was
        (server.home / "files" / "tmp" / digest).touch()
    (server.home / "files" / "ab").mkdir(exist_ok=True)
    (server.home / "files" / place(orphan)).write_bytes(b"x")
    server.start()
    until(lambda: on_disk(server) == [place(DIGEST)], what="swept")
    assert content(server, file_id).body == CONTENT


def test_a_large_file_takes_no_memory() -> None:
    size = 200 * 1024 * 1024
    with at_work(env=DOWNLOAD) as (portal, server):
        small = sends(portal)
        reaches(server, small, "stored")
        before = peak_memory(server)
        block = os.urandom(1024 * 1024)
        large = sends(portal, block * (size // len(block)), "запись.mp4")
        reaches(server, large, "stored", timeout_s=120)
        request = urllib.request.Request(f"{server.url}/api/files/{large}", headers=BEARER)
        with urllib.request.urlopen(request) as answer:
            assert sum(len(part) for part in iter(lambda: answer.read(1 << 20), b"")) == size
        assert peak_memory(server) - before < 16 * 1024 * 1024


def peak_memory(server: Server) -> int:
    """Of Gunicorn's worker, in bytes."""
    assert server.process is not None
    (worker,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    line = next(line for line in Path(f"/proc/{worker}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


# --- room


def test_a_file_above_the_limit_is_refused_before_a_byte_is_fetched() -> None:
    with at_work(env=DOWNLOAD | {"B24BOT_FILE_MAX_MB": "1"}) as (portal, server):
        file_id = sends(portal, bytes(1024 * 1024 + 1))
        assert "B24BOT_FILE_MAX_MB (1)" in reaches(server, file_id, "failed")["problem"]
        assert not portal.calls_of("disk.file.get")


def test_files_wait_when_the_disk_runs_low_and_events_go_on(tmp_path: Path) -> None:
    with disk(tmp_path / "home", "48m") as home, SimulatedPortal() as portal:
        server = Server(portal, home=home, env={"B24BOT_LINES": "none"} | DOWNLOAD | {"B24BOT_DISK_RESERVE_MB": "16"})
        adopt(portal, server)
        with server:
            until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
            wait_idle(server)
            attach_by_hand(portal)
            taken = home / "taken"
            taken.write_bytes(bytes(30 * 1024 * 1024))
            file_id = sends(portal, os.urandom(2_000_000))
            tried(server, file_id, "less than B24BOT_DISK_RESERVE_MB (16)")
            assert server.post_event(client_message(90_001, 9000, 9000)).status == 200
            until(lambda: handover_calls(portal, 9000), what="the hand-over goes on")
            taken.unlink()
            hasten(server)
            reaches(server, file_id, "stored")


def test_files_wait_while_the_instance_has_reached_its_limit() -> None:
    with at_work(env=DOWNLOAD | {"B24BOT_FILES_MAX_GB": "1"}) as (portal, server):
        first = sends(portal)
        reaches(server, first, "stored")
        server.stop()
        with sqlite3.connect(server.home / "dialogs.db") as db:
            db.execute("UPDATE files SET stored_size = 1 << 30")  # as if it were a GiB
        db.close()
        server.start()
        second = sends(portal, b"one more")
        tried(server, second, "B24BOT_FILES_MAX_GB")
        assert shown(server, second)["state"] == "waiting"


# --- secrets


def test_no_token_of_a_link_is_ever_written_down(scene: Scene) -> None:
    portal, server = scene
    server.stop()
    server.env["B24BOT_LOG_LEVEL"] = "DEBUG"
    server.start()
    portal.downloads.cut(after=10)
    portal.downloads.status(403)
    portal.downloads.redirect()
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    server.stop()
    tokens = [*portal.core.tokens.access, *portal.core.tokens.refresh, *portal.downloads.tokens]
    assert len(portal.downloads.tokens) >= 4
    written = {p: p.read_bytes() for p in server.home.rglob("*") if p.is_file() and p.name != "auth.json"}
    written[server.output_path] = server.output_path.read_bytes()
    for token in tokens:
        secret = token.rpartition("|")[2].encode()
        assert [path.name for path, data in written.items() if secret in data] == []
