"""CSV that Excel opens in Russian with a double click: BOM, semicolons, CRLF; times in the zone of the reader. Pure.

A cell that a spreadsheet would take for a formula gets an apostrophe in front: what a client writes must never be
calculated on somebody's desk (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import timezone
from io import StringIO
from typing import Any, Final

from .times import written
from .wish import Language

BOM: Final = "\ufeff"
ROWS: Final = 500
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
HEADS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "Чат", "Сессия", "Сообщение", "Время", "Кто", "Автор", "Номер автора", "Текст", "Файлы", "Изменено", "Удалено",
    ),
    "en": ("Chat", "Session", "Message", "Time", "Who", "Author", "Author id", "Text", "Files", "Edited", "Deleted"),
}  # fmt: skip
KINDS: Final[dict[Language, dict[str, str]]] = {
    "ru": {"client": "клиент", "operator": "оператор", "bot": "бот", "system": "система"},
    "en": {},
}


def sheet(messages: Iterable[dict[str, Any]], zone: timezone, language: Language) -> Iterator[bytes]:
    buffer = StringIO()
    buffer.write(BOM)
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADS[language])
    for number, message in enumerate(messages, 1):
        writer.writerow(_row(message, zone, language))
        if number % ROWS == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _row(message: dict[str, Any], zone: timezone, language: Language) -> tuple[object, ...]:
    author = message["author"]
    return (
        message["chat_id"],
        message["session_id"],
        message["message_id"],
        written(message["sent_at"], zone, language),
        KINDS[language].get(author["kind"], author["kind"]),
        guarded(author["name"]),
        author["id"],
        guarded(message["text_plain"]),
        guarded("; ".join(file["name"] for file in message["files"])),
        written(message["edited_at"], zone, language),
        written(message["deleted_at"], zone, language),
    )


def guarded(text: str) -> str:
    """The text as a cell that is only ever shown. A blank in front does not keep a spreadsheet from calculating."""
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _taken(buffer: StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8", "replace")
    buffer.seek(0)
    buffer.truncate()
    return data
