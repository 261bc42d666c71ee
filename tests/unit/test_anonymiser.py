"""An anonymised message and conversation as a whole: no field tells who it was, and every field is still there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from python_bot.archive import SqliteArchive
from python_bot.export.anonymise import Anonymiser
from python_bot.model import JsonPage

CONVERSATION = {
    "crm": [{"type": "lead", "id": 1205}],
    "dialog": {
        "chat_id": 5,
        "dialog_id": "chat5",
        "title": "Фарангис Одинаева - Продажи",
        "status": "open",
        "client": {"id": 744, "name": "Фарангис Одинаева"},
        "operator": {"id": 27, "name": "Иван Петров"},
        "opened_at": "2026-07-29T08:00:00Z",
    },
    "sessions": [
        {
            "session_id": 321,
            "opened_at": "2026-07-29T08:00:00Z",
            "handover": "failed",
            "handover_error": "WRONG_CHAT: одинаева +79991234567",
            "events": [
                {"kind": "transferred", "by": {"id": 27, "name": "Иван Петров"}, "to": None, "reason": "Одинаевой"},
            ],
        }
    ],
    "participants": [{"id": 744, "name": "Фарангис Одинаева", "kind": "client"}],
}
MESSAGE = {
    "message_id": 1,
    "chat_id": 5,
    "author": {"id": 744, "name": "Фарангис Одинаева", "kind": "client"},
    "text": "[b]Фаран[/b]гис Одинаева [url=https://vk.com/id7]я[/url]",
    "text_plain": "Фарангис Одинаева я (https://vk.com/id7)",
    "sent_at": "2026-07-29T08:00:00Z",
    "files": [
        {"id": 5437, "name": "Одинаева.PDF", "size": 12, "type": "file", "url": "https://x.ru/1", "problem": "Одинаева"}
    ],
}
NAMES = ("фарангис", "одинаев", "иван", "петров", "vk.com", "x.ru", "9991234567")


class OneDialog(SqliteArchive):
    """An archive of which only the reading of names is used."""

    def __init__(self) -> None:
        pass

    def dialog(self, chat_id: int) -> str | None:
        return json.dumps(CONVERSATION) if chat_id == 5 else None

    def users_page(self, after: int, limit: int) -> JsonPage:
        user = {"name": "Фарангис Одинаева", "first_name": "Фарангис", "last_name": "Одинаева"}
        return JsonPage(json.dumps([user]).encode(), None)


@pytest.fixture
def mask() -> Anonymiser:
    return Anonymiser(OneDialog(), b"k" * 32)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


def test_no_field_of_a_conversation_tells_who_it_was(mask: Anonymiser) -> None:
    found = mask.conversation(json.loads(json.dumps(CONVERSATION)))
    told = json.dumps(found, ensure_ascii=False).lower()
    assert not re.findall(rf"{'|'.join(NAMES)}|\\b(?:744|27|1205|5437)\\b", told)
    assert shape(found) == shape(CONVERSATION)
    dialog = found["dialog"]
    assert dialog["title"] == f"{dialog['client']['name']} - Продажи"
    assert dialog["client"]["id"] == found["participants"][0]["id"] != dialog["operator"]["id"]
    assert found["sessions"][0]["events"][0]["by"] == dialog["operator"]
    assert (dialog["chat_id"], dialog["opened_at"]) == (5, "2026-07-29T08:00:00Z")


def test_in_a_messenger_nobody_is_known_by_number(mask: Anonymiser) -> None:
    place = {"channel": "telegram", "account_id": 1, "chat_id": "tg:5200000123"}
    dialog = {**CONVERSATION["dialog"], "external": place}  # type: ignore[dict-item]  # a dict of many kinds
    assert "5200000123" not in json.dumps(mask.conversation({**CONVERSATION, "dialog": dialog}))
    assert "5200000123" not in json.dumps(mask.message({**MESSAGE, "external": place}))


def test_no_field_of_a_message_tells_who_it_was(mask: Anonymiser) -> None:
    found = mask.message(json.loads(json.dumps(MESSAGE)))
    told = json.dumps(found, ensure_ascii=False).lower()
    assert not re.findall(rf"{'|'.join(NAMES)}|\\b(?:744|27|1205|5437)\\b", told)
    assert shape(found) == shape(MESSAGE)
    assert found["text"] == found["text_plain"] and found["text"].startswith(found["author"]["name"])
    assert found["author"]["id"] == mask.conversation(json.loads(json.dumps(CONVERSATION)))["dialog"]["client"]["id"]
    assert found["files"][0]["name"].endswith(".pdf") and found["files"][0]["size"] == 12
