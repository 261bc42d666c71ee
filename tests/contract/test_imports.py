"""Messages of the former bot: shown until the portal tells the same, never doubled, never lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from python_bot.archive import SqliteErasure
from python_bot.archive.former import FormerArchive, NotTheFormerArchive
from python_bot.takeover import CHUNK, Summary, take_over
from tests.contract.conversations import ANNA, CHAT, IVAN, Edit, Finish, Say, history, play, said
from tests.support.former import write_former

T = int(datetime(2024, 3, 5, 9, 0, tzinfo=UTC).timestamp())  # noon in Moscow
MOSCOW = ZoneInfo("Europe/Moscow")


def local(seconds: int, zone: ZoneInfo = MOSCOW) -> str:
    return datetime.fromtimestamp(T + seconds, zone).strftime("%Y-%m-%d %H:%M:%S")


def take(stores: Any, path: Path, zone: ZoneInfo = MOSCOW) -> Summary:
    former = FormerArchive(path, zone)
    try:
        return take_over(former, stores.storage, lambda count: None)
    finally:
        former.close()


def shown(stores: Any, chat_id: int = CHAT) -> list[tuple[int, str, str]]:
    import json

    rows = json.loads(stores.archive.messages_page(chat_id, -(2**62), 500).items)
    return [(row["message_id"], row["text"], row["sent_at"]) for row in rows]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    rows = [(744, "Здравствуйте", 0), (27, "Добрый день", 60), (744, "Да", 120), (744, "Да", 180)]
    write_former(path, [(CHAT, author, text, local(at)) for author, text, at in rows])
    return path


def told(*rows: tuple[int, str, int, Any], edited: tuple[int, ...] = ()) -> Any:
    return history(*(said(i, text, T + at, 1, author) for i, text, at, author in rows), edited=edited)


def test_imported_messages_are_a_dialog_in_their_order_before_all_others(stores: Any, old: Path) -> None:
    summary = take(stores, old)
    assert (summary.dialogs, summary.users, summary.messages, summary.taken.added) == (1, 2, 4, 4)
    rows = shown(stores)
    assert [text for _, text, _ in rows] == ["Здравствуйте", "Добрый день", "Да", "Да"]
    assert [number for number, _, _ in rows] == sorted(number for number, _, _ in rows)
    assert all(-(2**53) < number < 0 for number, _, _ in rows)
    assert rows[0][2] == "2024-03-05T09:00:00Z"
    dialog = stores.dialog()
    assert dialog["dialog"]["status"] == "closed" and dialog["dialog"]["message_count"] == 4
    assert dialog["dialog"]["client"] == {"id": 744, "name": "Анна Смирнова"}
    assert (dialog["dialog"]["complete"], dialog["sessions"]) == (False, [])
    assert dialog["dialog"]["opened_at"] == "2024-03-05T09:00:00Z"
    assert dialog["dialog"]["last_message_at"] == "2024-03-05T09:03:00Z"
    assert [(p["id"], p["kind"]) for p in dialog["participants"]] == [(27, "operator"), (744, "client")]


def test_again_changes_nothing_and_a_file_that_grew_adds_the_rest(stores: Any, old: Path) -> None:
    take(stores, old)
    before = shown(stores)
    assert take(stores, old).taken.known == 4
    assert shown(stores) == before
    write_former(old, [(CHAT, 744, "и ещё", local(400))])
    assert take(stores, old).taken.added == 1
    assert [text for _, text, _ in shown(stores)][-1] == "и ещё"


def test_history_takes_the_place_of_the_same_messages_and_of_no_others(stores: Any, old: Path) -> None:
    take(stores, old)
    answer = told((10, "Здравствуйте", 1, ANNA), (12, "Добрый день", 61, IVAN), (14, "Да", 121, ANNA))
    stores.write(lambda tx: stores.archive.apply_history(tx, answer, T + 9000))
    rows = shown(stores)
    assert [text for _, text, _ in rows] == ["Да", "Здравствуйте", "Добрый день", "Да"]  # what history lacks stays
    assert [number > 0 for number, _, _ in rows] == [False, True, True, True]
    assert rows[0][2] == "2024-03-05T09:03:00Z"
    assert stores.dialog()["dialog"]["message_count"] == 4
    assert stores.dialog()["dialog"]["complete"] is False
    for _ in range(2):  # a second look takes nothing more, and importing again brings nothing back
        stores.write(lambda tx: stores.archive.apply_history(tx, answer, T + 9000))
        take(stores, old)
        assert shown(stores) == rows


def test_what_the_portal_told_before_the_import_is_not_doubled(stores: Any, old: Path) -> None:
    play(stores, [Say(10, "Здравствуйте", T + 2, 1, T), Say(14, "Да", T + 121, 1, T), Finish(T + 300, 1)])
    summary = take(stores, old)
    assert (summary.taken.added, summary.taken.replaced) == (4, 2)
    assert [text for _, text, _ in shown(stores)] == ["Добрый день", "Да", "Здравствуйте", "Да"]
    assert stores.dialog()["dialog"]["message_count"] == 4
    assert stores.dialog()["dialog"]["session_id"] == 1


def test_when_history_has_all_the_dialog_becomes_complete(stores: Any, old: Path) -> None:
    take(stores, old)
    answer = told(
        (10, "Здравствуйте", 1, ANNA), (12, "Добрый день", 61, IVAN), (14, "Да", 121, ANNA), (16, "Да", 181, ANNA)
    )
    stores.write(lambda tx: stores.archive.apply_history(tx, answer, T + 9000))
    assert [number for number, _, _ in shown(stores)] == [10, 12, 14, 16]
    assert stores.dialog()["dialog"]["complete"] is True
    assert stores.dialog()["dialog"]["opened_at"] == "2024-03-05T09:00:01Z"


def test_a_zone_given_wrongly_by_an_hour_doubles_nothing_and_is_set_right_by_importing_again(
    stores: Any, old: Path
) -> None:
    take(stores, old, ZoneInfo("Asia/Dubai"))
    assert shown(stores)[0][2] == "2024-03-05T08:00:00Z"
    take(stores, old)
    assert shown(stores)[0][2] == "2024-03-05T09:00:00Z"
    take(stores, old, ZoneInfo("Asia/Dubai"))
    answer = told((10, "Здравствуйте", 1, ANNA), (12, "Добрый день", 61, IVAN), (14, "Да", 121, ANNA))
    stores.write(lambda tx: stores.archive.apply_history(tx, answer, T + 9000))
    assert [number > 0 for number, _, _ in shown(stores)] == [False, True, True, True]


def test_an_edited_message_keeps_the_text_that_the_former_bot_saw(stores: Any, old: Path) -> None:
    take(stores, old)
    answer = told((10, "Здравствуйте!!", 1, ANNA), (12, "Добрый день", 61, IVAN), edited=(10,))
    stores.write(lambda tx: stores.archive.apply_history(tx, answer, T + 9000))
    assert [text for _, text, _ in shown(stores)] == ["Да", "Да", "Здравствуйте!!", "Добрый день"]
    with stores.storage.read() as tx:
        assert tx.sql.execute("SELECT message_id, text FROM message_versions").fetchall() == [(10, "Здравствуйте")]


def test_two_former_archives_stay_apart(stores: Any, old: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    write_former(other, [(CHAT, 744, "из другого", local(1000))])
    take(stores, old)
    assert take(stores, other).taken.added == 1
    assert len({number for number, _, _ in shown(stores)}) == 5


def test_what_was_erased_is_not_imported_again(stores: Any, old: Path) -> None:
    take(stores, old)
    assert SqliteErasure(stores.storage).erase(CHAT).messages == 4
    assert take(stores, old).taken.erased == 4
    assert stores.dialog() is None


def test_a_long_chat_is_taken_in_small_transactions(stores: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.db"
    write_former(path, [(CHAT, 744, f"сообщение {i}", local(i)) for i in range(2 * CHUNK + 3)])
    commits = stores.storage.commits
    assert take(stores, path).taken.added == 2 * CHUNK + 3
    assert stores.storage.commits - commits >= 4


def test_later_events_of_the_same_chat_are_archived_as_usual(stores: Any, old: Path) -> None:
    take(stores, old)
    later = T + 86400 * 30
    asked = play(stores, [Say(50, "снова я", later, 9, later), Edit(50, "снова я!", later + 5, 9, later)])
    assert len(asked) == 1
    dialog = stores.dialog()["dialog"]
    assert (dialog["status"], dialog["message_count"], dialog["opened_at"]) == ("open", 5, "2024-03-05T09:00:00Z")


@pytest.mark.parametrize("what", ["missing", "text", "damaged", "foreign", "columns", "ids"])
def test_a_damaged_or_foreign_file_is_refused_before_anything_changes(tmp_path: Path, old: Path, what: str) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "file.db"
    if what == "text":
        path.write_text("это не база данных " * 100)
    elif what == "damaged":
        write_former(old, [(CHAT, 744, "x" * 500, local(i)) for i in range(200)])
        data = old.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif what == "foreign":
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE t (x)")
    elif what in ("columns", "ids"):
        path.write_bytes(old.read_bytes())
        with closing(sqlite3.connect(path)) as db, db:
            if what == "columns":
                db.execute("ALTER TABLE messages DROP COLUMN timestamp")
            else:
                db.execute("ALTER TABLE messages RENAME COLUMN dialog_chat_id TO x")
                db.execute("ALTER TABLE messages ADD COLUMN dialog_chat_id TEXT DEFAULT 'anna@example.ru'")
    with pytest.raises(NotTheFormerArchive):
        FormerArchive(path, MOSCOW)
