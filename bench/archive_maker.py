"""A large archive made by SQL, for reading benchmarks."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from python_bot.db import migrate

from .russian import Speaker


def make_archive(path: Path, *, dialogs: int, messages_each: int, rng: random.Random) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    migrate(db)
    db.execute("BEGIN")
    db.execute("INSERT INTO users (user_id, name, kind) VALUES (27, 'Иван Петров', 'operator')")
    db.executemany(
        "INSERT INTO users (user_id, name, kind) VALUES (?, ?, 'client')",
        ((1000 + i, f"Клиент {i}") for i in range(dialogs)),
    )
    db.execute("PRAGMA defer_foreign_keys=ON")
    db.executemany(
        "INSERT INTO dialogs (chat_id, dialog_id, title, connector_id, line_id, client_id, operator_id, session_ref,"
        " opened_at, last_message_at, last_message_id, message_count)"
        " VALUES (?, ?, ?, 'telegrambot', 3, ?, 27, ?, ?, ?, ?, ?)",
        (
            (
                i,
                f"chat{i}",
                f"Клиент {i} - Продажи",
                999 + i,
                i,
                1785312000 + i,
                1785312600 + i,
                i * messages_each,
                messages_each,
            )
            for i in range(1, dialogs + 1)
        ),
    )
    db.executemany(
        "INSERT INTO sessions (id, session_id, chat_id, line_id, opened_at, opening_known) VALUES (?, ?, ?, 3, ?, 1)",
        ((i, i, i, 1785312000 + i) for i in range(1, dialogs + 1)),
    )
    # The stamp of a change is set here: a trigger for each row would take most of the time.
    triggers = [row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE name = 'message_is_new'")]
    db.execute("DROP TRIGGER message_is_new")
    db.executemany(
        "INSERT INTO messages"
        " (message_id, chat_id, session_ref, author_id, author_kind, text, sent_at, changed, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 2)",
        _messages(dialogs, messages_each, rng),
    )
    for trigger in triggers:
        db.execute(trigger)
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def _messages(dialogs: int, each: int, rng: random.Random) -> Iterator[tuple[Any, ...]]:
    number, speaker = 0, Speaker(rng)
    for chat in range(1, dialogs + 1):
        for turn in range(each):
            number += 1
            author = (27, "operator") if turn % 2 else (999 + chat, "client")
            yield number, chat, chat, *author, speaker.says(), 1785312000 + chat + turn, number
