"""The handlers of this room put together, and the ways to set them to work."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..archive import Archive, Comparison
from ..attachments import FileQueue
from ..bitrix.client import BitrixClient
from ..db import Storage, Tx
from ..model import Lines
from ..outbox import Outbox
from . import schedule
from .discover import BEGAN, LOOKED_TO, DiscoverJobs, discover_job, survey_job
from .imports import ImportJobs
from .numbers import Numbers
from .reconcile import Missed, ReconcileJobs


class Sync:
    """`lines`: whose sessions are kept when they are found by their number. `missed`: for channels of our own."""

    def __init__(
        self,
        storage: Storage,
        archive: Archive,
        compared: Comparison,
        outbox: Outbox,
        client: BitrixClient,
        files: FileQueue,
        lines: Callable[[], Lines],
        missed: Missed | None = None,
    ) -> None:
        numbers = Numbers(client, compared, outbox, lines)
        self.chat_of = numbers.chat_of
        self.reconcile = ReconcileJobs(storage, archive, compared, outbox, client, files, missed)
        self.discover = DiscoverJobs(storage, archive, compared, outbox, numbers)
        self.imports = ImportJobs(storage, archive, compared, outbox, numbers)
        self._storage = storage
        self._archive = archive
        self._compared = compared
        self._outbox = outbox

    def catch_up(self) -> None:
        """The instance starts, and knows its portal: look for whatever happened while it was away."""
        self._note_beginning()
        self._storage.write(lambda tx: self._put(tx, 0.0))

    def begin(self) -> None:
        """The portal is set up: from now on the archive wants to be complete."""
        self._note_beginning()
        due_at = time.time() + schedule.DISCOVER_EVERY_S
        self._storage.write(lambda tx: self._outbox.put(tx, discover_job("", due_at), time.time()))

    def _note_beginning(self) -> None:
        if self._archive.fact(BEGAN) is None:
            began_at = self._compared.began_at() or int(time.time())
            self._storage.write(lambda tx: self._archive.set_fact(tx, BEGAN, began_at))
        if self._archive.fact(LOOKED_TO) is None:  # what ended longer ago was read when there were no last looks
            looked_to = int(time.time()) - schedule.LAST_LOOK_S
            self._storage.write(lambda tx: self._archive.set_fact(tx, LOOKED_TO, looked_to))

    def _put(self, tx: Tx, due_at: float) -> None:
        for job in (survey_job(""), discover_job("", due_at)):
            self._outbox.put(tx, job, time.time())
