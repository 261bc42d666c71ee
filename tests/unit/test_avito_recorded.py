"""Every recorded body of Avito shows in an open line what the index says: tests/fixtures/avito/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from python_bot.channels.avito.inbound import read_card, read_hook, read_message
from python_bot.channels.base import Happened, Incoming, ReadUpTo

FIXTURES: Final = Path(__file__).parents[1] / "fixtures" / "avito"
SHOP: Final = "141900001"


def rows() -> list[Any]:
    index = json.loads((FIXTURES / "index.json").read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["file"]) for row in index if "shows" in row]


def body(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def shown(happened: Happened) -> dict[str, str]:
    """The words of the index for what happened; what is empty is left out."""
    assert isinstance(happened, Incoming)
    found = {"told": happened.change, "text": happened.text}
    found |= {"by": happened.by} if happened.by != "client" else {}
    found |= {"file": happened.files[0].name} if happened.files else {}
    return {name: value for name, value in found.items() if value}


def same(expected: dict[str, str], found: dict[str, str]) -> bool:
    """Long texts stand in the index with their beginning only."""
    text, told = found.get("text", ""), expected.get("text", "")
    is_same = text == told or (len(text) >= 200 and text.startswith(told) and told != "")
    return is_same and found | {"text": ""} == expected | {"text": ""}


@pytest.mark.parametrize("row", rows())
def test_what_avito_tells_is_shown(row: dict[str, Any]) -> None:
    found = [shown(happened) for happened in read_hook(SHOP, body(row["file"]))]
    assert len(found) == len(row["shows"]) and all(map(same, row["shows"], found)), found


@pytest.mark.parametrize("shape", ["live", "described"])
def test_a_list_of_avito_tells_what_a_webhook_does(shape: str) -> None:
    told = json.loads(body(f"messages__{shape}"))
    messages = told["messages"] if isinstance(told, dict) else told
    chat = json.loads(body("chats__two"))["chats"][0]
    card = read_card(SHOP, chat)
    found = [happened for message in messages for happened in read_message(SHOP, chat["id"], message, card)]
    assert [happened.by for happened in found if isinstance(happened, Incoming)] == ["staff", "client"]
    assert [happened.at for happened in found if isinstance(happened, ReadUpTo)] == [1790000900]
    assert card.client_name == "Иван" and "12 000 ₽" in card.about
