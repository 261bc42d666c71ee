"""What the formats look like: CSV for a spreadsheet in Russian, pages for reading; nothing in them may act."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.export.page import POLICY, conversation_page
from python_bot.export.pages import zipped
from python_bot.export.sheet import HEADS, sheet

MOSCOW = timezone(timedelta(hours=3))


def message(text: str = "Добрый день!", **more: Any) -> dict[str, Any]:
    return {
        "message_id": 1,
        "chat_id": 5,
        "session_id": 7,
        "author": {"id": 744, "name": "Анна", "kind": "client"},
        "text": text,
        "text_plain": text,
        "sent_at": "2026-07-29T22:30:00Z",
        "sent_at_exact": True,
        "edited_at": None,
        "deleted_at": None,
        "files": [],
    } | more


def dialog(**more: Any) -> dict[str, Any]:
    return {
        "chat_id": 5,
        "dialog_id": "chat5",
        "title": "Анна - Продажи",
        "client": {"id": 744, "name": "Анна"},
        "operator": None,
        "line_id": 3,
        "connector_id": "telegrambot",
        "opened_at": "2026-07-29T22:00:00Z",
        "last_message_at": None,
        "message_count": 1,
    } | more


def conversation(**more: Any) -> dict[str, Any]:
    return {"dialog": dialog(**more), "sessions": [{"session_id": 7}], "participants": []}


def rows_of(*messages: dict[str, Any], language: Any = "ru", zone: timezone = UTC) -> list[list[str]]:
    data = b"".join(sheet(messages, zone, language))
    assert data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_a_sheet_has_russian_heads_and_the_times_of_its_reader() -> None:
    heads, row = rows_of(message(), zone=MOSCOW)
    assert heads == list(HEADS["ru"])
    assert dict(zip(heads, row, strict=True)) | {"Файлы": ""} == {
        "Чат": "5",
        "Сессия": "7",
        "Сообщение": "1",
        "Время": "30.07.2026 01:30:00",
        "Кто": "клиент",
        "Автор": "Анна",
        "Номер автора": "744",
        "Текст": "Добрый день!",
        "Файлы": "",
        "Изменено": "",
        "Удалено": "",
    }
    heads, row = rows_of(message(), language="en")
    assert heads[3] == "Time" and row[3:5] == ["2026-07-29 22:30:00", "client"]


@given(st.lists(st.text(), max_size=4))
def test_a_sheet_keeps_every_text_and_none_is_a_formula(texts: list[str]) -> None:
    _, *rows = rows_of(*(message(text) for text in texts))
    for text, row in zip(texts, rows, strict=True):
        cell, kept = row[7], text.replace("\0", "").encode("utf-8", "replace").decode()
        assert cell in (kept, f"'{kept}")
        assert not re.match(r"\s*[=+\-@\t\r＝＋－＠]", cell) or cell.startswith("'")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\n=", "＝"])
def test_a_formula_is_shown_and_not_calculated(start: str) -> None:
    text = f'{start}HYPERLINK("http://evil.example";"x")'
    person = {"id": 1, "name": text, "kind": "client"}
    file = {"name": text, "id": 1, "size": 1}
    _, row = rows_of(message(text, author=person, files=[file]))
    assert (row[5], row[7], row[8]) == (f"'{text}",) * 3


def page_of(*messages: dict[str, Any], language: Any = "ru", **more: Any) -> str:
    return "".join(conversation_page(conversation(**more), messages, MOSCOW, language))


def test_a_page_separates_days_and_marks_what_was_changed() -> None:
    page = page_of(
        message("раз", sent_at="2026-07-29T20:59:00Z"),
        message("два", sent_at="2026-07-29T21:01:00Z", edited_at="2026-07-29T21:02:00Z"),
        message("три", deleted_at="2026-07-30T10:00:00Z", files=[{"id": 9, "name": "чек.jpg", "size": 12}]),
    )
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["29.07.2026", "30.07.2026"]
    assert "изменено 30.07.2026 00:02:00" in page and "удалено 30.07.2026 13:00:00" in page
    assert "чек.jpg (12 байт)" in page and 'class="client deleted"' in page


def test_what_somebody_wrote_is_text_on_a_page_and_nothing_is_loaded() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> \"'&"
    person = {"id": 1, "name": evil, "kind": 'client"><b>'}
    page = page_of(message(evil, author=person, files=[{"id": 1, "name": evil, "size": 1}]), title=evil)
    body = page.split("<body>")[1]
    assert "<script" not in page and "<img" not in page
    assert set(re.findall(r"<(\w+)", body)) <= {
        "h1",
        "h2",
        "dl",
        "dt",
        "dd",
        "article",
        "header",
        "b",
        "time",
        "p",
        "footer",
    }
    assert not re.search(r"<[^>]+\s(?:src|href|on\w+)=", body)
    assert "default-src &#x27;none&#x27;" in page and "unsafe" not in POLICY


def test_many_pages_are_a_zip_whose_index_leads_to_each() -> None:
    chats = [5, 6, 7]
    pieces = zipped(
        (conversation(chat_id=chat_id) for chat_id in chats),
        lambda chat_id: [message(f"сообщение {chat_id} {i} " + "x" * 3000) for i in range(100)],
        lambda: (dialog(chat_id=chat_id) for chat_id in chats),
        UTC,
        "en",
    )
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        index = archive.read("index.html").decode()
        links = re.findall(r'href="(.*?)"', index)
        assert links == [f"dialogs/{chat_id}.html" for chat_id in chats]
        for link, chat_id in zip(links, chats, strict=True):
            assert f"сообщение {chat_id} 99" in archive.read(link).decode()
