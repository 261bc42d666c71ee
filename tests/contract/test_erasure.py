"""What is erased is gone, and does not come back; what is said later is archived as usual."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from python_bot.archive import Erased, SqliteErasure
from python_bot.archive.erasure import CHUNK, HARMLESS, PLACES
from python_bot.db import KeptCopy
from python_bot.jobs import describe_chat
from python_bot.migrations import STEPS
from python_bot.model import HistoryMessage, Job, JournalEntry, NewJob, SessionHistory, User
from tests.contract.conversations import ANNA, CHAT, FILE, IVAN, Edit, Finish, Join, Say, facts, history, play, said

T = 1_785_312_000
OLENA = User(801, "Олена", "client")


def entry(name: bytes, received_at: int = T) -> JournalEntry:
    return JournalEntry(received_at, "ONIMBOTMESSAGEADD", "trace", name, b"body of " + name, "form", "read")


def erasure(stores: Any) -> SqliteErasure:
    return SqliteErasure(stores.storage)


def conversation(stores: Any) -> None:
    """A closed dialog with everything that hangs on one, and an open one with the same operator."""
    play(stores, [Join(T), Say(10, "привет", T, 1, T), Say(11, "здравствуйте", T + 5, 1, T, IVAN)])
    play(stores, [Edit(10, "Привет!", T + 9, 1, T)])
    stores.write(lambda tx: stores.archive.add_message(tx, facts(1, T), said(12, "чек", T + 9, 1, files=(FILE,)), 2))
    play(stores, [Finish(T + 100, 1)])
    other = replace(facts(2, T, 6), client_id=OLENA.id)
    stores.write(lambda tx: stores.archive.add_message(tx, other, said(13, "а я?", T + 9, 2, OLENA, 6), 2))
    stores.write(lambda tx: stores.archive.add_message(tx, other, said(14, "да", T + 10, 2, IVAN, 6), 2))
    stores.write(lambda tx: stores.archive.record(tx, entry(b"five"), {CHAT}))
    stores.write(lambda tx: stores.archive.record(tx, entry(b"six"), {6}))
    for kind in ("handover", "reconcile"):
        job = NewJob(kind, {"chat_id": CHAT, "session_ref": 1}, f"{kind}:{CHAT}", kind)
        stores.write(lambda tx, job=job: stores.outbox.put(tx, job, 0.0))
    item = {"im": {"chat_id": CHAT, "message_id": 11}, "message": {"text": "здравствуйте"}}
    job = NewJob("channel.send", {"connector_id": "tg", "item": item}, "channel:tg:5", "channel:tg:11")
    stores.write(lambda tx: stores.outbox.put(tx, job, 0.0))


def rows(stores: Any) -> dict[str, int]:
    with stores.storage.read() as tx:
        return {
            table: tx.sql.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in ("dialogs", "sessions", "messages", "message_versions", "files", "journal", "users")
        }


def test_an_erased_dialog_leaves_nothing_and_its_neighbours_stay(stores: Any) -> None:
    conversation(stores)
    erased = erasure(stores).erase(CHAT, T + 1000)
    assert erased == Erased(dialogs=1, messages=3, files=1, journal=1, jobs=2, users=1)
    assert stores.dialog() is None and stores.messages() == []
    assert [m["text"] for m in stores.messages(6)] == ["а я?", "да"]
    assert rows(stores) == {
        "dialogs": 1,
        "sessions": 1,
        "messages": 2,
        "message_versions": 0,
        "files": 0,
        "journal": 1,
        "users": 2,  # the operator works in the other dialog too
    }


def test_a_hand_over_that_waits_is_not_erased_with_the_dialog(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)
    assert [job.kind for job in stores.outbox.waiting(10)] == ["handover"]


def test_the_history_of_an_erased_dialog_brings_nothing_back(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)
    before = rows(stores)
    told = history(said(10, "Привет!", T), said(11, "здравствуйте", T + 5, author=IVAN), said(15, "мимо", T + 20))
    stores.write(lambda tx: stores.archive.apply_history(tx, told, T + 2000))
    empty = SessionHistory(CHAT, 1, (), (ANNA,))
    stores.write(lambda tx: stores.archive.apply_history(tx, empty, T + 2000))
    assert stores.dialog() is None
    assert rows(stores) == before


def test_what_is_said_after_the_erasure_is_archived_without_what_was_before(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)
    play(stores, [Say(20, "это снова я", T + 5000, 1, T)])
    told = history(said(10, "Привет!", T), said(20, "это снова я", T + 5000))
    stores.write(lambda tx: stores.archive.apply_history(tx, told, T + 6000))
    assert [(m["message_id"], m["text"]) for m in stores.messages()] == [(20, "это снова я")]
    assert stores.dialog()["dialog"]["message_count"] == 1


def test_old_words_are_known_by_number_or_time_and_new_ones_are_not_taken_for_old(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)

    def is_erased(message_id: int, at: int, chat_id: int = CHAT) -> bool:
        return bool(stores.write(lambda tx: stores.archive.is_erased(tx, chat_id, message_id, at)))

    assert is_erased(14, T + 9000)  # the highest number of the whole archive: those below are older
    assert is_erased(500, T + 900)  # never received, but said before
    assert not is_erased(15, T + 1000)
    assert not is_erased(500, T + 990)  # the portal's clock may be behind ours
    assert not is_erased(10, T, 6)


@pytest.mark.parametrize(
    ("session_id", "at", "begins", "expected"),
    [
        (1, T + 2000, False, True),  # the end of the erased session is told late
        (None, T + 2000, False, True),
        (1, T + 2000, True, True),
        (9, T + 2000, True, False),  # a new one begins
        (None, T + 2000, True, False),
        (None, T, True, True),  # the old beginning, told again
    ],
)
def test_only_a_new_session_brings_an_erased_dialog_back(
    stores: Any, session_id: int | None, at: int, begins: bool, expected: bool
) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)
    chat = facts(session_id)
    assert stores.write(lambda tx: stores.archive.is_erased_session(tx, chat, at, begins=begins)) is expected


def test_words_that_come_while_a_dialog_is_being_erased_stay(stores: Any) -> None:
    play(stores, [Say(10 + i, "x", T + i, 1, T) for i in range(CHUNK + 5)])
    write, told = stores.storage.write, []

    class Interrupted:
        """The client writes again after the first transaction."""

        def write(self, work: Any) -> Any:
            found = write(work)
            if not told:
                told.append(1)
                play(stores, [Say(9000, "ещё", T + 900, 1, T)])
            return found

    erased = SqliteErasure(Interrupted()).erase(CHAT, T + 800)
    assert (erased.messages, erased.dialogs) == (CHUNK + 5, 0)
    assert [m["text"] for m in stores.messages()] == ["ещё"]
    dialog = stores.dialog()["dialog"]
    assert (dialog["message_count"], dialog["status"], dialog["complete"]) == (1, "open", False)


def test_only_closed_dialogs_are_outlived_and_only_after_their_last_word(stores: Any) -> None:
    conversation(stores)
    found = erasure(stores)
    assert found.outlived(T + 9, 10) == []
    assert found.outlived(T + 10, 10) == [CHAT]  # the other one is open
    assert found.erase_outlived(6, T + 500) == Erased()
    play(stores, [Say(20, "ещё", T + 400, 1, T)])
    assert found.erase_outlived(CHAT, T + 300) == Erased()
    assert len(stores.messages()) == 4


def test_a_session_that_another_chat_names_too_stops_nothing(stores: Any) -> None:
    conversation(stores)
    strange = facts(1, T, 7)
    stores.write(lambda tx: stores.archive.add_message(tx, strange, said(15, "чужой сеанс", T + 20, 1, IVAN, 7), 2))
    assert erasure(stores).erase(CHAT, T + 1000).dialogs == 1
    assert [(m["text"], m["session_id"]) for m in stores.messages(7)] == [("чужой сеанс", None)]


def test_erasing_again_erases_nothing(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT, T + 1000)
    assert erasure(stores).erase(CHAT, T + 1000) == Erased()


def test_a_client_is_found_by_dialog_and_by_words_and_an_operator_is_not_a_client(stores: Any) -> None:
    conversation(stores)
    found = erasure(stores)
    assert (found.of_client(ANNA.id), found.of_client(OLENA.id), found.of_client(IVAN.id)) == ([CHAT], [6], [])


def test_entries_without_a_chat_go_by_their_age_and_entries_of_earlier_releases_are_looked_at(stores: Any) -> None:
    found = erasure(stores)
    stores.write(lambda tx: stores.archive.record(tx, entry(b"old", T)))
    stores.write(lambda tx: stores.archive.record(tx, entry(b"new", T + 10)))
    stores.write(lambda tx: stores.archive.record(tx, entry(b"linked", T), {CHAT}))
    stores.write(lambda tx: tx.sql.execute("UPDATE journal_chats SET chat_id = -1"))
    assert found.link_journal(lambda event, form, body: {CHAT} if b"linked" in body else set()) == 3
    assert found.link_journal(lambda event, form, body: set()) == 0
    assert found.erase_events_without_chat(T + 10) == 1
    assert found.erase_events_without_chat(T + 10) == 0
    with stores.storage.read() as tx:
        bodies = {row[0] for row in tx.sql.execute("SELECT body FROM journal")}
    assert bodies == {b"body of new", b"body of linked"}


def test_history_without_anything_erased_is_taken_whole(stores: Any) -> None:
    item = HistoryMessage(said(10, "x", T), False, False)
    stores.write(lambda tx: stores.archive.apply_history(tx, SessionHistory(CHAT, 1, (item,), (ANNA,)), T))
    assert len(stores.messages()) == 1


def test_a_kept_copy_of_the_first_schema_is_erased_from_as_well(tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in STEPS[0]:
            db.execute(statement)
        db.execute("INSERT INTO dialogs (chat_id, dialog_id, opened_at, client_id) VALUES (5, 'chat5', 1, 744)")
        db.execute("INSERT INTO sessions (chat_id, opened_at) VALUES (5, 1)")
        db.execute("UPDATE dialogs SET session_ref = 1")
        db.execute("INSERT INTO messages VALUES (1, 5, 1, 744, 'client', 'слова', NULL, 1, 0, NULL, NULL, 0, 2)")
        db.execute("INSERT INTO journal VALUES (1, 1, 'E', 'read', '', x'00', 'form', CAST('слова' AS BLOB))")
        db.execute("INSERT INTO journal VALUES (2, 1, 'E', 'read', '', x'01', 'form', CAST('другое' AS BLOB))")
    with closing(KeptCopy(path)) as copy:
        found = SqliteErasure(copy)
        assert found.of_client(744) == [5]
        assert found.link_journal(lambda event, form, body: set()) == 0
        assert found.erase(5) == Erased(dialogs=1, messages=1)
        assert found.sweep_journal(lambda event, form, body: "слова".encode() in body) == 1
        copy.compact()
    assert "слова".encode() not in path.read_bytes()


def test_a_chat_that_went_while_the_portal_was_asked_about_it_does_not_come_back(stores: Any) -> None:
    conversation(stores)
    erasure(stores).erase(CHAT)
    answer = {"id": CHAT, "name": "Анна - Продажи", "entity_id": "telegrambot|3|ext|744", "entity_data_2": ""}
    for session_id, expected in ((1, False), (9, True)):  # the erased session, and a new one
        told = {**answer, "entity_data_1": f"Y|LEAD|1205|N|N|{session_id}|{T}|3|0|0"}
        portal = SimpleNamespace(call=lambda method, params, told=told: told)
        parts: Any = SimpleNamespace(storage=stores.storage, archive=stores.archive, client=portal)
        describe_chat(parts, Job(1, "describe", {"chat_id": CHAT}, "", "", "", 1, 0.0, 0.0))
        assert (stores.dialog() is not None) is expected


# --- the list


def test_every_table_and_text_column_is_known_to_the_erasure(stores: Any) -> None:
    """A migration that adds one says here whether it holds what people said, or why it does not."""
    known = {place.table: set(place.columns) for place in PLACES}
    with stores.storage.read() as tx:
        tables = [row[0] for row in tx.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            assert table in known or table in HARMLESS, f"{table} is in no list of python_bot/archive/erasure.py"
            columns = [(row[1], row[2]) for row in tx.sql.execute(f"PRAGMA table_info({table})")]
            texts = {name for name, kind in columns if kind not in ("INTEGER", "REAL")}
            assert table in HARMLESS or texts == known[table], f"{table}: {texts ^ known[table]}"
    assert set(known) | set(HARMLESS) == set(tables)


def test_what_is_deleted_is_overwritten_in_the_file(stores: Any) -> None:
    text = "совершенно особенные слова"
    play(stores, [Say(10 + i, f"{text} {i}", T + i, 1, T) for i in range(50)])
    erasure(stores).erase(CHAT, T + 1000)
    with stores.storage.read() as tx:
        name = tx.sql.execute("PRAGMA database_list").fetchone()[2]
    stores.storage.close()
    with open(name, "rb") as file:  # noqa: PTH123  # the whole file as bytes
        assert text.encode() not in file.read()
