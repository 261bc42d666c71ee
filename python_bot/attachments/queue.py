"""Which contents are to be fetched: a job for each attachment, in the transaction that brought it."""

from __future__ import annotations

from typing import Final

from ..archive import Archive
from ..db import Tx
from ..model import NewJob

FILE_FETCH: Final = "file.fetch"
FILE_SURVEY: Final = "file.survey"


class FileQueue:
    """`is_on`: contents are wanted (B24BOT_FILES=download); otherwise nothing is ever taken up."""

    def __init__(self, archive: Archive, is_on: bool) -> None:
        self._archive = archive
        self.is_on = is_on

    def take_up(self, tx: Tx, trace_id: str, limit: int) -> list[NewJob]:
        """Jobs for attachments that nobody has asked for yet, the newest first.

        Whoever adds n attachments takes up n in the same transaction, perhaps others than its own: those that were
        known before are taken up a few at a time by the survey, so all have their turn and few wait at once.
        """
        if not self.is_on or not limit:
            return []
        return [fetch_job(file_id, trace_id) for file_id in self._archive.take_new_files(tx, limit)]


def fetch_job(file_id: int, trace_id: str) -> NewJob:
    key = f"file:{file_id}"
    return NewJob(FILE_FETCH, {"file_id": file_id}, key, key, trace_id)


def survey_job(due_at: float = 0.0) -> NewJob:
    return NewJob(FILE_SURVEY, {}, FILE_SURVEY, FILE_SURVEY, "", due_at)
