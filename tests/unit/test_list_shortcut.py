"""Which requests are answered past Flask, and that every other one reaches it untouched."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from python_bot.errors import StorageError
from python_bot.web.access import Access, Caller
from python_bot.web.api.lists import Query
from python_bot.web.api_tokens import ApiToken, TokenFile, hash_of, write_tokens
from python_bot.web.errors import ApiError
from python_bot.web.http_answers import ApiManners, Limiter
from python_bot.web.inbound import note_of
from python_bot.web.list_shortcut import ListShortcut

BEARER = {"HTTP_AUTHORIZATION": "Bearer secret-of-the-tests"}
BODY = json.dumps({"dialogs": [{"title": "Здравствуйте"}] * 20, "next_cursor": None}).encode()


class Server:
    """`read`: what the list was asked, `passed`: what reached Flask."""

    def __init__(self, home: Path, *, per_minute: int = 100, public_read: bool = False) -> None:
        (home / "tokens.json").write_bytes(
            write_tokens([ApiToken("line 4", "read", "2026-01-01T00:00:00Z", hash_of("line-token"), "", 4)])
        )
        self.read: list[tuple[dict[str, str], Caller]] = []
        self.passed: list[dict[str, Any]] = []
        self.raises: Exception | None = None
        access = Access("secret-of-the-tests", public_read, TokenFile(home / "tokens.json"))
        manners = ApiManners(Limiter(per_minute), ())
        self._app = ListShortcut(self._flask, access, manners, {"/api/dialogs": self._list})

    def _flask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.passed.append(environ)
        start_response("418 Flask", [])
        return [b""]

    def _list(self, query: Query, caller: Caller) -> bytes:
        self.read.append((dict(query), caller))
        if self.raises:
            raise self.raises
        return BODY

    def get(self, query: str = "", path: str = "/api/dialogs", **more: str) -> tuple[str, dict[str, str], bytes]:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "wsgi.input": io.BytesIO(),
            **more,
        }
        found: list[Any] = []
        body = b"".join(self._app(environ, lambda line, headers: found.extend((line, dict(headers)))))
        self.environ = environ
        return found[0], found[1], body


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_plain_request_is_answered_past_flask(server: Server) -> None:
    status, headers, body = server.get("limit=5&limit=7&q=%D0%B4%D0%B0&status=", **BEARER)
    assert (status, body, server.passed) == ("200 OK", BODY, [])
    assert server.read == [({"limit": "5", "q": "да", "status": ""}, Caller())]
    assert headers["Content-Type"] == "application/json" and headers["Content-Length"] == str(len(BODY))
    assert headers["X-RateLimit-Remaining"] == "99" and headers["ETag"].startswith('W/"')
    note = note_of(server.environ)
    assert (note.authorization, note.outcome, note.request_shape) == ("bearer", "ok", "?limit,q,status")
    assert note.answer_shape == "dialogs[]{title},next_cursor"


def test_a_token_of_one_line_stays_one(server: Server) -> None:
    server.get("token=line-token")
    assert server.read == [({"token": "line-token"}, Caller("line 4", "read", 4))]
    assert note_of(server.environ).authorization == "query-token"


def test_what_takes_gzip_gets_gzip(server: Server) -> None:
    _, plain, _ = server.get(**BEARER)
    _, headers, body = server.get(**BEARER, HTTP_ACCEPT_ENCODING="br;q=1.0, gzip;q=0.8")
    assert headers["Content-Encoding"] == "gzip" and gzip.decompress(body) == BODY
    assert headers["Content-Length"] == str(len(body)) and headers["ETag"] == plain["ETag"]
    assert "Content-Encoding" not in server.get(**BEARER, HTTP_ACCEPT_ENCODING="gzip;q=0")[1]


@pytest.mark.parametrize(
    "more",
    [
        {"REQUEST_METHOD": "HEAD", **BEARER},
        {"REQUEST_METHOD": "POST", **BEARER},
        {"REQUEST_METHOD": "OPTIONS", "HTTP_ORIGIN": "https://crm.example.ru"},
        {"HTTP_IF_NONE_MATCH": "*", **BEARER},
        {"CONTENT_LENGTH": "3", **BEARER},
        {"HTTP_TRANSFER_ENCODING": "chunked", **BEARER},
        {"QUERY_STRING": "q=д", **BEARER},
        {"PATH_INFO": "/api/dialogs/", **BEARER},
        {"PATH_INFO": "/python_bot/", **BEARER},
        {"HTTP_AUTHORIZATION": "Bearer another"},
        {},
    ],
)
def test_anything_else_is_flasks(server: Server, more: dict[str, str]) -> None:
    assert server.get(**more)[0] == "418 Flask"
    assert not server.read
    environ = server.passed[0]
    assert "b24bot.limit" not in environ and (environ.get("b24bot.note") is None or not note_of(environ).outcome)


@pytest.mark.parametrize(
    "error", [ApiError(400, "bad_parameter", "limit"), StorageError("the disk is full"), KeyError(5)]
)
def test_what_cannot_be_given_is_told_by_flask_and_counted_once(server: Server, error: Exception) -> None:
    server.raises = error
    assert server.get(**BEARER)[0] == "418 Flask"
    assert server.passed[0]["b24bot.limit"][0] == 99
    server.raises = None
    assert server.get(**BEARER)[1]["X-RateLimit-Remaining"] == "98"


def test_who_has_had_all_of_this_minutes_is_told_by_flask(tmp_path: Path) -> None:
    server = Server(tmp_path, per_minute=2)
    assert [server.get(**BEARER)[0] for _ in range(3)] == ["200 OK", "200 OK", "418 Flask"]
    assert len(server.read) == 2


def test_an_archive_that_is_open_to_read_asks_for_no_token(tmp_path: Path) -> None:
    server = Server(tmp_path, public_read=True)
    assert server.get()[0] == "200 OK"
    assert server.read[0][1].name == "(nobody)" and note_of(server.environ).outcome == ""
