"""Attachments as the API gives them out: whole, in ranges, and as nothing that runs in a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from tests.instance.attachments import CONTENT, DIGEST, DOWNLOAD, Scene, content, place, reaches, sends
from tests.instance.tools import (
    BEARER,
    at_work,
    error_code,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Scene]:
    """For what only gives files out; every file in a chat of its own."""
    with at_work(env=DOWNLOAD) as scene:
        yield scene


def stored(shared: Scene, name: str, data: bytes = b"<svg onload=alert(1)>") -> Any:
    portal, server = shared
    file_id = sends(portal, data, name)
    reaches(server, file_id, "stored")
    return content(server, file_id)


@pytest.mark.parametrize(
    "name", ["рисунок.svg", "страница.html", "a.xhtml", "b.xml", "без расширения", "c.js", "d.jpg.htm"]
)
def test_what_could_run_in_a_browser_is_an_attachment(shared: Scene, name: str) -> None:
    answer = stored(shared, name)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")


HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "отчёт\u202egpj.exe": "отчётgpj.exe",
    'a"; filename="b.exe': "a_; filename=_b.exe",
    "line\r\nSet-Cookie: x=1.pdf": "lineSet-Cookie_ x=1.pdf",
    "😀👨\u200d👩\u200d👧.png": "😀👨\u200d👩\u200d👧.png",
    "я" * 300 + ".pdf": "я" * 98 + ".pdf",
    ".htaccess": "htaccess",
}


@pytest.mark.parametrize(("name", "safe"), HOSTILE.items())
def test_a_name_cannot_play_tricks(shared: Scene, name: str, safe: str) -> None:
    portal, server = shared
    file_id = sends(portal, b"x", name)
    reaches(server, file_id, "stored")
    answer = content(server, file_id)
    header = answer.headers["Content-Disposition"]
    assert "Set-Cookie" not in answer.headers
    if "filename*=UTF-8''" in header:
        assert unquote(header.partition("filename*=UTF-8''")[2]) == safe
    else:
        assert header.partition("filename=")[2].strip('"') == safe


def test_ranges_and_repeated_requests(shared: Scene) -> None:
    portal, server = shared
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    size = len(CONTENT)
    part = content(server, file_id, Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, CONTENT[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{size}"
    assert content(server, file_id, Range="bytes=-5").body == CONTENT[-5:]
    assert content(server, file_id, Range=f"bytes={size - 3}-").body == CONTENT[-3:]
    beyond = content(server, file_id, Range=f"bytes={size}-")
    assert error_code(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    assert content(server, file_id, If_None_Match=f'"{DIGEST}"').status == 304
    other = content(server, file_id, Range="bytes=0-9", If_Range='"another"')
    assert (other.status, other.body) == (200, CONTENT)
    head = server.request("HEAD", f"/api/files/{file_id}", **BEARER)
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(size))


def test_a_token_is_needed_and_unknown_files_are_said_to_be_so(shared: Scene) -> None:
    portal, server = shared
    file_id = sends(portal)
    reaches(server, file_id, "stored")
    assert error_code(server.get(f"/api/files/{file_id}")) == (401, "token_missing")
    assert server.request("HEAD", f"/api/files/{file_id}").status == 401
    assert error_code(content(server, 99)) == (404, "file_unknown")
    assert error_code(content(server, 2**70)) == (404, "file_unknown")
    lost = sends(portal, b"lost")
    reaches(server, lost, "stored")
    (server.home / "files" / place(hashlib.sha256(b"lost").hexdigest())).unlink()
    assert error_code(content(server, lost)) == (404, "file_missing")
