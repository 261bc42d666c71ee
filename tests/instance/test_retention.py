"""Closed dialogs leave a running instance when they are old enough, with everything that hangs on them."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing

from python_bot.archive import SqliteErasure
from python_bot.db import Storage
from python_bot.simulator import SimulatedPortal
from tests.instance.tools import altered, at_work, client_message, log_text, row_counts, status, wait_idle
from tests.support import Server, until, vector

TEXT = "слова, которых больше нигде нет"


def closed_conversation(portal: SimulatedPortal, server: Server) -> int:
    client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
    chat_id = client.writes(TEXT, files=[portal.file("чек.jpg", b"\xff\xd8\xff")]).chat_id
    until(lambda: portal.handed_over(chat_id))
    operator = portal.operator(27)
    operator.answers(chat_id)
    operator.finishes(chat_id)
    portal.wait_quiet()
    wait_idle(server)
    return chat_id


def test_an_old_closed_dialog_is_deleted_at_the_start() -> None:
    with at_work() as (portal, server):
        chat_id = closed_conversation(portal, server)
        until(lambda: server.api(f"/api/dialogs/{chat_id}")["dialog"]["status"] == "closed")
        server.stop()
        assert server.home.joinpath("dialogs.db").read_bytes().count(TEXT.encode())
        make_older(server, days=31)
        server.env["B24BOT_RETENTION_DAYS"] = "30"
        server.start()
        until(lambda: server.api("/api/dialogs")["dialogs"] == [], what="the dialog is deleted")
        until(lambda: "retention: 1 dialogs with" in log_text(server))
        until(lambda: row_counts(server)["messages"] == 0)
        server.stop()
        for path in server.home.glob("dialogs.db*"):
            assert TEXT.encode() not in path.read_bytes(), path.name
        assert TEXT not in log_text(server)


def test_a_young_one_and_an_open_one_stay_and_the_next_look_is_tomorrow() -> None:
    with at_work() as (_, server):
        old = {"ts": "1600000000"}
        assert server.post_event(client_message(5, 1, 1, **old)).status == 200  # old, but nobody ended it
        assert server.post_event(client_message(6, 2, 2)).status == 200
        until(lambda: len(server.api("/api/dialogs")["dialogs"]) == 2)
        server.stop()
        server.env["B24BOT_RETENTION_DAYS"] = "30"
        server.start()
        until(lambda: server.sql("SELECT 1 FROM outbox WHERE kind = 'retention' AND due_at > created_at + 80000"))
        until(lambda: server.sql("SELECT COUNT(*) FROM outbox WHERE kind = 'retention'") == [(1,)])
        assert len(server.api("/api/dialogs")["dialogs"]) == 2


def make_older(server: Server, days: int) -> None:
    """As if the conversation had been that long ago; the instance is stopped."""
    # The portal's history would set the times right again: nobody can ask it.
    server.pretend_installed(dead="refresh_token was refused")
    with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
        for column in ("last_message_at", "opened_at", "reconciled_at"):
            db.execute(f"UPDATE dialogs SET {column} = {column} - ?", (days * 86400,))
        db.execute("UPDATE messages SET sent_at = sent_at - ?", (days * 86400,))


def test_an_event_of_an_erased_message_is_answered_and_leaves_no_trace() -> None:
    with at_work() as (_, server):
        assert server.post_event(client_message(50, text=TEXT)).status == 200
        until(lambda: server.messages())
        wait_idle(server)
        storage = Storage(server.home / "dialogs.db")
        storage.open()
        try:
            assert SqliteErasure(storage).erase(1763).messages == 1
        finally:
            storage.close()
        before = row_counts(server)
        assert server.messages() == []
        assert server.post_event(client_message(50, text=TEXT)).status == 200
        edit = {"data[PARAMS][MESSAGE_ID]": "50", "data[PARAMS][MESSAGE]": TEXT}
        edit |= {"data[PARAMS][CHAT_ID]": "1763", "data[PARAMS][TO_CHAT_ID]": "1763"}
        assert server.post_event(altered(vector("V8"), edit)).status == 200
        assert row_counts(server) == before
        assert server.post_event(client_message(51, text="это снова я", ts=str(int(time.time())))).status == 200
        until(lambda: [m["text"] for m in server.messages()] == ["это снова я"])


def test_the_contents_of_files_leave_with_the_dialog_and_a_shared_one_with_the_last() -> None:
    env = {"B24BOT_FILES": "download", "B24BOT_DISK_RESERVE_MB": "0"}
    with at_work(env=env) as (portal, server):
        closed_conversation(portal, server)
        own, common = b"only here", b"\xff\xd8\xff"
        first = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
        first.writes("и ещё", files=[portal.file("b.bin", own)])
        portal.wait_quiet()  # an end that overtakes its beginning is settled by history, which nobody can ask here
        portal.operator(27).finishes(first.chat.chat_id)
        portal.client("Борис", external_id="2").writes("тот же", files=[portal.file("c.jpg", common)])
        contents = {hashlib.sha256(each).hexdigest(): each for each in (own, common)}
        until(lambda: status(server)["files"] == {"stored": 3, "bytes": len(own) + len(common)})
        portal.wait_quiet()
        wait_idle(server)
        server.stop()
        make_older(server, days=31)
        server.env["B24BOT_RETENTION_DAYS"] = "30"
        server.start()
        kept = hashlib.sha256(common).hexdigest()
        until(lambda: stored(server) == {kept}, what="the content that nobody shares is gone")
        assert set(contents) > {kept}
        assert status(server)["files"] == {"stored": 1, "bytes": len(common)}


def stored(server: Server) -> set[str]:
    return {path.name for path in (server.home / "files").rglob("*") if path.is_file() and path.name != ".lock"}
