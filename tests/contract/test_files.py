"""What becomes of the contents of attachments, and what nobody may forget when rows are deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from python_bot.archive import Source, SqliteErasure
from python_bot.model import FileRef
from tests.contract.conversations import CHAT, FILE, facts, said

T = 1_785_312_000
HASH, OTHER = "a" * 64, "b" * 64


def shows(stores: Any, message_id: int, *files: FileRef, chat_id: int = CHAT) -> None:
    message = said(message_id, "вот", T, chat_id, chat_id=chat_id, files=files)
    stores.write(lambda tx: stores.archive.add_message(tx, facts(chat_id, T, chat_id), message, Source.BOT))


def numbered(file_id: int) -> FileRef:
    return replace(FILE, id=file_id)


def take(stores: Any, limit: int = 100) -> list[int]:
    found: list[int] = stores.write(lambda tx: stores.archive.take_new_files(tx, limit))
    return found


def store(stores: Any, file_id: int, digest: str = HASH, size: int = 7, name: str = "") -> bool:
    found: bool = stores.write(lambda tx: stores.archive.file_stored(tx, file_id, digest, size, name))
    return found


def states(stores: Any, chat_id: int = CHAT) -> list[tuple[int, str, str | None]]:
    return [(f["id"], f["state"], f["problem"]) for m in stores.messages(chat_id) for f in m["files"]]


def changed_at(stores: Any, message_id: int) -> int:
    with stores.storage.read() as tx:
        at: int = tx.sql.execute("SELECT changed FROM messages WHERE message_id = ?", (message_id,)).fetchone()[0]
    return at


def test_new_files_are_taken_up_once_and_the_newest_first(stores: Any) -> None:
    shows(stores, 1, numbered(10), numbered(12), numbered(11))
    assert take(stores, 2) == [12, 11]
    assert take(stores, 2) == [10]
    assert take(stores) == []
    assert {state for _, state, _ in states(stores)} == {"waiting"}
    shows(stores, 1, numbered(10))  # told again
    assert take(stores) == []


def test_a_stored_file_is_so_in_every_message_that_shows_it(stores: Any) -> None:
    shows(stores, 1, FILE)
    shows(stores, 2, FILE)
    assert take(stores) == [FILE.id]
    assert store(stores, FILE.id)
    shows(stores, 3, FILE)
    assert states(stores) == [(FILE.id, "stored", None)] * 3
    assert take(stores) == []
    found = stores.archive.file(FILE.id)
    assert (found.state, found.hash, found.name, found.chat_id) == ("stored", HASH, FILE.name, CHAT)


def test_a_bare_id_gets_the_name_and_the_size_that_come_with_the_content(stores: Any) -> None:
    shows(stores, 1, FileRef(9, "", 0, "file", ""))
    assert store(stores, 9, size=7, name="счёт.pdf")
    (file,) = stores.messages()[0]["files"]
    assert (file["name"], file["size"]) == ("счёт.pdf", 7)
    shows(stores, 2, FILE)
    assert store(stores, FILE.id, size=7, name="another.pdf")
    (file,) = stores.messages()[1]["files"]
    assert (file["name"], file["size"]) == (FILE.name, FILE.size)


def test_a_content_that_no_message_shows_is_nobodys(stores: Any) -> None:
    assert not store(stores, 404)
    assert stores.archive.file(404) is None


def test_a_problem_is_shown_until_the_file_is_stored_and_never_after(stores: Any) -> None:
    def misses(problem: str, given_up: bool) -> None:
        stores.write(lambda tx: stores.archive.file_missing(tx, FILE.id, problem, given_up=given_up))

    shows(stores, 1, FILE)
    take(stores)
    misses("the download was cut", False)
    assert states(stores) == [(FILE.id, "waiting", "the download was cut")]
    misses("the download was cut (15 tries)", True)
    assert states(stores) == [(FILE.id, "failed", "the download was cut (15 tries)")]
    assert take(stores) == []
    store(stores, FILE.id)
    misses("late", True)
    assert states(stores) == [(FILE.id, "stored", None)]


def test_a_file_that_is_not_wanted_any_more_may_be_taken_up_later(stores: Any) -> None:
    shows(stores, 1, FILE)
    take(stores)
    stores.write(lambda tx: stores.archive.let_file_go(tx, FILE.id))
    assert states(stores) == [(FILE.id, "metadata", None)]
    assert take(stores) == [FILE.id]
    store(stores, FILE.id)
    stores.write(lambda tx: stores.archive.let_file_go(tx, FILE.id))
    assert states(stores) == [(FILE.id, "stored", None)]


def test_a_follower_of_the_archive_hears_that_a_content_came(stores: Any) -> None:
    shows(stores, 1, FILE)
    before = changed_at(stores, 1)
    store(stores, FILE.id)
    assert changed_at(stores, 1) > before


def test_a_message_tells_its_files_until_it_is_deleted(stores: Any) -> None:
    shows(stores, 1, numbered(11), numbered(10))
    shows(stores, 2)
    assert [(file.id, file.name, file.chat_id) for file in stores.archive.files_of(1)] == [
        (10, FILE.name, CHAT),
        (11, FILE.name, CHAT),
    ]
    assert stores.archive.files_of(2) == stores.archive.files_of(3) == []
    stores.write(lambda tx: tx.sql.execute("UPDATE messages SET deleted_at = 1 WHERE message_id = 1"))
    assert stores.archive.files_of(1) == []


def test_equal_contents_count_once(stores: Any) -> None:
    shows(stores, 1, numbered(10), numbered(11), numbered(12))
    for file_id, digest in ((10, HASH), (11, HASH), (12, OTHER)):
        store(stores, file_id, digest, 7)
    assert stores.archive.stored_bytes() == 14
    assert stores.archive.file_counts() == {"stored": 3}
    assert stores.archive.hashes_in_use([HASH, OTHER, "c" * 64]) == {HASH, OTHER}


def test_whoever_deletes_a_file_leaves_its_content_to_be_removed(stores: Any) -> None:
    shows(stores, 1, numbered(10))
    shows(stores, 2, numbered(11), numbered(12), chat_id=6)
    for file_id, digest in ((10, HASH), (11, HASH), (12, OTHER)):
        store(stores, file_id, digest)
    SqliteErasure(stores.storage).erase(6, T + 10)
    assert sorted(stores.archive.left_contents()) == [HASH, OTHER]
    assert stores.archive.hashes_in_use([HASH, OTHER]) == {HASH}
    stores.write(lambda tx: stores.archive.forget_contents(tx, [OTHER]))
    assert stores.archive.left_contents() == []  # the other one is in use: nothing is left to do
    SqliteErasure(stores.storage).erase(CHAT, T + 10)
    assert stores.archive.left_contents() == [HASH]
