"""An archive made anew from its raw requests and answers equals the one that it was made from."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python_bot.archive import SqliteComparison, SqliteErasure, SqliteManifests, imports, rebuilding
from python_bot.attachments import FileQueue
from python_bot.bitrix.events import event_time, read_event
from python_bot.bitrix.history import read_history
from python_bot.bitrix.php_form import read_request
from python_bot.db import Storage
from python_bot.intake import Intake, handover_job
from python_bot.model import Differences, JournalEntry, User
from python_bot.proof.manifest import DAY_S, ManifestWriter
from python_bot.proof.verify import verify
from python_bot.rebuild import Rebuild
from tests.contract.conftest import Stores, stores_of
from tests.contract.conversations import said
from tests.instance.tools import altered, client_message, join
from tests.support import vector

T = 1_785_312_000


class Instance:
    """The stores with the intake that a running instance has, and a portal that answers about its sessions."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.now = float(T)
        self.intake = Intake(
            stores.storage,
            stores.archive,
            stores.outbox,
            FileQueue(stores.archive, is_on=False),
            lambda kinds: None,
            now=lambda: self.now,
        )

    def event(self, body: bytes) -> None:
        request = read_request(body)
        name = str(request.tree["event"]).upper()
        events = read_event(name, request.tree.get("data"), event_time(request.tree, self.now))
        entry = JournalEntry(int(self.now), name, "trace", request.fingerprint, request.stored, request.format, "read")
        self.intake.take(entry, events or [])

    def history(self, answer: dict[str, Any]) -> None:
        history = read_history(answer)
        body = zlib.compress(json.dumps(answer).encode())
        at = int(self.now)

        def work(tx: Any) -> None:
            if self.stores.archive.apply_history(tx, history, at) is not None:
                SqliteComparison(self.stores.storage).keep_answer(tx, history.session_id, history.chat_id, at, body)

        self.stores.write(work)


def answer(chat_id: int, session_id: int, *messages: dict[str, Any]) -> dict[str, Any]:
    users = {
        "744": {"id": 744, "name": "Анна", "connector": True},
        "27": {"id": 27, "name": "Иван Петров", "firstName": "Иван"},
    }
    return {
        "chatId": chat_id,
        "sessionId": session_id,
        "message": {str(message["id"]): message for message in messages},
        "users": users,
        "files": [],
    }


def told(message_id: int, text: str, at: int, sender: int = 744, **params: str) -> dict[str, Any]:
    from datetime import UTC, datetime

    date = datetime.fromtimestamp(at, UTC).isoformat()
    return {"id": message_id, "senderid": sender, "text": text, "date": date, "params": params or []}


def change(name: str, message_id: int, text: str, chat_id: int, at: int) -> bytes:
    """ONIMBOTMESSAGEUPDATE or ONIMBOTMESSAGEDELETE, as recorded, of this message."""
    fixture = {"update": "V6", "delete": "V7"}[name]
    changes = {"MESSAGE_ID": message_id, "ID": message_id, "CHAT_ID": chat_id, "TO_CHAT_ID": chat_id}
    changes |= {"DIALOG_ID": f"chat{chat_id}"}
    pairs = {f"data[PARAMS][{key}]": str(value) for key, value in changes.items()}
    return altered(vector(fixture), {**pairs, "data[PARAMS][MESSAGE]": text, "ts": str(at)})


@contextmanager
def rebuilt(stores: Stores, directory: Path) -> Iterator[tuple[Differences, Stores]]:
    """The archive made anew, its comparison, and the finished one."""
    path = directory / "rebuilt.db"
    made = Rebuild(stores.storage, path)
    try:
        found = made.compare()
        made.finish()
    finally:
        made.close()
    storage = Storage(path)
    storage.open()
    try:
        yield found, stores_of(storage)
    finally:
        storage.close()
        for each in directory.glob("rebuilt.db*"):
            each.unlink()


def shown(stores: Stores, chat_id: int) -> list[str]:
    """What a reader sees of a dialog, a line for each thing."""
    found = stores.dialog(chat_id) or {}
    things = [*found.get("dialog", {}).items(), *found.get("sessions", []), *found.get("participants", [])]
    return [json.dumps(thing, ensure_ascii=False) for thing in (*things, *stores.messages(chat_id))]


def conversation(instance: Instance) -> None:
    steps = [join(5), client_message(50, 5, 1, "привет"), client_message(51, 5, 1, "ау")]
    for number, body in enumerate(steps):
        instance.now = T + number
        instance.event(body)
    instance.now = T + 60
    instance.history(
        answer(
            5, 1, told(50, "привет", T), told(51, "ау", T + 2), told(52, "Слушаю", T + 9, 27), told(53, "так", T + 12)
        )
    )


def test_an_archive_equals_what_is_made_of_its_raw_sources(stores: Stores, tmp_path: Path) -> None:
    conversation(Instance(stores))
    with rebuilt(stores, tmp_path) as (found, other):
        assert found == Differences(4, 4, ())
        assert shown(other, 5) == shown(stores, 5)


def test_what_has_no_raw_source_moves_over(stores: Stores, tmp_path: Path) -> None:
    instance = Instance(stores)
    conversation(instance)
    ref = stores.outbox.waiting(50)[0].payload["session_ref"]
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 3))
    stores.write(lambda tx: stores.archive.set_fact(tx, "portal", {"bot_id": 7}))
    stores.write(lambda tx: stores.archive.people_told(tx, [User(744, "Анна С.", "client")], [744], T + 99))
    anna = User(744, "Анна", "client")
    imported = [said(imports.LOWEST + 7, "из прежнего", T - 9000, None, anna, 9)]
    stores.write(lambda tx: imports.take(tx, 9, T - 9000, [anna], imported))
    stores.write(lambda tx: imports.settle(tx, 9))
    instance.event(client_message(70, 6, 2, "ухожу"))
    SqliteErasure(stores.storage).erase(6, T + 500)
    stores.write(lambda tx: stores.outbox.put(tx, handover_job(5, 77, ""), 0.0))
    with rebuilt(stores, tmp_path) as (found, other):
        assert {difference.what for difference in found.found} <= {
            "users only in the archive",
            "names",
            "sessions only in the archive",
        }
        assert shown(other, 5) == shown(stores, 5) and shown(other, 9) == shown(stores, 9)
        assert shown(other, 6) == [] and other.archive.fact("portal") == {"bot_id": 7}
        assert other.outbox.waiting(50) == stores.outbox.waiting(50)
        assert other.write(lambda tx: other.archive.is_erased(tx, 6, 70, T))


def test_a_message_that_lost_its_raw_source_is_listed_and_not_left_behind(stores: Stores, tmp_path: Path) -> None:
    instance = Instance(stores)
    conversation(instance)
    instance.now = T + 100
    instance.event(client_message(60, 5, 1, "без сырья"))
    stores.write(lambda tx: tx.sql.execute("DELETE FROM journal WHERE id = 4"))
    stores.write(lambda tx: tx.sql.execute("UPDATE messages SET text = 'подделка' WHERE message_id = 50"))
    with rebuilt(stores, tmp_path) as (found, other):
        assert {each.what: each.examples for each in found.found if "session" not in each.what} == {
            "messages only in the archive": ((5, 60),),
            "texts": ((5, 50),),
        }
        texts = {message["message_id"]: message["text"] for message in other.messages()}
        assert texts == {50: "привет", 51: "ау", 52: "Слушаю", 53: "так", 60: "без сырья"}
        versions = other.archive.versions(5, 50)
        assert versions is not None and [version.text for version in versions] == ["подделка"]


def test_what_comes_while_it_is_made_is_in_it(stores: Stores, tmp_path: Path) -> None:
    instance = Instance(stores)
    conversation(instance)
    made = Rebuild(stores.storage, tmp_path / "rebuilt.db")
    with closing(made):
        made.replay()
        instance.now = T + 200
        instance.event(client_message(61, 5, 1, "пока вы там"))
        assert made.compare() == Differences(5, 5, ())


def test_what_is_erased_while_it_is_made_is_not_in_it(stores: Stores, tmp_path: Path) -> None:
    instance = Instance(stores)
    conversation(instance)
    instance.event(client_message(70, 6, 2, "ухожу"))
    made = Rebuild(stores.storage, tmp_path / "rebuilt.db")
    with closing(made):
        made.replay()
        SqliteErasure(stores.storage).erase(5, T + 300)
        instance.now = T + 400
        instance.event(client_message(80, 5, 3, "снова я", ts=str(T + 400)))
        made.finish()
    left = b"".join(path.read_bytes() for path in tmp_path.glob("rebuilt.db*"))
    assert "Слушаю".encode() not in left and "снова я".encode() in left
    with closing(sqlite3.connect(tmp_path / "rebuilt.db")) as db:
        assert db.execute("SELECT message_id FROM messages ORDER BY 1").fetchall() == [(70,), (80,)]
        assert db.execute("SELECT COUNT(*) FROM journal").fetchone() == (2,)


def test_the_manifests_agree_with_the_rebuilt_archive_as_well(stores: Stores, tmp_path: Path) -> None:
    conversation(Instance(stores))
    tomorrow = time.time() + DAY_S
    ManifestWriter(tmp_path / "manifests", SqliteManifests(stores.storage), lambda: tomorrow).write_next()
    with rebuilt(stores, tmp_path) as (_, other):
        found = verify(tmp_path / "manifests", SqliteManifests(other.storage))
        assert (found.problems, found.same) == ([], 4)
        whole = ((-1, 0), 2**62, 10)  # followers and the next manifest meet nothing anew
        assert SqliteManifests(other.storage).changed(*whole) == SqliteManifests(stores.storage).changed(*whole)


def test_jobs_keep_their_sessions_when_the_numbers_differ(stores: Stores, tmp_path: Path) -> None:
    instance = Instance(stores)
    stores.write(lambda tx: tx.sql.execute("UPDATE sqlite_sequence SET seq = 40"))
    stores.write(lambda tx: tx.sql.execute("INSERT OR IGNORE INTO sqlite_sequence VALUES ('sessions', 40)"))
    instance.event(client_message(50, 5, 1))
    with rebuilt(stores, tmp_path) as (_, other):
        (job,) = [job for job in other.outbox.waiting(50) if job.kind == "handover"]
        other.write(lambda tx: other.archive.handed_over(tx, job.payload["session_ref"], T + 9))
        assert [session["handover"] for session in other.dialog()["sessions"]] == ["done"]
        assert job.dedupe_key == f"handover:{job.payload['session_ref']}"


def test_every_table_has_its_place(stores: Stores) -> None:
    with stores.storage.read() as tx:
        tables = {row[0] for row in tx.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    named = (*rebuilding.REPLAYED, *rebuilding.MERGED, *rebuilding.COPIED, *rebuilding.COPIED_LAST, *rebuilding.OWN)
    assert tables == set(named) and len(named) == len(set(named))


WORDS = st.sampled_from(["да", "нет", "привет", "[b]где[/b] заказ?", "ок"])
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "say", "edit", "delete", "history", "again", "join"]), st.integers(5, 7), WORDS
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("is_late", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_the_rebuild_of_random_conversations_equals_the_archive(
    fresh_stores: Any, tmp_path: Path, is_late: bool, moves: list[tuple[str, int, str]]
) -> None:
    with fresh_stores() as stores:
        instance = Instance(stores)
        texts: dict[int, dict[int, tuple[str, int]]] = {5: {}, 6: {}, 7: {}}
        number, bodies = 100, []
        for step, (kind, chat_id, text) in enumerate(moves):
            instance.now = at = T + 10 * step
            said_here = texts[chat_id]
            if kind == "say":
                number += 1
                said_here[number] = (text, at)
                began = {"data[PARAMS][CHAT_ENTITY_DATA_1]": f"Y|LEAD|1205|N|N|{chat_id}|{T}|3|0|0"}
                bodies.append(client_message(number, chat_id, chat_id, text, ts=str(at), **began))
                if not is_late or step % 3:  # every third is lost, and only history brings it
                    instance.event(bodies[-1])
            elif kind in ("edit", "delete") and said_here:
                latest = max(said_here)
                name = "update" if kind == "edit" else "delete"
                instance.event(change(name, latest, text, chat_id, at))
                if kind == "edit":
                    said_here[latest] = (text, said_here[latest][1])
            elif kind == "history" and said_here:
                instance.history(answer(chat_id, chat_id, *(told(n, *said_here[n]) for n in said_here)))
            elif kind == "again" and bodies:
                instance.event(bodies[-1])
            elif kind == "join":
                instance.event(join(chat_id, ts=str(at)))
        with rebuilt(stores, tmp_path) as (found, other):
            assert found.found == ()
            for chat_id in texts:
                assert shown(other, chat_id) == shown(stores, chat_id)
