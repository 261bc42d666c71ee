"""Exports over a real instance: whole or visibly broken off, few at a time, and nobody who is slow holds anything."""

from __future__ import annotations

import gzip
import io
import json
import socket
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.web.api_tokens import ApiToken, hash_of, write_tokens
from tests.instance.tools import BEARER, adopt, client_message, error_code, raw
from tests.support import TOKEN, Server, until, vector

FORMATS = ("jsonl", "csv", "html", "sqlite")


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """An instance with some conversations; it calls nobody."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        tokens = [
            ApiToken("reads", "read", "2026-01-01T00:00:00Z", hash_of("reads-only-token")),
            ApiToken("exports", "export", "2026-01-01T00:00:00Z", hash_of("exports-token")),
            ApiToken("line", "export", "2026-01-01T00:00:00Z", hash_of("other-line-token"), line_id=77),
        ]
        (server.home / "tokens.json").write_bytes(write_tokens(tokens))
        with server:
            for number in ("V3", "V4", "V5", "V6", "V7", "V8", "V9", "V16"):
                assert server.post_event(vector(number)).status == 200
            for i, text in enumerate(("=1+1; «Ё»", "Меня зовут Фарангис, 8 999 123-45-67")):
                assert server.post_event(client_message(700_000 + i, 1800 + i, 400 + i, text)).status == 200
            yield server


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An instance with so much in it that an export does not fit into the buffers of a connection."""
    home = tmp_path_factory.mktemp("large")
    with SimulatedPortal() as portal:
        server = Server(portal, home=home)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        with server:
            assert server.post_event(vector("V4")).status == 200
            with closing(sqlite3.connect(home / "dialogs.db")) as db, db:
                db.execute(
                    "WITH RECURSIVE n (id) AS (SELECT 1000001 UNION ALL SELECT id + 1 FROM n WHERE id < 1060000)"
                    " INSERT INTO messages (message_id, chat_id, author_id, author_kind, text, sent_at, source)"
                    " SELECT id, 1763, 744, 'client', printf('%.*c', 800, 'x'), 1785312000, 2 FROM n"
                )
            yield server


def exported(server: Server, query: str) -> bytes:
    answer = server.get(f"/api/export?{query}", **BEARER)
    assert answer.status == 200, answer.text
    return answer.body


def messages_of(server: Server) -> list[Any]:
    page = server.get("/api/messages?limit=500", **BEARER).json
    return sorted(page["messages"], key=lambda message: message["message_id"])


def lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.decode().split("\n") if line]


def test_a_line_is_a_message_exactly_as_the_api_shows_it(api: Server) -> None:
    answer = api.get("/api/export?format=jsonl", **BEARER)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert 'filename="export.jsonl"' in answer.headers["Content-Disposition"]
    assert answer.headers["Transfer-Encoding"] == "chunked" and answer.body.endswith(b"}\n")
    assert lines(answer.body) == messages_of(api)
    assert exported(api, "") == answer.body


def test_filters_are_those_of_the_lists(api: Server) -> None:
    every = messages_of(api)
    assert lines(exported(api, "chat_id=1763")) == [m for m in every if m["chat_id"] == 1763]
    assert {1763, 1800, 1801} <= {m["chat_id"] for m in lines(exported(api, "client_id=744"))}
    assert lines(exported(api, "since=2100-01-01")) == lines(exported(api, "line_id=77")) == []
    until(lambda: [m["message_id"] for m in lines(exported(api, f"q={quote('Фарангис')}"))] == [700_001])


def test_the_other_formats_hold_the_same(api: Server, tmp_path: Path) -> None:
    sheet = exported(api, "format=csv&tz_offset=3&lang=en").decode("utf-8-sig")
    assert sheet.startswith("Chat;Session;Message;") and "'=1+1; «Ё»" in sheet
    page = exported(api, "format=html&chat_id=1763&lang=en").decode()
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
    with zipfile.ZipFile(io.BytesIO(exported(api, "format=html"))) as pages:
        assert pages.testzip() is None
        chats = {message["chat_id"] for message in messages_of(api)}
        assert {"index.html", *(f"dialogs/{chat}.html" for chat in chats)} <= set(pages.namelist())
    path = tmp_path / "export.db"
    path.write_bytes(exported(api, "format=sqlite"))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        texts = [row[0] for row in db.execute("SELECT text FROM messages ORDER BY message_id")]
        assert texts == [message["text"] for message in messages_of(api)]
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"dialogs", "sessions", "messages", "files", "users"}
        (told,) = db.execute("SELECT COUNT(*) FROM dialogs JOIN users ON user_id = client_id").fetchone()
        assert told and db.execute("SELECT COUNT(*) FROM files").fetchone() > (0,)
    assert [path for path in api.home.iterdir() if path.name.startswith("export-")] == []


@pytest.mark.parametrize("query", [f"format={name}" for name in FORMATS] + ["format=html&chat_id=1763"])
def test_nobody_is_in_an_anonymised_export(api: Server, query: str) -> None:
    body = exported(api, f"{query}&anonymise=1")
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as pages:
            body = b"".join(pages.read(name) for name in pages.namelist())
    text = body.decode("utf-8", "replace")
    for planted in ("Анна", "Смирнов", "Иван Петров", "Петров", "Фарангис", "999 123", "acme.bitrix24", "http"):
        assert planted.lower() not in text.replace("http-equiv", "").lower(), planted
    assert "Участник-" in text
    again = exported(api, f"{query}&anonymise=1")
    assert again == exported(api, f"{query}&anonymise=1")
    assert (api.home / "anonymise.key").stat().st_mode & 0o777 == 0o600


def test_pseudonyms_are_the_same_in_every_format(api: Server) -> None:
    (said,) = {m["author"]["name"] for m in lines(exported(api, "chat_id=1800&anonymise=1"))}
    assert said in exported(api, "format=csv&chat_id=1800&anonymise=1").decode()
    assert said in exported(api, "format=html&chat_id=1800&anonymise=1").decode()


def test_an_answer_is_packed_as_it_goes(api: Server) -> None:
    answer = api.get("/api/export", Accept_Encoding="gzip", **BEARER)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == exported(api, "")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("format=xml", "format"),
        ("lang=ru", "lang"),
        ("format=csv&lang=de", "lang"),
        ("tz_offset=3", "tz_offset"),
        ("format=csv&tz_offset=99", "tz_offset"),
        ("anonymise=maybe", "anonymise"),
        ("chat_id=x", "chat_id"),
        ("since=yesterday", "since"),
    ],
)
def test_a_parameter_that_says_nothing_is_named(api: Server, query: str, name: str) -> None:
    answer = api.get(f"/api/export?{query}", **BEARER)
    assert error_code(answer) == (400, "bad_parameter") and name in answer.json["error"]["message"]
    assert error_code(api.get("/api/export?limit=5", **BEARER)) == (400, "unknown_parameter")


def test_an_unknown_dialog_has_no_page(api: Server) -> None:
    assert error_code(api.get("/api/export?format=html&chat_id=424242", **BEARER)) == (404, "dialog_unknown")


def test_a_token_exports_when_its_scope_says_so_and_its_own_line_only(api: Server) -> None:
    assert error_code(api.get("/api/export")) == (401, "token_missing")
    assert error_code(api.get("/api/export", X_API_Token="reads-only-token")) == (403, "token_reads_only")
    assert lines(api.get("/api/export", X_API_Token="exports-token").body) == messages_of(api)
    assert api.get("/api/export", X_API_Token="other-line-token").body == b""
    assert error_code(api.get("/api/export?line_id=3", X_API_Token="other-line-token")) == (403, "token_one_line")


def test_a_client_that_could_not_see_the_end_is_refused(api: Server) -> None:
    request = f"GET /api/export HTTP/1.0\r\nHost: x\r\nX-API-Token: {TOKEN}\r\n\r\n"
    status, _, body = raw(api, request.encode())
    assert status == 400 and json.loads(body)["error"]["code"] == "http_1_0"


# --- slow, gone, broken off -------------------------------------------------------------------------------------------


def begun(server: Server, query: str = "") -> socket.socket:
    """A client that has asked, got the first bytes, and takes no more."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    request = f"GET /api/export?{query} HTTP/1.1\r\nHost: x\r\nX-API-Token: {TOKEN}\r\n\r\n"
    connection.sendall(request.encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    return connection


def test_slow_clients_hold_nothing_and_leave_their_places(large: Server) -> None:
    first, second = begun(large), begun(large)
    answer = large.get("/api/export", **BEARER)
    assert error_code(answer) == (503, "too_many_exports") and answer.headers["Retry-After"] == "30"
    # Neither the writer nor the write-ahead log waits for them.
    assert large.post_event(client_message(2_000_001, 1763, 744, "Я здесь")).status == 200
    with closing(sqlite3.connect(large.home / "dialogs.db")) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    first.close()
    second.close()
    until(lambda: large.get("/api/export?since=2100-01-01", **BEARER).status == 200, what="the places are free again")


def test_a_killed_instance_ends_an_answer_visibly_and_leaves_no_file(large: Server) -> None:
    with begun(large) as client, begun(large, "format=sqlite") as other:
        large.kill()
        rest = read_all(client)
        assert not rest.endswith(b"0\r\n\r\n")
        assert len(read_all(other)) < 20_000_000
    (large.home / "export-left.tmp").write_bytes(b"of a process that was killed between two calls")
    large.start()
    assert [path for path in large.home.iterdir() if path.name.startswith("export-")] == []
    assert len(lines(exported(large, "client_id=744"))) >= 60_000


def read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while part := connection.recv(1 << 20):
            data += part
    except ConnectionError:
        pass
    return data


def test_an_archive_that_is_replaced_in_the_middle_is_no_whole_export(large: Server) -> None:
    with begun(large) as client:
        assert large.request("POST", "/api/admin/reinit_db", b"", **BEARER).status == 200
        assert not read_all(client).endswith(b"0\r\n\r\n")
