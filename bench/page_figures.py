"""Figures of the archive in a browser: how long a page takes over a large archive, and what it weighs."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from tests.support import TOKEN, Server

from . import load, servers
from .archives import LARGE, searched_home
from .figure import Figure
from .russian import Speaker

LONG: Final = 500  # messages of one conversation
LONG_CHAT: Final = 2**40
WEIGHT_KB: Final = 150


def pages(seconds: float) -> Figure:
    """Whole pages, packed as browsers take them, one connection; the worst p95 in ms. The first byte comes earlier."""
    home = searched_home(LARGE)
    _make_long_conversation(home / "dialogs.db")
    words = Speaker(random.Random(1)).words
    rng = random.Random(5)
    found, weights = {}, {}
    with servers.ours(home=home) as server:
        cookie = _entered(server)
        kinds: dict[str, list[str]] = {
            "list": ["/ui/"],
            "list, filtered": ["/ui/?operator_id=27&line_id=3&sort=quiet"],
            "conversation of 500": [f"/ui/dialogs/{LONG_CHAT}"],
            "search": [f"/ui/search?q={quote(rng.choice(words[30:20_000]))}" for _ in range(200)],
        }
        assets = sum(_weight(server, cookie, f"/ui/static/{name}") for name in ("ui.css", "ui.js", "icon.svg"))
        for kind, paths in kinds.items():
            requests = [_request(path, cookie) for path in paths]
            load.run(server.port, _again(requests).__next__, connections=1, seconds=1)
            result = load.run(server.port, _again(requests).__next__, connections=1, seconds=seconds / 2)
            assert set(result.statuses) == {200}, (kind, result.statuses)
            found[kind] = 1000 * result.quantile(0.95)
            weights[kind] = (assets + _weight(server, cookie, paths[0])) / 1000
    assert max(weights.values()) <= WEIGHT_KB, weights
    return Figure(
        f"/ui/ over {LARGE:,} messages, p95 of a whole page, ms; the worst",
        ", ".join(f"{kind} {p95:.1f} ms, {weights[kind]:.0f} kB" for kind, p95 in found.items()),
        f"a page weighs at most {WEIGHT_KB} kB with style and script",
        max(found.values()),
        50.0,
        False,
    )


def _again(requests: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


def _entered(server: Server) -> str:
    """The cookie of a visit with the main token."""
    body = urlencode({"token": TOKEN})
    connection = HTTPConnection("127.0.0.1", server.port)
    with closing(connection):
        connection.request("POST", "/ui/enter", body, {"Content-Type": "application/x-www-form-urlencoded"})
        return str(connection.getresponse().getheader("Set-Cookie")).partition(";")[0]


def _request(path: str, cookie: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nAccept-Encoding: gzip\r\n\r\n".encode()


def _weight(server: Server, cookie: str, path: str) -> int:
    return len(server.get(path, Cookie=cookie, Accept_Encoding="gzip").body)


def _make_long_conversation(path: Path) -> None:
    """One conversation of 500 messages, the newest of the archive; made once."""
    speaker = Speaker(random.Random(7))
    with closing(sqlite3.connect(path)) as db, db:
        if db.execute("SELECT 1 FROM dialogs WHERE chat_id = ?", (LONG_CHAT,)).fetchone():
            return
        db.execute(
            "INSERT INTO dialogs (chat_id, dialog_id, title, connector_id, line_id, client_id, operator_id, opened_at,"
            " last_message_at, last_message_id, message_count) VALUES (?, 'chat', 'Клиент', 'telegrambot', 3, 1000, 27,"
            " 1795000000, 1795030000, ?, ?)",
            (LONG_CHAT, LONG_CHAT + LONG, LONG),
        )
        db.executemany(
            "INSERT INTO messages (message_id, chat_id, author_id, author_kind, text, sent_at, source)"
            " VALUES (?, ?, ?, ?, ?, ?, 2)",
            (
                (LONG_CHAT + n, LONG_CHAT, *((27, "operator") if n % 2 else (1000, "client")), speaker.says(), at)
                for n, at in ((n, 1795000000 + 60 * n) for n in range(LONG))
            ),
        )
