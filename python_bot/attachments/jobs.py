"""What the worker does about attachments: fetch one, and take up those that are known but were never asked for."""

from __future__ import annotations

import logging
import time
from typing import Final

from ..archive import Archive
from ..bitrix.client import BitrixClient
from ..db import Storage, Tx
from ..errors import B24BotError, FileUnavailable
from ..metrics import Metrics
from ..model import Job, StoredFile
from ..outbox import Outbox
from ..values import dataclass
from .download import SLOWEST_BYTES_PER_S, Downloader
from .links import Link, LinkRefused, links
from .queue import FILE_FETCH, FileQueue, survey_job
from .store import MIB, ContentStore

log = logging.getLogger(__name__)

LONGEST_FETCH_S: Final = 4096 * MIB / SLOWEST_BYTES_PER_S
MANY_WAITING: Final = 100  # those of the past must not stand before those of today
AT_ONCE: Final = 20
SOON_S: Final = 0.5
LATER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class FileParts:
    """What the handlers work with."""

    storage: Storage
    archive: Archive
    outbox: Outbox
    client: BitrixClient
    downloader: Downloader
    contents: ContentStore
    queue: FileQueue
    metrics: Metrics


class FetchJobs:
    """Fetches one content a job. The state of the file says how it went, whatever becomes of the job."""

    limit = 1
    lease_s = LONGEST_FETCH_S

    def __init__(self, parts: FileParts) -> None:
        self._parts = parts

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for job in jobs:
            try:
                self._fetch(job)
                outcomes.append(None)
            except B24BotError as error:
                self._note(job, str(error), given_up=False)
                self._parts.metrics.count("file_failures_total", reason=type(error).__name__)
                outcomes.append(error)
        return outcomes

    def buried(self, job: Job, reason: str) -> None:
        self._note(job, reason, given_up=True)

    def _note(self, job: Job, problem: str, *, given_up: bool) -> None:
        archive, file_id = self._parts.archive, job.payload["file_id"]
        self._parts.storage.write(lambda tx: archive.file_missing(tx, file_id, problem, given_up=given_up))

    def _fetch(self, job: Job) -> None:
        parts = self._parts
        file = parts.archive.file(job.payload["file_id"])
        if file is None or file.state == "stored":
            return
        if not parts.queue.is_on:
            parts.storage.write(lambda tx: parts.archive.let_file_go(tx, file.id))
            return
        parts.contents.room_for(file.size)
        refusals: list[str] = []
        for link in links(parts.client, file, (parts.archive.fact("portal") or {}).get("bot_id") or 0):
            try:
                if isinstance(link, LinkRefused):
                    raise link
                size = self._receive(file, link)
            except LinkRefused as refusal:
                refusals.append(f"{refusal}; {refusal.next_step}".rstrip("; "))
                continue
            parts.metrics.count("files_stored_total")
            parts.metrics.count("file_bytes_total", size)
            took = time.time() - job.created_at
            log.info(
                "file %d stored, %d bytes, %.1f s after it was asked for (%s)",
                file.id,
                size,
                took,
                link.way,
                extra={"trace_id": job.trace_id, "job": job.id},
            )
            return
        raise FileUnavailable(", ".join(dict.fromkeys(refusals)))

    def _receive(self, file: StoredFile, link: Link) -> int:
        parts = self._parts
        expected = link.size or file.size
        parts.contents.room_for(expected)
        portal_url = parts.client.authorizer.current().client_endpoint
        with parts.contents.incoming() as part:
            size = parts.downloader.fetch(link, portal_url, expected, part.write)
            parts.contents.keep(
                part,
                lambda digest: parts.storage.write(
                    lambda tx: parts.archive.file_stored(tx, file.id, digest, size, link.name)
                ),
            )
        return size


class SurveyJobs:
    """Removes contents that nothing refers to, and takes up attachments of the past, a few at a time."""

    limit = 1

    def __init__(self, parts: FileParts) -> None:
        self._parts = parts

    def __call__(self, jobs: list[Job]) -> list[Exception | None]:
        parts = self._parts
        removed = parts.contents.sweep() + parts.contents.remove_left()
        if removed:
            log.info("%d contents of files that no message shows any more were removed", removed)
        crowded = parts.outbox.depth(time.time()).waiting.get(FILE_FETCH, 0) >= MANY_WAITING
        if crowded or self._take_up():
            again = survey_job(time.time() + (LATER_S if crowded else SOON_S))
            parts.storage.write(lambda tx: parts.outbox.put(tx, again, time.time()))
        return [None] * len(jobs)

    def buried(self, job: Job, reason: str) -> None:
        pass

    def _take_up(self) -> int:
        def work(tx: Tx) -> int:
            jobs = self._parts.queue.take_up(tx, "", AT_ONCE)
            for job in jobs:
                self._parts.outbox.put(tx, job, time.time())
            return len(jobs)

        return self._parts.storage.write(work)
