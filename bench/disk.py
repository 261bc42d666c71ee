"""What a million messages take on the disk, in a real archive that took each in as an event."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Final

from python_bot.archive import SqliteArchive
from python_bot.attachments import FileQueue
from python_bot.bitrix.events import event_time, read_event
from python_bot.bitrix.php_form import read_request
from python_bot.db import KeptCopy, Storage
from python_bot.intake import Intake
from python_bot.model import JournalEntry
from python_bot.outbox import SqliteOutbox
from python_bot.search import Index, Indexer
from tests.instance.tools import client_message

from .figure import Figure
from .russian import Speaker

MESSAGES: Final = 10_000
EACH: Final = 20
T: Final = 1_785_312_000


def disk(seconds: float) -> Figure:
    """Twenty messages a dialog; the yardstick is what the API says of them, a line each."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        plain = _fill(home)
        index = (home / "search.db").stat().st_size
        whole = (home / "dialogs.db").stat().st_size
        copy = KeptCopy(home / "dialogs.db")
        copy.write(lambda tx: tx.sql.execute("DELETE FROM journal"))
        copy.compact()
        copy.close()
        archive = (home / "dialogs.db").stat().st_size
    return Figure(
        "disk per 1,000,000 messages: archive and search index / the same messages as JSON lines",
        f"{_mib(archive + index)} (archive {_mib(archive)}, index {_mib(index)}); raw requests {_mib(whole - archive)}",
        _mib(plain),
        (archive + index) / plain,
        2.5,
        False,
    )


def _fill(home: Path) -> int:
    """Returns the bytes of the same messages as JSON lines."""
    speaker = Speaker(random.Random(1))
    storage = Storage(home / "dialogs.db", durable=False)
    storage.open()
    archive = SqliteArchive(storage)
    files = FileQueue(archive, is_on=False)
    intake = Intake(storage, archive, SqliteOutbox(storage), files, lambda kinds: None, now=lambda: float(T))
    for number in range(1, MESSAGES + 1):
        chat_id, at = 1 + number // EACH, str(T + number)
        request = read_request(client_message(number, chat_id, chat_id, speaker.says(), ts=at))
        name = str(request.tree["event"]).upper()
        events = read_event(name, request.tree.get("data"), event_time(request.tree, T))
        entry = JournalEntry(T, name, "0" * 16, request.fingerprint, request.stored, request.format, "read")
        intake.take(entry, events or [])
    index = Index(home / "search.db")
    index.open()
    indexer = Indexer(archive, index, lambda: True)
    while indexer.step():
        pass
    index.close()
    plain, after = 0, None
    while True:
        page = archive.messages_feed(after, 500)
        rows = json.loads(page.items)
        plain += sum(len(json.dumps(row, ensure_ascii=False).encode()) + 1 for row in rows)
        if len(rows) < 500:
            break
        after = page.last_key
    storage.close()
    return plain


def _mib(size: int) -> str:
    return f"{size / MESSAGES * 1_000_000 / 1024 / 1024:.0f} MiB"
