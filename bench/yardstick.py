"""What we are measured against, under the very same Gunicorn settings.

`nothing`: Flask parses the same form and does nothing. `one_commit`: it stores the event durably, one commit a
request, as a careful single-connection-per-thread program would. `hello`: nothing at all.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from flask import Flask, request


def nothing() -> Flask:
    app = Flask(__name__)

    @app.post("/python_bot/")
    def handler() -> str:
        request.form.get("event")
        return ""

    @app.get("/healthz")
    def healthz() -> str:
        return ""

    return app


def hello() -> Flask:
    app = Flask(__name__)

    @app.get("/healthz")
    def healthz() -> str:
        return "hello"

    return app


def one_commit() -> Flask:
    app = nothing()
    path = Path(os.environ["B24BOT_HOME"]) / "yardstick.db"
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "db"):
            local.db = sqlite3.connect(path, timeout=30, isolation_level=None)
            local.db.execute("PRAGMA journal_mode=WAL")
            local.db.execute("PRAGMA synchronous=FULL")
        found: sqlite3.Connection = local.db
        return found

    db = connection()
    db.execute("CREATE TABLE journal (id INTEGER PRIMARY KEY, body BLOB)")
    db.execute("CREATE TABLE dialogs (chat_id INTEGER PRIMARY KEY, messages INTEGER)")
    db.execute("CREATE TABLE messages (message_id INTEGER PRIMARY KEY, chat_id INTEGER, text TEXT)")

    def handler() -> str:
        form, db = request.form, connection()
        chat_id = int(form["data[PARAMS][CHAT_ID]"])
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO journal (body) VALUES (?)", (str(form),))
        db.execute("INSERT INTO dialogs VALUES (?, 1) ON CONFLICT DO UPDATE SET messages = messages + 1", (chat_id,))
        message_id, text = int(form["data[PARAMS][MESSAGE_ID]"]), form["data[PARAMS][MESSAGE]"]
        db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", (message_id, chat_id, text))
        db.execute("COMMIT")
        return ""

    app.view_functions["handler"] = handler
    return app
