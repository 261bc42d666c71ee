"""The disk is full, the file is locked, gone, damaged or too new: nothing is lost that was answered 200."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import (
    adopt,
    at_work,
    attach_by_hand,
    auth_file,
    client_message,
    integrity,
    log_text,
    row_counts,
    status,
    wait_idle,
)
from tests.support import Server, until

IS_LONG = bool(os.environ.get("CI") or os.environ.get("B24BOT_LONG_TESTS"))
LOCKED_S = 20.0 if IS_LONG else 14.0
new_ids = count(1_000_000)


def send(server: Server, size: int = 10) -> tuple[int, int]:
    """Status and message id of one event with a text of `size` letters."""
    message_id = next(new_ids)
    return server.post_event(client_message(message_id, 9000, 9000, "x" * size)).status, message_id


def said(server: Server) -> list[dict[str, object]]:
    return server.messages(9000)


def archived(server: Server) -> set[int]:
    return {row[0] for row in server.sql("SELECT message_id FROM messages")}


# --- a full disk ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def disk(home: Path, size: str) -> Iterator[Path]:
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk(tmp_path / "home", "6m") as home:
        yield home


@pytest.fixture
def larger_disk(tmp_path: Path) -> Iterator[Path]:
    """Room enough for the database's journal to grow to its full length, after which it is written over in place."""
    with disk(tmp_path / "home", "96m") as home:
        yield home


def fill(home: Path) -> None:
    """Not one byte more fits."""
    with (home / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)


def make_room(home: Path) -> None:
    (home / "ballast").unlink()


def test_on_a_full_disk_events_are_refused_and_it_goes_on_when_there_is_room(
    small_disk: Path, portal: SimulatedPortal
) -> None:
    server = Server(portal, home=small_disk)
    adopt(portal, server)
    with server:
        wait_idle(server)
        stored = {message_id for code, message_id in (send(server) for _ in range(20)) if code == 200}
        assert len(stored) == 20
        fill(small_disk)
        codes = []
        for _ in range(60):
            code, message_id = send(server, 20_000)
            codes.append(code)
            if code == 200:
                stored.add(message_id)
        assert set(codes) <= {200, 503} and codes[-10:] == [503] * 10
        assert server.get("/healthz").status == 200
        assert server.get("/readyz").status == 503
        assert "disk" in server.get("/readyz").text
        assert stored <= archived(server)
        answer = server.post_event(client_message(next(new_ids), 9000, 9000, "x" * 20_000))
        assert answer.headers["Retry-After"]

        make_room(small_disk)
        until(lambda: send(server)[0] == 200, 10, what="it stores again by itself")
        until(lambda: server.get("/readyz").status == 200, what="it is ready again")
        code, last = send(server, 20_000)
        assert code == 200
        assert stored | {last} <= archived(server)
        message = portal.client("Анна").writes("Место есть?")
        until(lambda: portal.handed_over(message.chat_id), what="the worker goes on too")
        server.stop()
        assert integrity(server) == "ok"
        server.start()
        assert stored | {last} <= archived(server)
        assert not list(small_disk.glob("*.unreadable*"))


def test_a_token_refresh_on_a_full_disk_does_not_lose_the_pair(larger_disk: Path, portal: SimulatedPortal) -> None:
    server = Server(portal, home=larger_disk, env={"B24BOT_LINES": "none"})
    adopt(portal, server)
    with server:
        wait_idle(server)
        attach_by_hand(portal)
        # The journal is at its full length now: small events still find a place in it when nothing else does.
        sizes = [0]
        while sizes[-1] != sizes[0] or len(sizes) < 4:
            assert send(server, 200_000)[0] == 200
            sizes = [*sizes[-3:], (larger_disk / "dialogs.db-wal").stat().st_size]
        before = auth_file(server)["access_token"]
        fill(larger_disk)
        portal.core.tokens.expire_access()
        first = portal.client("Анна").writes("Диск полон, токен истёк")
        portal.wait_quiet()
        time.sleep(3)  # the hand-over is tried, or not: there is no condition that holds in both cases
        make_room(larger_disk)
        second = portal.client("Борис").writes("Место есть")
        until(lambda: portal.handed_over(second.chat_id) or status(server)["authorization_problem"], 20)
        assert status(server)["authorization_problem"] is None
        until(lambda: portal.handed_over(second.chat_id), what="the tokens still work")
        assert auth_file(server)["access_token"] != before
        if any(delivery.ok for delivery in portal.deliveries if delivery.chat_id == first.chat_id):
            until(lambda: portal.handed_over(first.chat_id), 20, what="the archived dialog is handed over too")
        assert status(server)["outbox"]["buried"] == {}


def test_on_a_full_disk_the_answers_of_the_api_stay_readable(small_disk: Path, portal: SimulatedPortal) -> None:
    server = Server(portal, home=small_disk)
    adopt(portal, server)
    with server:
        wait_idle(server)
        assert send(server)[0] == 200
        fill(small_disk)
        while send(server, 20_000)[0] == 200:
            pass
        assert said(server)
        assert status(server)["archive"]["messages"] >= 1
        assert server.get("/metrics").status == 200
        assert server.get("/python_bot/").status == 200


# --- a locked file --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another process (this one) holds the database for writing."""
    with contextlib.closing(sqlite3.connect(server.home / "dialogs.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_a_database_that_another_process_locks_refuses_and_recovers() -> None:
    with at_work() as (portal, server):
        results: list[tuple[int, int, float]] = []
        is_over = threading.Event()

        def write() -> None:
            while not is_over.is_set():
                started = time.monotonic()
                code, message_id = send(server)
                results.append((code, message_id, time.monotonic() - started))
                time.sleep(0.05)

        writers = [threading.Thread(target=write) for _ in range(8)]
        with locked(server):
            for writer in writers:
                writer.start()
            ends = time.monotonic() + LOCKED_S
            until(lambda: any(code == 503 for code, _, _ in results), what="what cannot be stored is refused")
            assert server.get("/healthz").status == 200
            assert server.messages(1) == []  # reading goes on
            time.sleep(max(0.0, ends - time.monotonic()))
            assert not any(code == 200 for code, _, _ in results)
        until(lambda: any(code == 200 for code, _, _ in results), 10, what="it stores again by itself")
        is_over.set()
        for writer in writers:
            writer.join()
        assert {code for code, _, _ in results} == {200, 503}
        assert max(took for _, _, took in results) < 15
        assert {message_id for code, message_id, _ in results if code == 200} <= archived(server)
        assert "another process holds the archive" in log_text(server)
        message = portal.client("Анна").writes("Работает?")
        until(lambda: portal.handed_over(message.chat_id), what="the worker goes on too")
        server.stop()
        assert integrity(server) == "ok"


def test_a_short_lock_costs_time_but_no_event() -> None:
    with at_work() as (_, server):
        with locked(server):
            found: list[tuple[int, int]] = []
            writer = threading.Thread(target=lambda: found.append(send(server)))
            writer.start()
            time.sleep(2)  # longer than a commit, shorter than the patience of the instance
        writer.join()
        ((code, message_id),) = found
        assert code == 200 and message_id in archived(server)


# --- a missing file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffixes", [("", "-wal", "-shm"), ("",)])
def test_a_database_deleted_while_running_is_made_anew(suffixes: tuple[str, ...]) -> None:
    with at_work() as (portal, server):
        for _ in range(5):
            assert send(server)[0] == 200
            assert said(server)
        for suffix in suffixes:
            (server.home / f"dialogs.db{suffix}").unlink()
        sent = [send(server) for _ in range(5)]
        assert [code for code, _ in sent] == [200] * 5
        assert archived(server) == {message_id for _, message_id in sent}
        assert {m["message_id"] for m in said(server)} == archived(server)
        assert "removed or replaced" in log_text(server)
        message = portal.client("Анна").writes("И дальше?")
        until(lambda: portal.handed_over(message.chat_id), what="the worker goes on too")
        portal.wait_quiet()  # it tells of the hand-over, too
        wait_idle(server, 60.0)  # two sessions far apart may be known by now: what is between them is asked for
        before = archived(server)
        server.kill()
        server.start()
        assert archived(server) == before
        assert integrity(server) == "ok"


def test_after_a_deletion_the_status_and_the_hand_over_work_before_any_event_comes() -> None:
    with at_work() as (_, server):
        for suffix in ("", "-wal", "-shm"):
            (server.home / f"dialogs.db{suffix}").unlink()
        assert status(server)["archive"]["dialogs"] == 0
        assert server.get("/readyz").status == 200
        assert row_counts(server)["messages"] == 0


# --- a damaged or foreign file --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["garbage", "text", "damaged"])
def test_an_unreadable_file_is_set_aside_at_the_start_and_never_overwritten(kind: str, portal: SimulatedPortal) -> None:
    server = Server(portal, env={"B24BOT_LINES": "none"})
    adopt(portal, server)
    path = server.home / "dialogs.db"
    if kind == "damaged":
        with server:
            for _ in range(50):
                assert send(server, 2_000)[0] == 200
            server.stop()
            content = path.read_bytes()
            content = content[:100] + os.urandom(len(content) - 100)
            path.write_bytes(content)
            again(server, content)
        return
    content = os.urandom(100_000) if kind == "garbage" else "Это не база данных\n".encode() * 1000
    path.write_bytes(content)
    with server:
        again(server, content, is_started=True)


def again(server: Server, content: bytes, is_started: bool = False) -> None:
    if not is_started:
        server.start()
    (aside,) = [p for p in server.home.glob("dialogs.db.unreadable-*") if p.suffix not in (".db-wal", ".db-shm")]
    assert aside.read_bytes() == content
    assert aside.name in log_text(server) and "recover" in log_text(server)
    code, message_id = send(server)
    assert code == 200 and message_id in archived(server)


def test_a_newer_schema_is_refused_with_the_next_step_and_left_alone(portal: SimulatedPortal) -> None:
    server = Server(portal)
    path = server.home / "dialogs.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE future (x)")
        db.execute("PRAGMA user_version=99")
        db.commit()
    before = path.read_bytes()
    try:
        server.start(wait=False)
        assert server.process is not None
        assert server.process.wait(20) != 0
        assert not server.is_up()
        said = server.output_path.read_text(encoding="utf-8") + log_text(server)
        assert "schema 99" in said
        assert "install the newer release" in said
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (99,)
            assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("future",)]
        assert len(path.read_bytes()) == len(before)
        assert not list(server.home.glob("*unreadable*"))
    finally:
        server.kill()
        server.__exit__(None, None, None)


def test_a_home_that_cannot_be_written_is_told_plainly(portal: SimulatedPortal, tmp_path: Path) -> None:
    server = Server(portal, env={"B24BOT_HOME": str(tmp_path / "missing")})
    try:
        server.start(wait=False)
        assert server.process is not None
        assert server.process.wait(20) != 0
        assert "B24BOT_HOME" in server.output_path.read_text(encoding="utf-8")
    finally:
        server.__exit__(None, None, None)
