"""A portal that fails in the middle: what it told is kept, and only the rest is asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from python_bot.archive import SqliteArchive, SqliteComparison
from python_bot.attachments import FileQueue
from python_bot.bitrix.client import Command
from python_bot.bitrix.operating import OperatingTimes
from python_bot.db import Storage
from python_bot.errors import PortalUnavailable
from python_bot.intake import found_job
from python_bot.model import Job
from python_bot.outbox import SqliteOutbox
from python_bot.sync.reconcile import CARD, ReconcileJobs

T = "2026-07-29T11:00:00+03:00"


class Portal:
    """Answers `good` requests and fails from then on."""

    def __init__(self, good: int) -> None:
        self.good, self.asked = good, list[int]()
        self.operating = OperatingTimes()

    def batch(self, commands: Sequence[Command], *, urgent: bool = False) -> list[Any]:
        if self.good == 0:
            raise PortalUnavailable("maintenance")
        self.good -= 1
        return [self._answer(command) for command in commands]

    def _answer(self, command: Command) -> Any:
        if command.method == CARD:
            chat_id = command.params["CHAT_ID"]
            return {"id": chat_id, "name": "Анна", "entity_id": f"x|3|e|{chat_id}", "entity_data_1": "N|NONE|0|N|N|0"}
        number = command.params["SESSION_ID"]
        self.asked.append(number)
        message = {"id": str(number), "senderid": "744", "date": T, "text": f"слово {number}", "params": []}
        return {"chatId": number // 100, "sessionId": number, "message": {str(number): message}}


@pytest.mark.parametrize("good", [0, 1, 2, 3])
def test_what_was_told_before_a_failure_is_kept_and_not_asked_for_again(tmp_path: Path, good: int) -> None:
    storage = Storage(tmp_path / "dialogs.db")
    storage.open()
    try:
        archive, compared, outbox = SqliteArchive(storage), SqliteComparison(storage), SqliteOutbox(storage)
        portal = Portal(good)
        handler = ReconcileJobs(storage, archive, compared, outbox, portal, FileQueue(archive, False))  # type: ignore[arg-type]  # speaks like the client
        handler.limit = 1  # a request for each session
        numbers = [501, 502, 601]
        for number in numbers:
            storage.write(lambda tx, n=number: outbox.put(tx, found_job(n // 100, n, "t"), 0.0))
        jobs: list[Job] = storage.write(lambda tx: outbox.claim(tx, ("reconcile",), 9, 1.0, 60.0))
        outcomes = handler(jobs)
        told = [job.payload["session_id"] for job, outcome in zip(jobs, outcomes, strict=True) if outcome is None]
        assert told == portal.asked
        assert [isinstance(outcome, PortalUnavailable) for outcome in outcomes].count(True) == 3 - len(told)
        assert compared.numbers(1, 999) == set(told)
        portal.good = 99
        rest = [job for job, outcome in zip(jobs, outcomes, strict=True) if outcome is not None]
        assert handler(rest) == [None] * len(rest)
        assert portal.asked == numbers
        assert compared.due_chats(0, 0, 9) == []
    finally:
        storage.close()
