"""`botctl INSTANCE backup` and `restore`: consistent while the instance writes, verified before anything changes."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from python_bot.provisioning.paths import Layout
from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, create, env_of, ok, shown, spec_of, tree
from tests.instance.tools import adopt, client_message
from tests.support import TOKEN, until

TABLES = ("dialogs", "sessions", "messages", "users", "participants", "files", "journal", "facts")
Change = Callable[[str, bytes], list[tuple[str, bytes]]]


def rows(database: Path, table: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def home(root: Path, name: str = "shop-1") -> Path:
    return Layout(root).home(name)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A staging root with the instance shop-1, a few messages, files and tokens; it does not run. Not to be changed."""
    root = tmp_path_factory.mktemp("original")
    with SimulatedPortal() as portal:
        server = StagedServer(root, portal)
        adopt(portal, server)
        with server:
            for number in range(1, 21):
                assert server.post_event(client_message(90000 + number, text=f"Слово {number}")).status == 200
            until(lambda: len(server.messages()) == 20)
    ok(root, "shop-1", "token", "add", "reports")
    (home(root) / "files/2026").mkdir(parents=True)
    (home(root) / "files/2026/чек №7.jpg").write_bytes(b"\xff\xd8" * 5000)
    former = home(root) / "dialogs-20260101T000000Z-abcd.db"
    shutil.copy(home(root) / "dialogs.db", former)
    former.chmod(0o600)
    (home(root) / "stranger").symlink_to("/etc/passwd")
    (home(root) / "bot.log").touch()
    (home(root) / "search.db").touch()
    yield root


@pytest.fixture(scope="module")
def archive(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "shop-1.tar.gz"
    before = tree(original)
    out = ok(original, "shop-1", "backup", str(path))
    assert str(path) in out
    assert tree(original).keys() == before.keys(), "nothing is left behind in the instance"
    assert [p.name for p in path.parent.iterdir()] == ["shop-1.tar.gz"]
    return path


# --- the way there and back -----------------------------------------------------------------------------------


def test_a_backup_is_for_its_owner_only_and_holds_no_log_no_lock_and_no_links_target(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as found:
        names = found.getnames()
    assert names[0] == "b24bot-backup.json"
    assert names[-1] == "manifest.json"
    assert {"home/dialogs.db", "home/auth.json", "home/tokens.json", "home/files/2026/чек №7.jpg"} <= set(names)
    assert "home/dialogs-20260101T000000Z-abcd.db" in names, "former archives were said too"
    assert not [
        name for name in names if name.endswith((".log", ".lock", "-wal", "-shm", "search.db")) or "stranger" in name
    ]


def test_on_another_machine_everything_is_as_it_was(original: Path, archive: Path, tmp_path: Path) -> None:
    out = ok(tmp_path, "shop-1", "restore", str(archive))
    assert "20 messages" in out
    for table in TABLES:
        assert rows(home(tmp_path) / "dialogs.db", table) == rows(home(original) / "dialogs.db", table), table
    former = "dialogs-20260101T000000Z-abcd.db"
    assert rows(home(tmp_path) / former, "messages") == rows(home(original) / former, "messages")
    for name in ("auth.json", "tokens.json", "files/2026/чек №7.jpg"):
        assert (home(tmp_path) / name).read_bytes() == (home(original) / name).read_bytes(), name
        assert (home(tmp_path) / name).stat().st_mode & 0o777 == 0o600
    of_the_place = ("PORT=", "B24BOT_HOME=")
    ours, theirs = (
        [line for line in env_of(root).splitlines() if not line.startswith(of_the_place)]
        for root in (tmp_path, original)
    )
    assert ours == theirs
    assert (home(tmp_path) / "ENABLED").exists()
    assert not list(tmp_path.rglob("*b24bot-restore*"))
    ok(tmp_path, "shop-1", "info")


def test_the_restored_instance_runs_and_shows_every_message(archive: Path, tmp_path: Path) -> None:
    ok(tmp_path, "shop-1", "restore", str(archive))
    with SimulatedPortal() as portal, StagedServer(tmp_path, portal) as server:
        assert [message["message_id"] for message in server.messages()] == list(range(90001, 90021))
        assert server.post_event(client_message(90099)).status == 200
        until(lambda: len(server.messages()) == 21)


def test_backed_up_while_writing_at_full_speed_nothing_answered_before_is_missing(tmp_path: Path) -> None:
    ended = threading.Event()
    answered: list[tuple[float, int]] = []
    with SimulatedPortal() as portal:
        server = StagedServer(tmp_path, portal)
        adopt(portal, server)
        with server:

            def write(first: int) -> None:
                for number in range(first, first + 100_000):
                    if ended.is_set():
                        return
                    if server.post_event(client_message(number, chat_id=first // 100_000)).status == 200:
                        answered.append((time.monotonic(), number))

            writers = [threading.Thread(target=write, args=(1_000_000 * n,)) for n in range(1, 5)]
            for writer in writers:
                writer.start()
            until(lambda: len(answered) > 200)
            first, during = time.monotonic(), 0
            while during < 100:  # each takes the place of the one before
                began = time.monotonic()
                ok(tmp_path, "shop-1", "backup", str(tmp_path / "busy.tar.gz"))
                during = sum(1 for at, _ in answered if at > first)
            until(lambda: sum(1 for at, _ in answered if at > began) > 50)
            ended.set()
            for writer in writers:
                writer.join()
    other = tmp_path / "other"
    other.mkdir()
    ok(other, "shop-1", "restore", str(tmp_path / "busy.tar.gz"))
    stored = {row[0]: row for row in rows(home(tmp_path) / "dialogs.db", "messages")}
    restored = {row[0]: row for row in rows(home(other) / "dialogs.db", "messages")}
    assert {number for at, number in answered if at < began} <= restored.keys()
    assert restored.items() <= stored.items(), "every restored message is the same to the last column"
    assert len(restored) < len(stored), "it was taken in the middle"
    with contextlib.closing(sqlite3.connect(home(other) / "dialogs.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_into_a_directory_and_over_an_older_backup_but_over_no_other_file(original: Path, tmp_path: Path) -> None:
    found = shown(original, "shop-1", "backup", str(tmp_path))
    path = Path(found["file"])
    assert path.parent == tmp_path
    assert path.stat().st_size == found["bytes"]
    ok(original, "shop-1", "backup", str(path))
    (tmp_path / "letter.txt").write_text("dear")
    refused = botctl(original, "shop-1", "backup", str(tmp_path / "letter.txt"))
    assert refused.returncode == 1
    assert "Next step:" in refused.stderr
    assert (tmp_path / "letter.txt").read_text() == "dear"
    assert botctl(original, "shop-1", "backup", str(tmp_path / "nowhere/x.tar.gz")).returncode == 1


# --- names, places, what is there already ------------------------------------------------------------------------


def test_under_another_name_beside_the_original_it_calls_nobody(original: Path, archive: Path, tmp_path: Path) -> None:
    ok(tmp_path, "shop-1", "restore", str(archive))
    create(tmp_path, "shop", "--domain", "other.example.ru")
    out = ok(tmp_path, "shop-1", "restore", str(archive), "--as", "shop-2", "--domain", "Пример.РФ")
    assert "calls nobody" in out
    assert (home(tmp_path, "shop-2") / "DISABLED").exists()
    env = env_of(tmp_path, "shop-2")
    assert "B24BOT_INSTANCE=shop-2\n" in env
    assert "B24BOT_HOME=/var/www/b24bots/shop-2\n" in env
    assert "B24BOT_PUBLIC_URL=http://xn--e1afmkfd.xn--p1ai/python_bot/\n" in env
    assert (home(tmp_path) / "ENABLED").exists()
    ports = [spec_of(tmp_path, name).port for name in ("shop", "shop-1", "shop-2")]
    assert len(set(ports)) == 3
    assert rows(home(tmp_path, "shop-2") / "dialogs.db", "messages") == rows(home(original) / "dialogs.db", "messages")


def test_an_instance_that_exists_is_replaced_only_when_asked(archive: Path, tmp_path: Path) -> None:
    ok(tmp_path, "shop-1", "restore", str(archive))
    (home(tmp_path) / "new.txt").write_text("written since")
    before = tree(tmp_path)
    refused = botctl(tmp_path, "shop-1", "restore", str(archive))
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert tree(tmp_path) == before
    ok(tmp_path, "shop-1", "restore", str(archive), "--replace")
    assert not (home(tmp_path) / "new.txt").exists()
    assert {k: v for k, v in tree(tmp_path).items()} == {k: v for k, v in before.items() if not k.endswith("new.txt")}


def test_a_restore_that_fails_at_the_end_puts_the_former_instance_back(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from python_bot.provisioning import transaction

    ok(tmp_path, "shop-1", "restore", str(archive))
    (home(tmp_path) / "new.txt").write_text("written since")
    before = tree(tmp_path)
    carry_out = transaction.Transaction.carry_out

    def failing(self: object, steps: object, verify: object) -> object:
        def never_well() -> None:
            assert "Слово 20" in str(rows(home(Path(os.environ["B24BOT_ROOT"])) / "dialogs.db", "messages"))
            raise OSError(28, "No space left on device")

        return carry_out(self, steps, never_well)  # type: ignore[arg-type]  # the former method, bound

    monkeypatch.setattr(transaction.Transaction, "carry_out", failing)
    done = botctl(tmp_path, "shop-1", "restore", str(archive), "--replace")
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert tree(tmp_path) == before

    empty = tmp_path / "empty"
    empty.mkdir()
    assert botctl(empty, "shop-1", "restore", str(archive)).returncode == 1
    assert tree(empty) == {"run/b24bot.lock": (0o600, b"")}, "nothing of a new instance stays"


def test_the_wrong_name_is_refused_with_the_right_one(archive: Path, tmp_path: Path) -> None:
    done = botctl(tmp_path, "shop-9", "restore", str(archive))
    assert done.returncode == 1
    assert "botctl shop-1 restore" in done.stderr
    assert tree(tmp_path) == {}


def test_an_instance_that_was_off_or_disabled_comes_back_so(original: Path, tmp_path: Path) -> None:
    root = tmp_path / "a"
    shutil.copytree(original, root, symlinks=True)
    (home(root) / "ENABLED").unlink(missing_ok=True)
    (home(root) / "DISABLED").touch()
    ok(root, "shop-1", "backup", str(tmp_path / "off.tar.gz"))
    (tmp_path / "b").mkdir()
    ok(tmp_path / "b", "shop-1", "restore", str(tmp_path / "off.tar.gz"))
    assert (home(tmp_path / "b") / "DISABLED").exists()
    assert not (home(tmp_path / "b") / "ENABLED").exists()


# --- what is not whole --------------------------------------------------------------------------------------------


def refused(root: Path, path: Path) -> str:
    done = botctl(root, "shop-1", "restore", str(path))
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert tree(root) == {}, "nothing was changed"
    assert botctl(root, "shop-1", "restore", str(path), "--check").returncode == 1
    return done.stderr


def test_check_says_what_a_whole_backup_holds_and_changes_nothing(archive: Path, tmp_path: Path) -> None:
    assert "20 messages" in ok(tmp_path, "shop-1", "restore", str(archive), "--check")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_backup_is_refused(archive: Path, tmp_path: Path, share: float) -> None:
    root, path = tmp_path / "root", tmp_path / "cut.tar.gz"
    root.mkdir()
    content = archive.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(root, path)
    path.write_bytes(content[:-1])
    assert "cut off" in refused(root, path)


def test_a_flipped_bit_anywhere_is_noticed(archive: Path, tmp_path: Path) -> None:
    root, path = tmp_path / "root", tmp_path / "flipped.tar.gz"
    root.mkdir()
    content = archive.read_bytes()
    # Not in bytes 4 to 9: gzip's own date and system, which mean nothing.
    for position in [0, 2, *range(10, len(content), max(1, len(content) // 24)), len(content) - 3]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        refused(root, path)


def repacked(archive: Path, target: Path, change: Change) -> Path:
    """The same archive with other members: `change` maps name and content to what is there instead."""
    with tarfile.open(archive) as source, tarfile.open(target, "w:gz") as made:
        for member in source:
            file = source.extractfile(member)
            found = change(member.name, file.read() if file else b"")
            for name, content in found:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
    return target


def test_a_changed_missing_or_added_member_is_refused_by_name(archive: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()

    def refusal(change: Change) -> str:
        return refused(root, repacked(archive, tmp_path / "x.tar.gz", change))

    changed = refusal(lambda name, content: [(name, content + b" " if name == "home/auth.json" else content)])
    assert "home/auth.json was changed" in changed
    assert "home/tokens.json is missing" in refusal(lambda n, c: [] if n == "home/tokens.json" else [(n, c)])
    assert "not in the list" in refusal(
        lambda n, c: [(n, c), ("home/extra", b"")] if n == "instance.json" else [(n, c)]
    )
    assert "cut off" in refusal(lambda n, c: [] if n == "manifest.json" else [(n, c)])
    for name in ("home/../../etc/passwd", "/etc/passwd", "../x", "home/./x", "root/x"):
        found = refusal(lambda n, c, name=name: [(n, c), (name, b"x")] if n == "instance.json" else [(n, c)])
        assert "no backup of ours holds" in found


def test_a_link_in_a_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as made:
        first = tarfile.TarInfo("b24bot-backup.json")
        made.addfile(first, io.BytesIO())
        link = tarfile.TarInfo("home/files")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        made.addfile(link)
    refused(tmp_path / "root", tmp_path / "x.tar.gz")


def test_a_strangers_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    path = tmp_path / "file"
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as made:
        made.add(__file__, "notes.py")
    for content in (b"", b"hello", gzip.compress(b"hello"), (tmp_path / "t.tar.gz").read_bytes()):
        path.write_bytes(content)
        assert "no backup" in refused(tmp_path / "root", path)
    path.unlink()
    assert "No such file" in refused(tmp_path / "root", path)


def test_a_backup_of_a_newer_release_is_refused(original: Path, tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    shutil.copytree(original, source, symlinks=True)
    root.mkdir()
    with contextlib.closing(sqlite3.connect(home(source) / "dialogs.db")) as db:
        db.execute("PRAGMA user_version=99")
    ok(source, "shop-1", "backup", str(tmp_path / "new.tar.gz"))
    assert "schema 99" in refused(root, tmp_path / "new.tar.gz")


def test_a_newer_format_is_refused(archive: Path, tmp_path: Path) -> None:
    import hashlib

    (tmp_path / "root").mkdir()
    header = b'{"format": 2, "instance": "shop-1"}'

    def newer(name: str, content: bytes) -> list[tuple[str, bytes]]:
        if name == "b24bot-backup.json":
            return [(name, header)]
        if name == "manifest.json":
            listing = json.loads(content)
            listing["members"]["b24bot-backup.json"] = [len(header), hashlib.sha256(header).hexdigest()]
            return [(name, json.dumps(listing).encode())]
        return [(name, content)]

    assert "format 2" in refused(tmp_path / "root", repacked(archive, tmp_path / "x.tar.gz", newer))


def test_a_damaged_archive_inside_a_whole_backup_is_refused(original: Path, tmp_path: Path) -> None:
    """The backup of a database that was damaged already says so when it is restored."""
    source, root = tmp_path / "source", tmp_path / "root"
    shutil.copytree(original, source, symlinks=True)
    root.mkdir()
    database = home(source) / "dialogs.db"
    content = bytearray(database.read_bytes())
    content[4096 * 3 : 4096 * 3 + 2000] = b"\x55" * 2000
    database.write_bytes(content)
    done = botctl(source, "shop-1", "backup", str(tmp_path / "x.tar.gz"))
    if done.returncode == 0:
        assert "damaged" in refused(root, tmp_path / "x.tar.gz")


def test_no_secret_is_shown_by_backup_and_restore(original: Path, archive: Path, tmp_path: Path) -> None:
    done = botctl(tmp_path, "shop-1", "restore", str(archive))
    assert TOKEN not in done.stdout + done.stderr
