"""The store of contents: a place for each hash, nothing left over, room watched."""

from __future__ import annotations

import hashlib
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from python_bot.archive import Source, SqliteArchive
from python_bot.attachments.store import MIB, ContentStore, Limits
from python_bot.db import Storage
from python_bot.errors import FileUnavailable, NoRoomForFiles
from python_bot.model import ChatFacts, FileRef, Message, User

ANNA = User(744, "Анна", "client")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Any]:
    """A home with an archive in which message n shows file n."""
    storage = Storage(tmp_path / "dialogs.db")
    storage.open()
    archive = SqliteArchive(storage)

    def shows(number: int) -> None:
        files = (FileRef(number, "a.bin", 0, "file", ""),)
        message = Message(number, 5, None, ANNA, "", "", 1_785_312_000, files=files)
        storage.write(lambda tx: archive.add_message(tx, ChatFacts(5), message, Source.BOT))

    yield SimpleNamespace(path=tmp_path, storage=storage, archive=archive, shows=shows)
    storage.close()


def store_in(home: Any, limits: Limits = Limits()) -> ContentStore:  # noqa: B008  # frozen
    return ContentStore(home.path / "files", home.storage, home.archive, limits)


def keep(home: Any, contents: ContentStore, file_id: int, content: bytes) -> str:
    with contents.incoming() as part:
        part.write(content)
        contents.keep(part, lambda digest: commit(home, file_id, digest, len(content)))
    return hashlib.sha256(content).hexdigest()


def commit(home: Any, file_id: int, digest: str, size: int) -> bool:
    found: bool = home.storage.write(lambda tx: home.archive.file_stored(tx, file_id, digest, size, ""))
    return found


def left(home: Any) -> list[str]:
    root = home.path / "files"
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.name != ".lock")


def test_a_content_lies_under_its_hash_for_the_owner_alone(home: Any) -> None:
    contents = store_in(home)
    home.shows(1)
    digest = keep(home, contents, 1, b"hello")
    assert left(home) == [f"{digest[:2]}/{digest}"]
    assert contents.path_of(digest).read_bytes() == b"hello"
    paths = [home.path / "files", *(home.path / "files").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


def test_what_is_not_kept_leaves_nothing(home: Any) -> None:
    contents = store_in(home)
    with pytest.raises(RuntimeError), contents.incoming() as part:
        part.write(b"half")
        raise RuntimeError("cut")
    keep(home, contents, 404, b"the message was erased meanwhile")
    assert left(home) == []


def test_a_failed_commit_is_settled_by_the_next_sweep(home: Any) -> None:
    contents = store_in(home)
    home.shows(1)
    with pytest.raises(RuntimeError), contents.incoming() as part:
        part.write(b"x")
        contents.keep(part, failing)
    assert len(left(home)) == 2  # the content and its marker
    assert store_in(home).sweep() == 1
    assert left(home) == []


def failing(digest: str) -> bool:
    raise RuntimeError("the database is gone")


def test_a_sweep_keeps_what_is_committed_and_what_is_being_written(home: Any) -> None:
    contents = store_in(home)
    home.shows(1)
    digest = keep(home, contents, 1, b"hello")
    (home.path / "files/tmp" / digest).touch()
    (home.path / "files/tmp/.0123abcd-old").write_bytes(b"of a dead process")
    with contents.incoming() as part:
        part.write(b"half")
        assert contents.sweep() == 0
        assert left(home) == [f"{digest[:2]}/{digest}", f"tmp/{part.path.name}"]


def test_a_content_goes_with_the_last_file_that_refers_to_it(home: Any) -> None:
    contents = store_in(home)
    for number in (1, 2):
        home.shows(number)
        digest = keep(home, contents, number, b"hello")
    for number, remaining in ((1, 1), (2, 0)):
        home.storage.write(lambda tx, n=number: tx.sql.execute("DELETE FROM files WHERE file_id = ?", (n,)))
        assert contents.remove_left() == 1 - remaining
        assert contents.path_of(digest).exists() == bool(remaining)
        assert home.archive.left_contents() == []


def test_a_content_that_comes_back_while_it_is_removed_stays(home: Any) -> None:
    """Two threads: one stores a content again and again, the other removes what is left of it."""
    contents, digest, stop = store_in(home), hashlib.sha256(b"hello").hexdigest(), threading.Event()

    def remove() -> None:
        while not stop.is_set():
            contents.remove_left()

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for number in range(1, 60):
            home.shows(number)
            keep(home, contents, number, b"hello")
            assert contents.path_of(digest).exists()
            home.storage.write(lambda tx, n=number: tx.sql.execute("DELETE FROM files WHERE file_id = ?", (n,)))
    finally:
        stop.set()
        thread.join()
    contents.remove_left()
    assert left(home) == []


def test_limits_name_the_setting_and_say_whether_waiting_helps(home: Any) -> None:
    with pytest.raises(FileUnavailable, match="B24BOT_FILE_MAX_MB") as caught:
        store_in(home, Limits(per_file=MIB)).room_for(MIB + 1)
    assert caught.value.final
    store_in(home, Limits(per_file=MIB, total=MIB)).room_for(MIB)
    home.shows(1)
    commit(home, 1, "a" * 64, 1)
    with pytest.raises(NoRoomForFiles, match="B24BOT_FILES_MAX_GB"):
        store_in(home, Limits(total=MIB)).room_for(MIB)
    with pytest.raises(NoRoomForFiles, match="B24BOT_DISK_RESERVE_MB"):
        store_in(home, Limits(reserve=1 << 60)).room_for(0)


def test_a_file_that_grows_beyond_what_was_said_is_stopped(home: Any) -> None:
    contents = store_in(home, Limits(per_file=16 * MIB))
    with pytest.raises(FileUnavailable, match="B24BOT_FILE_MAX_MB"), contents.incoming() as part:
        for _ in range(40):
            part.write(bytes(MIB))
    assert part.size <= 25 * MIB and left(home) == []


def test_a_disk_that_takes_no_more_is_a_reason_to_wait_and_keeps_no_part(home: Any) -> None:
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, former[1]))
    try:
        with pytest.raises(NoRoomForFiles, match="the disk refuses files"), store_in(home).incoming() as part:
            for _ in range(3):
                part.write(bytes(MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert left(home) == []


def test_a_directory_of_somebody_else_is_a_reason_to_wait(home: Any) -> None:
    (home.path / "files").write_text("not a directory")
    with pytest.raises(NoRoomForFiles, match="the disk refuses files"), store_in(home).incoming():
        pass
