"""`botctl INSTANCE forget` beside a running instance: everything of a person goes, everybody else's stays."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, ok, shown
from tests.instance.tools import adopt, altered, client_message, row_counts, status, wait_idle
from tests.support import until, vector

TEXT = "Мой адрес: Вторая Песчаная, дом 4, квартира 17"
LONG = "Расскажу по порядку, что случилось с заказом номер 88213. " * 400
NAME, SURNAME = "Анна Смирнова", "Смирнова"
EXTERNAL = "209607941"
GREETING = "Здравствуйте! Чем я могу вам помочь сегодня?"


def said(message_id: int, text: str, chat_id: int = 1763, **more: str) -> bytes:
    keys = {"data[PARAMS][CHAT_ENTITY_ID]": f"telegrambot|3|{EXTERNAL}|744"} if chat_id == 1763 else {}
    return client_message(message_id, chat_id, 300 + chat_id, text, **{**keys, **more})


def of_olena(message_id: int, text: str) -> bytes:
    user = {"data[USER][ID]": "801", "data[USER][NAME]": "Олена Коваль", "data[PARAMS][FROM_USER_ID]": "801"}
    user |= {"data[USER][FIRST_NAME]": "Олена", "data[USER][LAST_NAME]": "Коваль", "data[PARAMS][AUTHOR_ID]": "801"}
    user |= {"data[PARAMS][CHAT_TITLE]": "Олена Коваль - Продажи"}
    user |= {"data[PARAMS][CHAT_ENTITY_ID]": "telegrambot|3|5550001|801"}
    return altered(client_message(message_id, 1900, 400, text), user)


def of_ivan(message_id: int, text: str, chat_id: int) -> bytes:
    ids = {"CHAT_ID": chat_id, "TO_CHAT_ID": chat_id, "DIALOG_ID": f"chat{chat_id}", "MESSAGE_ID": message_id}
    ids |= {"CHAT_ENTITY_DATA_1": f"Y|LEAD|1205|N|N|{300 + chat_id if chat_id == 1763 else 400}|1785311960|3|0|0"}
    if chat_id != 1763:
        ids |= {"CHAT_TITLE": "Олена Коваль - Продажи", "CHAT_ENTITY_ID": "telegrambot|3|5550001|801"}
    ids |= {"MESSAGE": text, "MESSAGE_ORIGINAL": text}
    return altered(vector("V7"), {f"data[PARAMS][{key}]": str(value) for key, value in ids.items()})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StagedServer]:
    with SimulatedPortal() as portal:
        running = StagedServer(tmp_path / "root", portal)
        adopt(portal, running)
        with running:
            until(lambda: (status(running)["portal"] or {}).get("bot_id"))
            for event in (
                said(10, TEXT),
                said(11, LONG),
                of_ivan(12, GREETING, 1763),
                vector("V8"),
                vector("V5"),
                of_olena(20, "Где мой заказ, хотела бы я знать?"),
                of_ivan(21, GREETING, 1900),
            ):
                assert running.post_event(event).status == 200
            until(lambda: len(running.messages(1900)) == 2)
            wait_idle(running)
            yield running


def places(home: Path, word: str) -> list[str]:
    """Files with the word in one of its usual spellings; written apart from the search under test."""
    ways = [
        word.encode(),
        word.lower().encode(),
        word.encode("utf-16-le"),
        json.dumps(word)[1:-1].encode(),
        quote_plus(word).encode(),
    ]
    found = []
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            data += gzip.decompress(data) if path.suffix == ".gz" else b""
            found += [str(path.relative_to(home))] if any(way in data for way in ways) else []
    return found


def test_a_person_goes_from_everywhere_and_the_search_proves_it(server: StagedServer) -> None:
    root, home = server.layout.root, server.home
    copy = server.api("/api/admin/reinit_db", "POST")["copy"]
    for event in (said(30, TEXT), of_olena(31, "И ещё раз здравствуйте вам!")):
        assert server.post_event(event).status == 200
    until(lambda: server.messages())
    wait_idle(server)
    (home / "bot.log.1.gz").write_bytes(gzip.compress(f'{{"message": "{NAME}"}}\n{{"message": "x"}}\n'.encode()))
    with (home / "bot.log").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"message": f"refused: {NAME}"}, ensure_ascii=False) + "\n")
    assert set(places(home, SURNAME)) >= {"dialogs.db", copy, "bot.log", "bot.log.1.gz"} - {"dialogs.db"}

    until(lambda: server.api(f"/api/search?q={quote('Песчаная')}")["messages"])

    found = shown(root, "shop-1", "forget", "--client", "744", "--dry-run")
    assert (found["chats"], found["copies"], found["known"]) == ([1763], [copy], True)
    assert places(home, SURNAME)

    told = ok(root, "shop-1", "forget", "--client", "744", "--yes")
    assert "Nothing is left." in told and "backups" in told
    for word in (NAME, SURNAME, TEXT, LONG[:60], EXTERNAL):
        assert places(home, word) == [], word
    assert server.get("/healthz").status == 200
    assert server.api(f"/api/search?q={quote('Песчаная')}")["messages"] == []
    until(lambda: server.api(f"/api/search?q={quote('здравствуйте')}")["messages"], what="the others are still found")
    assert [d["chat_id"] for d in server.api("/api/dialogs")["dialogs"]] == [1900]
    assert "И ещё раз здравствуйте вам!" in [m["text"] for m in server.messages(1900)]
    with closing(sqlite3.connect(home / copy)) as kept:
        texts = [row[0] for row in kept.execute("SELECT text FROM messages ORDER BY message_id")]
    assert texts == ["Где мой заказ, хотела бы я знать?", GREETING]
    assert all(json.loads(line) for line in (home / "bot.log").read_text(encoding="utf-8").splitlines())
    assert gzip.decompress((home / "bot.log.1.gz").read_bytes()) == b'{"message": "x"}\n'

    again = ok(root, "shop-1", "forget", "--client", "744", "--yes")
    assert "Nothing is known of 744" in again


def test_what_comes_later_is_archived_and_what_was_before_is_not(server: StagedServer) -> None:
    answer = shown(server.layout.root, "shop-1", "forget", "--client", "744", "--yes")
    assert answer["erased"]["dialogs"] == 1 and answer["search"]["left"] == []
    assert answer["search"]["shared"] >= 1  # the operator greets everybody so
    before = row_counts(server)
    for event in (said(10, TEXT), vector("V8"), vector("V5")):
        assert server.post_event(event).status == 200
    assert row_counts(server) == before
    assert places(server.home, SURNAME) == []
    now = {"ts": str(int(time.time()))}
    assert server.post_event(said(90000, "Это снова я, здравствуйте", **now)).status == 200
    until(lambda: [m["text"] for m in server.messages()] == ["Это снова я, здравствуйте"])
    assert server.api("/api/dialogs/1763")["dialog"]["client"] == {"id": 744, "name": NAME}


def test_contents_of_files_go_unless_somebody_else_sent_the_same(server: StagedServer) -> None:
    (file_id,) = server.sql("SELECT file_id FROM files WHERE message_id = 85835")[0]
    own, same = hashlib.sha256(b"own").hexdigest(), hashlib.sha256(b"same").hexdigest()
    paths = {digest: server.home / "files" / digest[:2] / digest for digest in (own, same)}
    for digest, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"own" if digest == own else b"same")
    (server.home / "files" / "tmp").mkdir(exist_ok=True)
    with closing(sqlite3.connect(server.home / "dialogs.db", timeout=10)) as db, db:
        row = "(message_id, file_id, name, size, type, url, state, hash, stored_size)"
        db.execute("UPDATE files SET state = 'stored', hash = ?, stored_size = 3 WHERE file_id = ?", (own, file_id))
        for message_id in (11, 20):
            values = (message_id, 7000 + message_id, "x.jpg", 4, "image", "", "stored", same, 4)
            db.execute(f"INSERT INTO files {row} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    ok(server.layout.root, "shop-1", "forget", "--client", "744", "--yes")
    assert [path.exists() for path in paths.values()] == [False, True]


def test_traces_between_the_rows_of_an_archive_of_an_earlier_release_go_too(server: StagedServer) -> None:
    """It did not overwrite what it deleted."""
    with closing(sqlite3.connect(server.home / "dialogs.db", timeout=10)) as db, db:
        db.execute("PRAGMA secure_delete=OFF")
        rows = [(f"zz{i}", json.dumps(f"{NAME} {TEXT}", ensure_ascii=False) * 40) for i in range(200)]
        db.execute("CREATE TABLE gone (name TEXT, value TEXT)")
        db.executemany("INSERT INTO gone VALUES (?, ?)", rows)
        db.execute("DROP TABLE gone")
    answer = shown(server.layout.root, "shop-1", "forget", "--client", "744", "--yes")
    assert answer["search"]["was_compacted"] is True and answer["search"]["left"] == []
    assert places(server.home, NAME) == []
    assert server.post_event(of_olena(40, "Всё ещё жду ответа от вас")).status == 200


def test_what_botctl_does_not_clean_is_named(server: StagedServer) -> None:
    (server.home / "notes.bin").write_bytes(b"\x00" + zlib.compress(NAME.encode() * 50))
    (server.home / "dialogs.db.unreadable-x").write_bytes(b"SQLite format 3\x00" + b"\xff" * 900 + TEXT.encode())
    done = botctl(server.layout.root, "shop-1", "forget", "--client", "744", "--yes")
    assert done.returncode == 1
    assert "Left: a name or number in notes.bin" in done.stdout
    assert "Left: a text in dialogs.db.unreadable-x" in done.stdout
    assert TEXT not in done.stdout and NAME not in done.stdout


def test_somebody_whom_topics_alone_know_is_forgotten_by_account_and_chat(server: StagedServer) -> None:
    """No line shows the chat, so the portal has no user for them."""
    root, chat, other, name = server.layout.root, "av:u2i-AbC~dEf", "av:u2i-other", "Пётр Семёнов"
    body = json.dumps({"text": "Отдадите за половину цены сегодня?"}, ensure_ascii=False)
    with closing(sqlite3.connect(server.home / "dialogs.db", timeout=10)) as db, db:
        db.execute(
            "INSERT INTO channel_accounts (channel, external_id, name, created_at) VALUES ('avito', '1', 'Shop', 1)"
        )
        for place in (chat, other):
            person = json.dumps(
                {"id": "av:94200777" if place == chat else "av:5", "name": name if place == chat else "Q"}
            )
            title = f"{name} · Велосипед" if place == chat else "Q"
            db.execute(
                "INSERT INTO channel_chats (account_id, chat_id, name, person) VALUES (1, ?, ?, ?)",
                (place, title, person),
            )
            db.execute("INSERT INTO channel_topics VALUES (1, ?, '-100', ?, 'open')", (place, place[-3:]))
            db.execute(
                "INSERT INTO channel_posts (account_id, chat_id, direction, sent_at, status, body)"
                " VALUES (1, ?, 'topic', 1, 'failed', ?)",
                (place, body if place == chat else "{}"),
            )
            db.execute(
                "INSERT INTO channel_messages (account_id, direction, chat_id, kind, status, at)"
                " VALUES (1, 'in', ?, 'message', 'sent', 1)",
                (place,),
            )
            db.execute("INSERT INTO channel_message_ids VALUES (1, ?, last_insert_rowid(), 0)", (place[-3:],))

    def left(word: str) -> int:
        return sum(
            word in str(row)
            for table in ("channel_chats", "channel_topics", "channel_posts", "channel_messages")
            for row in server.sql(f"SELECT * FROM {table}")
        )

    assert left(chat) == left(other) == 4 and len(server.sql("SELECT * FROM channel_message_ids")) == 2
    found = shown(root, "shop-1", "forget", "--account", "1", "--chat", "u2i-AbC~dEf", "--dry-run")
    assert (found["account"], found["chat"], found["known"]) == (1, chat, True) and left(chat) == 4
    told = ok(root, "shop-1", "forget", "--account", "1", "--chat", chat, "--yes")
    assert "Nothing is left." in told and "topic of the group" in told
    assert (left(chat), left(other), len(server.sql("SELECT * FROM channel_message_ids"))) == (0, 4, 1)
    for word in (name, "94200777", "половину цены"):
        assert places(server.home, word) == [], word
    assert "Nothing is known" in ok(root, "shop-1", "forget", "--account", "1", "--chat", chat, "--yes")
    refused = botctl(root, "shop-1", "forget", "--account", "1", "--yes")
    assert refused.returncode == 2 and "--chat" in refused.stderr

    with closing(sqlite3.connect(server.home / "dialogs.db", timeout=10)) as db, db:
        db.execute("UPDATE channel_chats SET portal_chat_id = 1763 WHERE chat_id = ?", (other,))
    refused = botctl(root, "shop-1", "forget", "--account", "1", "--chat", other, "--yes")
    assert refused.returncode == 1 and "dialog 1763" in refused.stderr and left(other) == 4


def test_an_operator_is_not_a_client_and_nobody_is_asked_without_a_terminal(server: StagedServer) -> None:
    root, before = server.layout.root, row_counts(server)
    refused = botctl(root, "shop-1", "forget", "--client", "27", "--yes")
    assert refused.returncode == 1 and "client of no dialog" in refused.stderr
    refused = botctl(root, "shop-1", "forget", "--client", "744")
    assert refused.returncode == 1 and "--yes" in refused.stderr
    assert "Nothing is known of 9999" in ok(root, "shop-1", "forget", "--client", "9999", "--yes")
    assert row_counts(server) == before
