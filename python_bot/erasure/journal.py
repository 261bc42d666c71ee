"""Which chats an entry of the journal is about, read from its stored body. Pure."""

from __future__ import annotations

import json
from typing import Any

from ..bitrix.events import read_event
from ..bitrix.php_form import read_request
from ..errors import BadEvent
from ..intake import chats_of


def chats_of_entry(event: str, form: str, body: bytes) -> set[int]:
    """`form`: form, json or fetch, as the journal has it. Empty when the event names no chat or cannot be read."""
    try:
        return chats_of(read_event(event, _data(form, body), 0) or [])
    except (BadEvent, ValueError):
        return set()


def _data(form: str, body: bytes) -> Any:
    return json.loads(body).get("data") if form == "fetch" else read_request(body).tree.get("data")
