"""A manifest a day shows later what was changed or lost; what has a reason is no alarm, and erased is erased."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest

from python_bot.archive import SqliteErasure, SqliteManifests
from python_bot.archive.tombstones import Tombstone
from python_bot.proof.manifest import DAY_S, ManifestWriter, name_of
from python_bot.proof.verify import Verified, verify
from tests.contract.conversations import (
    CHAT,
    FILE,
    IVAN,
    Delete,
    Edit,
    Finish,
    Join,
    Say,
    Source,
    facts,
    history,
    play,
    said,
)

T = 1_785_312_000


class Book:
    """An archive with its manifests. `day`: writes what is due on the next day, as the rows were just changed."""

    def __init__(self, stores: Any, directory: Path) -> None:
        self.stores, self.directory = stores, directory
        self.manifests = SqliteManifests(stores.storage)
        self.today = 0

    def day(self) -> None:
        (now,) = self.read("SELECT value FROM change_clock")[0]
        self.today = max(self.today, now // 1_000_000 // DAY_S) + 1
        # The clock of changes goes on in the new day.
        while ManifestWriter(self.directory, self.manifests, lambda: self.today * DAY_S + 60).write_next():
            pass
        self.sql("UPDATE change_clock SET value = ?", (self.today * DAY_S * 1_000_000 + 61_000_000,))

    def verify(self) -> Verified:
        return verify(self.directory, self.manifests)

    def read(self, sql: str) -> list[Any]:
        with self.stores.storage.read() as tx:
            return tx.sql.execute(sql).fetchall()

    def sql(self, sql: str, values: Any = ()) -> None:
        self.stores.write(lambda tx: tx.sql.execute(sql, values))

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.jsonl"))


@pytest.fixture
def book(stores: Any, tmp_path: Path) -> Book:
    return Book(stores, tmp_path / "manifests")


def talk(book: Book) -> None:
    play(book.stores, [Join(T), Say(10, "привет", T, 1, T), Say(11, "да", T + 5, 1, T, IVAN)])
    message = said(12, "чек", T + 9, 1, files=(FILE,))
    book.stores.write(lambda tx: book.stores.archive.add_message(tx, facts(1, T), message, Source.BOT))


def whats(found: Verified) -> list[tuple[int | None, str]]:
    return [(problem.message_id, problem.what) for problem in found.problems]


def test_every_message_is_in_the_file_of_its_day_and_the_files_are_chained(book: Book) -> None:
    talk(book)
    book.day()
    play(book.stores, [Say(13, "ещё", T + 20, 1, T)])
    book.day()
    first, second = book.files()
    rows = [[json.loads(line) for line in path.read_text().splitlines()] for path in (first, second)]
    assert [[row["id"] for row in one if "id" in row] for one in rows] == [[10, 11, 12], [13]]
    assert rows[0][0]["former"] is None and rows[1][0]["former"] == book.manifests.days()[0].digest
    found = book.verify()
    assert (found.same, found.manifests, found.problems) == (4, 2, []) and found.head == book.manifests.days()[1].digest
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in book.files())


def test_missed_days_are_caught_up_one_file_each_and_a_written_day_stays(book: Book) -> None:
    talk(book)
    book.day()
    before = book.files()[0].read_bytes()
    writer = ManifestWriter(book.directory, book.manifests, lambda: (book.today + 3) * DAY_S + 1)
    assert [writer.write_next() for _ in range(4)] == [True, True, True, False]
    assert [path.name for path in book.files()] == [name_of(book.today - 1 + n) for n in range(4)]
    assert book.files()[0].read_bytes() == before and book.verify().problems == []


def test_what_the_conversation_itself_changes_is_explained(book: Book) -> None:
    talk(book)
    play(book.stores, [Say(14, "по линии", T + 10, 1, T, source=Source.SECOND_FEED), Edit(15, "б", T + 12, 1, T)])
    book.day()
    play(book.stores, [Edit(10, "Привет!", T + 30, 1, T), Delete(11, T + 31, 1, T), Say(15, "а", T + 11, 1, T)])
    play(book.stores, [Say(14, "[b]по[/b] линии", T + 10, 1, T), Finish(T + 90, 1)])
    assert book.verify().problems == []
    book.day()
    told = history(
        said(10, "[i]Привет![/i]", T),
        said(11, "да", T + 5, author=IVAN),
        said(12, "чек", T + 9),
        said(16, "мимо", T + 7),
    )
    book.stores.write(lambda tx: book.stores.archive.apply_history(tx, told, T + 200))
    book.sql("UPDATE files SET state = 'stored', hash = ?, stored_size = 1", ("a" * 64,))
    book.day()
    found = book.verify()
    assert found.problems == [] and found.edited + found.repaired >= 3
    # The portal may tell the same words in other BB code again.
    told = history(said(10, "[u]Привет![/u]", T), said(11, "да", T + 5, author=IVAN))
    book.stores.write(lambda tx: book.stores.archive.apply_history(tx, told, T + 300))
    assert book.verify().problems == []


TAMPERED = {
    "text": "UPDATE messages SET text = 'нет' WHERE message_id = 11",
    "text for reading": "UPDATE messages SET text_plain = 'нет' WHERE message_id = 11",
    "both": "UPDATE messages SET text = 'нет', text_plain = NULL, edited_at = 1785312400 WHERE message_id = 11",
    "author": "UPDATE messages SET author_id = 744 WHERE message_id = 11",
    "row": "DELETE FROM messages WHERE message_id = 11",
    "key": f"DELETE FROM manifest_keys WHERE chat_id = {CHAT}",
}


@pytest.mark.parametrize("sql", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_change_that_nobody_made_is_shown_and_stays_shown(book: Book, sql: str) -> None:
    talk(book)
    book.day()
    book.sql(sql)
    assert 11 in {problem.message_id for problem in book.verify().problems}
    play(book.stores, [Say(20, "дальше", T + 50, 1, T)])
    book.day()
    assert 11 in {problem.message_id for problem in book.verify().problems}


def test_a_lost_former_text_file_deletion_or_time_is_shown(book: Book) -> None:
    talk(book)
    play(book.stores, [Edit(10, "Привет!", T + 30, 1, T), Delete(11, T + 31, 1, T)])
    told = history(said(10, "Привет!", T), said(11, "да", T + 5, author=IVAN), edited=[10], deleted=[11])
    book.stores.write(lambda tx: book.stores.archive.apply_history(tx, told, T + 200))
    book.sql("UPDATE files SET state = 'stored', hash = ?, stored_size = 1", ("a" * 64,))
    book.day()
    assert book.verify().problems == []
    book.sql("DELETE FROM message_versions WHERE message_id = 10")
    book.sql("UPDATE messages SET deleted_at = NULL WHERE message_id = 11")
    book.sql("UPDATE files SET hash = ? WHERE message_id = 12", ("b" * 64,))
    assert whats(book.verify()) == [
        (10, "1 former texts are gone or changed"),
        (11, "it was deleted, and is shown as if it were not"),
        (12, f"the content of its file {FILE.id} is another"),
    ]


DAMAGE: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "altered": lambda path: path.write_bytes(path.read_bytes().replace(b'"source":2', b'"source":1', 1)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "emptied": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("which", [0, 1])
def test_a_manifest_that_was_removed_or_altered_is_shown(
    book: Book, harm: Callable[[Path], object], which: int
) -> None:
    talk(book)
    book.day()
    play(book.stores, [Say(13, "ещё", T + 20, 1, T)])
    book.day()
    harm(book.files()[which])
    found = book.verify()
    assert {problem.message_id for problem in found.problems} == {None}


def test_a_file_made_anew_with_its_hash_breaks_the_chain(book: Book) -> None:
    talk(book)
    book.day()
    book.day()
    first = book.files()[0]
    first.write_bytes(first.read_bytes().replace(b'"id":11', b'"id":10'))
    digest = sha256(first.read_bytes()).hexdigest()
    book.sql("UPDATE manifests SET digest = ? WHERE day = (SELECT MIN(day) FROM manifests)", (digest,))
    assert (None, "it does not follow the former day's file") in whats(book.verify())


def test_an_erased_dialog_is_explained_told_once_and_cannot_be_guessed(book: Book) -> None:
    talk(book)
    book.day()
    keys = book.read("SELECT key FROM manifest_keys")
    SqliteErasure(book.stores.storage).erase(CHAT, T + 1000)
    found = book.verify()
    assert (found.problems, found.erased) == ([], 3)
    book.day()
    assert json.loads(book.files()[1].read_text().splitlines()[1]) == {"erased": CHAT, "up_to": 12}
    book.day()
    assert len(book.files()[2].read_text().splitlines()) == 2  # nothing more to tell
    assert book.verify().problems == [] and keys
    # Without the key nothing that can be had leads from a text to its hash.
    book.stores.storage.close()
    left = b"".join(path.read_bytes() for path in book.stores.storage.path.parent.glob("dialogs.db*"))
    assert all(key not in left for (key,) in keys)
    seals = {json.loads(line).get("words") for line in book.files()[0].read_text().splitlines()}
    for guess in ("да", "привет"):
        raw = json.dumps(["words", guess], ensure_ascii=False).encode()
        assert blake2b(raw, digest_size=16).hexdigest() not in seals
        assert blake2b(raw, key=keys[0][0], digest_size=16).hexdigest() in seals  # with it, it does


def test_what_is_left_of_a_dialog_after_an_erasure_is_sealed_again(book: Book) -> None:
    talk(book)
    play(book.stores, [Say(30, "потом", T + 5000, 1, T)])
    book.day()
    # As when it was said while the erasure was under way.
    SqliteErasure(book.stores.storage)._erase(CHAT, lambda tx: Tombstone(12, T + 9))
    assert [m["message_id"] for m in book.stores.messages()] == [30]
    assert book.verify().problems == []
    book.day()
    assert [json.loads(line).get("id") for line in book.files()[1].read_text().splitlines()][1] == 30
    found = book.verify()
    assert (found.problems, found.same) == ([], 1)
    book.sql("UPDATE messages SET text = 'иначе' WHERE message_id = 30")
    assert [problem.message_id for problem in book.verify().problems] == [30]


def test_manifests_of_an_archive_that_was_put_aside_are_not_compared(book: Book) -> None:
    talk(book)
    book.day()
    book.stores.storage.start_afresh(("facts", "erased_chats", "erased_sessions", "manifests"))
    book.manifests.begin_anew()
    found = book.verify()
    assert (found.problems, found.of_former_archives) == ([], 1)
    book.day()
    assert book.verify().problems == []


def test_a_killed_writer_leaves_nothing_that_counts(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    talk(book)
    before_the_commit = book.manifests.keep
    monkeypatch.setattr(SqliteManifests, "keep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        book.day()
    monkeypatch.setattr(SqliteManifests, "keep", before_the_commit.__func__)  # type: ignore[attr-defined]  # bound
    assert book.manifests.days() == [] and len(book.files()) == 1
    book.today -= 1
    play(book.stores, [Say(13, "ещё", T + 20, 1, T)])
    book.day()
    found = book.verify()
    assert (found.problems, found.manifests, found.same) == ([], 1, 4)
