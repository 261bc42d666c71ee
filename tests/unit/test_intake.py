from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from python_bot import intake as module
from python_bot.archive import SqliteArchive
from python_bot.attachments import FileQueue
from python_bot.bitrix.events import event_time, read_event
from python_bot.bitrix.php_form import read_request
from python_bot.db import Storage, Tx
from python_bot.errors import StorageError
from python_bot.intake import Intake, ensure_job
from python_bot.model import JournalEntry, NewJob
from python_bot.outbox import SqliteOutbox
from tests.support.payloads import INDEX, form

NOW = 1_785_312_345.0


class Parts:
    def __init__(self, storage: Storage, **more: Any) -> None:
        self.storage = storage
        self.archive, self.outbox = SqliteArchive(storage), SqliteOutbox(storage)
        self.woken: list[tuple[set[str], int]] = []
        self.intake = Intake(
            storage, self.archive, self.outbox, FileQueue(self.archive, False), self._wake, now=lambda: NOW, **more
        )

    def _wake(self, kinds: set[str]) -> None:
        self.woken.append((set(kinds), len(self.outbox.waiting(99))))

    def take(self, name: str, change: tuple[bytes, bytes] = (b"", b""), **more: Any) -> bool:
        request = read_request(form(name).replace(*change) if change[0] else form(name))
        event = request.tree["event"]
        events = read_event(event, request.tree.get("data"), event_time(request.tree, NOW))
        entry = JournalEntry(int(NOW), event, "trace-1", request.fingerprint, request.stored, "form", "read")
        return self.intake.take(entry, events or [], **more)

    def rows(self, table: str) -> int:
        with self.storage.read() as tx:
            count: int = tx.sql.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        return count

    def kinds(self) -> list[str]:
        return sorted(job.kind for job in self.outbox.waiting(99))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "dialogs.db")
    storage.open()
    yield storage
    storage.close()


@pytest.fixture
def parts(storage: Storage) -> Parts:
    return Parts(storage)


def test_a_first_message_becomes_journal_archive_and_hand_over_at_once(parts: Parts) -> None:
    assert parts.take("onimbotmessageadd__client_text") is True
    assert [parts.rows(table) for table in ("journal", "messages", "dialogs", "outbox")] == [1, 1, 1, 2]
    (job, later) = parts.outbox.waiting(9)
    assert (later.kind, later.payload["chat_id"], later.due_at) == ("reconcile", 1763, NOW + module.IDLE_S)
    assert (job.kind, job.payload["chat_id"], job.trace_id, job.due_at) == ("handover", 1763, "trace-1", NOW)
    assert parts.intake.counts == {("ONIMBOTMESSAGEADD", "read"): 1}


def test_the_worker_is_woken_after_the_commit_with_the_kinds_of_the_new_jobs(parts: Parts) -> None:
    parts.take("onimbotjoinchat__automatic")
    assert parts.woken == [({"handover"}, 2)]  # the jobs were there to be seen; the later one wakes nobody
    parts.take("onimbotmessageadd__client_text")
    assert len(parts.woken) == 1  # nothing new to do: nobody is woken


def test_a_second_delivery_changes_nothing_and_is_counted_as_such(parts: Parts) -> None:
    parts.take("onimbotmessageadd__client_text")
    again = (b"a7d0690000071b00", b"b8e0690000071b11")
    assert parts.take("onimbotmessageadd__client_text", again) is False
    assert [parts.rows(table) for table in ("journal", "messages", "outbox")] == [1, 1, 2]
    assert parts.intake.counts["ONIMBOTMESSAGEADD", "duplicate"] == 1
    assert len(parts.woken) == 1


@pytest.mark.parametrize("broken", ["archive", "outbox", "also"])
def test_a_write_that_fails_leaves_neither_journal_nor_archive_nor_job(
    parts: Parts, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("in the middle")

    also = None
    with monkeypatch.context() as patched:
        if broken == "archive":
            original = parts.archive.add_message

            def half(tx: Tx, *args: Any) -> Any:
                original(tx, *args)
                raise RuntimeError("in the middle")

            patched.setattr(parts.archive, "add_message", half)
        elif broken == "outbox":
            patched.setattr(parts.outbox, "put", fail)
        else:
            also = fail
        with pytest.raises(RuntimeError):
            parts.take("onimbotmessageadd__client_text", also=also)
    assert [parts.rows(table) for table in ("journal", "messages", "dialogs", "users", "outbox")] == [0] * 5
    assert (parts.woken, parts.intake.counts) == ([], {})
    assert parts.take("onimbotmessageadd__client_text") is True  # delivered again, it is new


def test_an_archive_that_cannot_be_written_wakes_nobody(parts: Parts, storage: Storage) -> None:
    storage.close()
    with pytest.raises(StorageError):
        parts.take("onimbotmessageadd__client_text")
    assert parts.woken == []


def test_what_goes_along_runs_for_a_repeated_event_too(parts: Parts) -> None:
    for offset in (5, 6):
        parts.take("onimbotmessageadd__client_text", also=lambda tx, o=offset: parts.archive.set_fact(tx, "offset", o))
    assert parts.archive.fact("offset") == 6


@pytest.mark.parametrize(
    "name", ["onsessionfinish__object", "onsessionfinish__list", "onimconnectordialogfinish__list"]
)
def test_the_end_of_a_session_asks_for_its_history_a_moment_later(parts: Parts, name: str) -> None:
    parts.take(name)
    (job,) = parts.outbox.waiting(9)
    assert (job.kind, job.due_at) == ("reconcile", NOW + module.RECONCILE_DELAY_S)
    assert job.payload["session_id"] == (
        None if name.endswith("object") else {1763: 321, 1767: 323}[job.payload["chat_id"]]
    )


def test_a_deleted_bot_is_registered_again(parts: Parts) -> None:
    parts.take("onimbotdelete__bot")
    assert parts.kinds() == ["ensure"]
    assert parts.archive.fact("bot_deleted") == {"bot_id": 597, "at": int(NOW)}


def test_a_message_for_our_connector_goes_to_the_channel_and_into_the_archive(parts: Parts) -> None:
    parts.take("onimconnectormessageadd__text_and_file")
    (job, later) = parts.outbox.waiting(9)
    assert (later.kind, later.payload["chat_id"]) == ("reconcile", 1767)
    assert (job.kind, job.payload["connector_id"], job.payload["line_id"]) == ("channel.send", "acme_avito", 3)
    assert job.payload["item"]["im"] == {"chat_id": "1767", "message_id": "86001"}
    (message,) = json.loads(parts.archive.messages_page(1767, 0, 9).items)
    assert (message["message_id"], message["author"]["kind"]) == (86001, "operator")


def test_events_of_lines_and_connectors_are_noted(parts: Parts, storage: Storage) -> None:
    storage.write(lambda tx: parts.archive.connector_line(tx, "acme_avito", 3, True, 1))
    storage.write(lambda tx: parts.archive.connector_line(tx, "acme_avito", 4, True, 1))
    parts.take("onimconnectorstatusdelete__lower_case")
    assert parts.archive.connector_lines() == [("acme_avito", 3, False), ("acme_avito", 4, True)]
    parts.take("onimconnectorlinedelete__scalar")
    assert parts.archive.connector_lines() == [("acme_avito", 4, True)]
    parts.take("onapptest__nonce")
    assert parts.archive.fact("inbound") == {"nonce": "k7f3", "at": int(NOW)}


def test_a_chat_that_did_not_say_its_line_is_described_when_asked_for(storage: Storage) -> None:
    parts = Parts(storage, asks_back=True)
    entity = (b"entityId%5D=telegrambot%7C3%7C209607941%7C744", b"entityId%5D=")
    parts.take("onimbotv2messageadd__client_text", entity)
    assert parts.kinds() == ["describe", "handover", "reconcile"]


@pytest.mark.parametrize("name", [row["file"] for row in INDEX if row["file"].startswith("on")])
def test_every_recorded_event_is_taken_and_recorded_once(parts: Parts, name: str) -> None:
    assert parts.take(name) is True
    assert parts.take(name) is False
    assert parts.rows("journal") == 1


def test_all_recorded_events_together_ask_for_each_hand_over_once(parts: Parts) -> None:
    names = [row["file"] for row in INDEX if row["file"].startswith("on") and "forged" not in row["file"]]
    for name in sorted(names, key=lambda name: int(read_request(form(name)).tree["ts"])):
        parts.take(name)
    assert [job.payload["chat_id"] for job in parts.outbox.waiting(99) if job.kind == "handover"] == [1763]


def test_a_job_that_no_event_caused_is_stored_once_and_wakes(parts: Parts) -> None:
    parts.intake.queue(ensure_job("t"))
    parts.intake.queue(ensure_job("t"))
    assert parts.kinds() == ["ensure"]
    assert parts.woken == [({"ensure"}, 1)]
    parts.intake.queue(NewJob("x", {}, "l", "k"))
    assert parts.woken[-1] == ({"x"}, 2)
