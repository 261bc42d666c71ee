"""A SQLite file for analysis: the tables, and the rows of them from what the API shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

TABLES: Final = (
    "CREATE TABLE dialogs (chat_id INTEGER PRIMARY KEY, title TEXT, status TEXT, session_id INTEGER, line_id INTEGER,"
    " connector_id TEXT, client_id INTEGER, operator_id INTEGER, opened_at TEXT, handed_over_at TEXT,"
    " last_message_at TEXT, message_count INTEGER, complete INTEGER)",
    "CREATE TABLE sessions (session_id INTEGER, chat_id INTEGER, line_id INTEGER, opened_at TEXT, closed_at TEXT,"
    " handed_over_at TEXT, handover TEXT, handover_error TEXT)",
    "CREATE TABLE messages (message_id INTEGER PRIMARY KEY, chat_id INTEGER, session_id INTEGER, author_id INTEGER,"
    " author_kind TEXT, text TEXT, text_plain TEXT, sent_at TEXT, sent_at_exact INTEGER, edited_at TEXT,"
    " deleted_at TEXT)",
    "CREATE TABLE files (message_id INTEGER, file_id INTEGER, name TEXT, size INTEGER, type TEXT, url TEXT,"
    " state TEXT)",
    "CREATE TABLE users (user_id INTEGER PRIMARY KEY, name TEXT, kind TEXT)",
)
INDEXES: Final = (
    "CREATE INDEX messages_by_chat ON messages (chat_id, message_id)",
    "CREATE INDEX messages_by_time ON messages (sent_at)",
    "CREATE INDEX messages_by_author ON messages (author_id)",
    "CREATE INDEX sessions_by_chat ON sessions (chat_id)",
    "CREATE INDEX files_by_message ON files (message_id)",
)
DIALOG: Final = "INSERT INTO dialogs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SESSION: Final = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
MESSAGE: Final = "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
FILE: Final = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)"
USER: Final = "INSERT OR IGNORE INTO users VALUES (?, ?, ?)"

Row = tuple[str, tuple[Any, ...]]


def conversation_rows(conversation: dict[str, Any]) -> Iterator[Row]:
    """Statements with their values."""
    dialog = conversation["dialog"]
    chat_id, client, operator = dialog["chat_id"], dialog["client"], dialog["operator"]
    names = ("title", "status", "session_id", "line_id", "connector_id")
    times = ("opened_at", "handed_over_at", "last_message_at", "message_count", "complete")
    people = (client and client["id"], operator and operator["id"])
    yield DIALOG, (chat_id, *(dialog[name] for name in names), *people, *(dialog[name] for name in times))
    for person in conversation["participants"]:
        yield USER, (person["id"], person["name"], person["kind"])
    for person, kind in ((client, "client"), (operator, "operator")):
        if person:
            yield USER, (person["id"], person["name"], kind)
    told = ("line_id", "opened_at", "closed_at", "handed_over_at", "handover", "handover_error")
    for session in conversation["sessions"]:
        yield SESSION, (session["session_id"], chat_id, *(session[name] for name in told))


def message_rows(message: dict[str, Any]) -> Iterator[Row]:
    author, number = message["author"], message["message_id"]
    names = ("text", "text_plain", "sent_at", "sent_at_exact", "edited_at", "deleted_at")
    where = (number, message["chat_id"], message["session_id"], author["id"], author["kind"])
    yield MESSAGE, (*where, *(message[name] for name in names))
    if author["id"]:
        yield USER, (author["id"], author["name"], author["kind"])
    for file in message["files"]:
        yield FILE, (number, *(file[name] for name in ("id", "name", "size", "type", "url", "state")))
