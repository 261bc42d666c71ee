"""A running instance writes the manifests of the days that are over, at its start and after midnight."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

from tests.instance.tools import at_work, client_message
from tests.support import until

DAY_S = 86400


def test_what_was_archived_before_today_is_sealed_at_the_start_and_tomorrow_waits() -> None:
    with at_work() as (_, server):
        assert server.post_event(client_message(50)).status == 200
        until(lambda: server.messages())
        until(lambda: server.sql("SELECT 1 FROM manifests"), what="yesterday's manifest")
        server.stop()
        # As if the instance had been down since yesterday's conversation, and its last manifest were older still.
        today = int(time.time()) // DAY_S
        with closing(sqlite3.connect(server.home / "dialogs.db")) as db, db:
            db.execute("UPDATE messages SET changed = changed - ?", (DAY_S * 1_000_000,))
            db.execute("UPDATE manifests SET day = ?", (today - 3,))
        for path in (server.home / "manifests").glob("*.jsonl"):
            path.rename(path.with_name(time.strftime("%Y-%m-%d.jsonl", time.gmtime((today - 3) * DAY_S))))
        server.start()
        until(lambda: server.sql("SELECT COUNT(*) FROM manifests") == [(3,)], what="the missed days are caught up")
        rows = [path.read_text().splitlines() for path in sorted((server.home / "manifests").glob("*.jsonl"))]
        assert [[json.loads(line)["id"] for line in lines if '"seal"' in line] for lines in rows] == [[], [], [50]]
        tomorrow = (today + 1) * DAY_S
        waits = "SELECT 1 FROM outbox WHERE kind = 'manifest' AND due_at BETWEEN ? AND ?"
        until(lambda: server.sql(waits, tomorrow, tomorrow + 600), what="the next one waits for midnight")
