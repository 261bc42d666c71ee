"""A database as the single-file bot wrote it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

SCHEMA = """
CREATE TABLE dialogs (id INTEGER PRIMARY KEY AUTOINCREMENT, chat_id INTEGER UNIQUE, start_time TEXT);
CREATE TABLE users (id INTEGER PRIMARY KEY, user_name TEXT, role TEXT);
CREATE TABLE dialog_participants (dialog_id INTEGER, user_id INTEGER);
CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, dialog_chat_id INTEGER, author_id INTEGER,
    message_text TEXT, timestamp TEXT);
"""


def write_former(
    path: Path,
    messages: Iterable[tuple[int, int, str, str]],
    users: Iterable[tuple[int, str, str]] = ((744, "Анна Смирнова", "client"), (27, "Иван Петров", "operator")),
) -> None:
    """`messages`: chat, author, text, local time. Appends to a file that is there."""
    is_new = not path.exists()
    with closing(sqlite3.connect(path)) as db, db:
        if is_new:
            db.executescript(SCHEMA)
        rows = list(messages)
        for chat_id in dict.fromkeys(row[0] for row in rows):
            first = next(row[3] for row in rows if row[0] == chat_id)
            db.execute("INSERT OR IGNORE INTO dialogs (chat_id, start_time) VALUES (?, ?)", (chat_id, first))
        db.executemany("INSERT OR IGNORE INTO users VALUES (?, ?, ?)", users)
        db.execute(
            "INSERT INTO dialog_participants SELECT d.id, u.id FROM dialogs d, users u WHERE NOT EXISTS"
            " (SELECT 1 FROM dialog_participants p WHERE p.dialog_id = d.id AND p.user_id = u.id)"
        )
        db.executemany(
            "INSERT INTO messages (dialog_chat_id, author_id, message_text, timestamp) VALUES (?, ?, ?, ?)", rows
        )
