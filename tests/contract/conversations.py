"""A conversation as a list of steps, and what the archive shows after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from python_bot.archive import Archive, Source
from python_bot.bitrix.bbcode import plain
from python_bot.db import Tx
from python_bot.model import ChatFacts, FileRef, HistoryMessage, Message, SessionHistory, User

CHAT = 5
ANNA = User(744, "Анна", "client", "Анна", "Смирнова")
IVAN = User(27, "Иван", "operator", "Иван", "Петров", "Менеджер")
SYSTEM = User(0, "", "system")
NOBODY = User(0, "", "system")  # the second feed does not say who changed a message

Step = Callable[[Archive, Tx], int | None]


def facts(session_id: int | None = None, opened_at: int | None = None, chat_id: int = CHAT) -> ChatFacts:
    return ChatFacts(
        chat_id,
        f"chat{chat_id}",
        "Анна - Продажи",
        "telegrambot|3|ext|744",
        "telegrambot",
        3,
        744,
        None,
        session_id,
        opened_at,
    )


def line_facts(chat_id: int = CHAT) -> ChatFacts:
    return ChatFacts(chat_id, f"chat{chat_id}", connector_id="telegrambot", line_id=3)


def said(
    message_id: int,
    text: str,
    at: int,
    session_id: int | None = 1,
    author: User = ANNA,
    chat_id: int = CHAT,
    **more: Any,
) -> Message:
    return Message(message_id, chat_id, session_id, author, text, plain(text), at, **more)


def history(*messages: Message, session_id: int = 1, edited: Iterable[int] = (), deleted: Iterable[int] = ()) -> Any:
    rows = tuple(
        HistoryMessage(replace(m, sent_at_exact=True), m.message_id in set(edited), m.message_id in set(deleted))
        for m in sorted(messages, key=lambda m: m.message_id)
    )
    return SessionHistory(messages[0].chat_id if messages else CHAT, session_id, rows, (ANNA, IVAN))


FILE = FileRef(5437, "чек.jpg", 240113, "image", "https://acme.bitrix24.ru/x")


# --- steps, as the intake would take them


@dataclass(frozen=True)
class Join:
    at: int

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        return archive.joined(tx, facts(), self.at)


@dataclass(frozen=True)
class Say:
    message_id: int
    text: str
    at: int
    session_id: int | None
    opened_at: int | None
    author: User = ANNA
    source: Source = Source.BOT

    def __repr__(self) -> str:
        return f"Say({self.message_id}, {self.text!r}, {self.at}, {self.session_id}, {self.source.name})"

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        if self.source is Source.BOT:
            chat = facts(self.session_id, self.opened_at)
            return archive.add_message(
                tx, chat, said(self.message_id, self.text, self.at, self.session_id, self.author), self.source
            )
        return archive.add_message(
            tx, line_facts(), said(self.message_id, self.text, self.at, None, self.author), self.source
        )


@dataclass(frozen=True)
class Edit:
    message_id: int
    text: str
    at: int
    session_id: int | None
    opened_at: int | None

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        chat = facts(self.session_id, self.opened_at)
        archive.edit_message(tx, chat, self.message_id, ANNA, self.text, plain(self.text), self.at)
        return None


@dataclass(frozen=True)
class Delete:
    message_id: int
    at: int
    session_id: int | None
    opened_at: int | None

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        archive.delete_message(tx, facts(self.session_id, self.opened_at), self.message_id, ANNA, "", "", self.at)
        return None


@dataclass(frozen=True)
class Finish:
    at: int
    session_id: int | None = None

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        archive.session_finished(tx, replace(line_facts(), session_id=self.session_id), self.at)
        return None


@dataclass(frozen=True)
class Start:
    at: int
    session_id: int | None = None

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        archive.session_started(tx, replace(line_facts(), session_id=self.session_id), self.at)
        return None


def play(stores: Any, steps: Iterable[Step]) -> list[int]:
    """Each step in a transaction of its own; the hand-overs that were asked for."""
    asked = [stores.write(lambda tx, step=step: step(stores.archive, tx)) for step in steps]
    return [ref for ref in asked if ref is not None]


def picture(stores: Any) -> dict[str, Any]:
    """What an integrator sees, without what one-second times cannot promise."""
    shown = stores.dialog(CHAT)
    dialog = shown["dialog"]
    return {
        "texts": {m["message_id"]: (m["text"], m["text_plain"], m["author"]["id"]) for m in stores.messages()},
        "deleted": {m["message_id"] for m in stores.messages() if m["deleted_at"]},
        "edited": {m["message_id"]: m["edited_at"] for m in stores.messages() if m["edited_at"]},
        "session_of": {m["message_id"]: m["session_id"] for m in stores.messages()},
        "count": dialog["message_count"],
        "current": dialog["session_id"],
        "status": dialog["status"],
        "sessions": sorted(s["session_id"] or 0 for s in shown["sessions"]),
        "closed": sorted(s["session_id"] or 0 for s in shown["sessions"] if s["closed_at"]),
        "participants": json.dumps(shown["participants"], sort_keys=True),
    }
