"""The thread that keeps the index up to date: a follower of the archive's feed of changes.

It works a moment after the archive does, in a file of its own and in small steps, so that no event waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from ..archive import Archive
from ..errors import StorageError
from .index import START, Index

log = logging.getLogger(__name__)

BATCH: Final = 200
LOOK_S: Final = 5.0  # another process may have written, and only a look tells
REST: Final = 4.0  # times as long as it works it rests: the interpreter belongs to the portal's events
LULL_S: Final = 0.1
FEW: Final = 4  # commits within that time are no storm
LAG_S: Final = 5.0  # how long it waits for the end of a storm
PAUSE_S: Final = 0.25  # however many search meanwhile
CALM_S: Final = 2.0  # of few commits, before there is time for tidying
AGAIN_S: Final = 30.0  # after the disk refused


class Indexer(threading.Thread):
    """`may_work`: whether this process is the one that works."""

    def __init__(self, archive: Archive, index: Index, may_work: Callable[[], bool]) -> None:
        super().__init__(name="b24bot-indexer", daemon=True)
        self._archive = archive
        self._index = index
        self._may_work = may_work
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self._may_work():
                    self._stopped.wait(1.0)
                    continue
                self._index.open()
                seen = self._archive.wait_for_change(0, 0.0)
                if self._catch_up():
                    self._index.freshness.learned(seen)
                    self._merge_in_calm(seen)
                rested_at = time.monotonic() + PAUSE_S
                self._archive.wait_for_change(seen, LOOK_S)
                if self._is_wanted_before_a_lull():
                    self._stopped.wait(max(0.0, rested_at - time.monotonic()))
            except StorageError as error:
                log.warning("the search index falls behind: %s; %s", error, error.next_step)
                self._stopped.wait(AGAIN_S)
            except Exception:
                log.exception("the search index stumbled")
                self._stopped.wait(AGAIN_S)

    def _catch_up(self) -> bool:
        """False when it was stopped before it had caught up."""
        more = True
        while more:
            started = time.monotonic()
            more = self.step()
            if more and self._stopped.wait(REST * (time.monotonic() - started)):
                return False
        return True

    def _merge_in_calm(self, seen: int) -> None:
        """For a while, when little is written in the archive and nobody waits for what was."""
        more = self._index.is_scattered() and not self._stopped.wait(CALM_S)
        end = time.monotonic() + LAG_S
        while more and time.monotonic() < end and self._archive.wait_for_change(0, 0.0) - seen <= FEW:
            started = time.monotonic()
            more = self._index.merge()
            if self._index.freshness.is_wanted(REST * (time.monotonic() - started)):
                return

    def _is_wanted_before_a_lull(self) -> bool:
        """What comes together is learned together, and a storm of events is not made worse; unless somebody waits."""
        end = time.monotonic() + LAG_S
        while time.monotonic() < end:
            seen = self._archive.wait_for_change(0, 0.0)
            if self._index.freshness.is_wanted(LULL_S):
                return True
            if self._archive.wait_for_change(0, 0.0) - seen <= FEW:
                return False
        return False

    def step(self) -> bool:
        """Take the next changes; True when there may be more."""
        state = self._index.state()
        changes = self._archive.changes(state.position if state else START, BATCH)
        if state is None or state.is_worn or state.archive != changes.archive:
            if state is not None:
                why = "it was tidied up so often" if state.is_worn else "the archive is another one"
                log.warning("%s: the search index is built anew", why)
            self._index.begin(changes.archive)
            return True
        # A removed message may have come again: everything that was removed is forgotten before anything is learned.
        documents = changes.documents if len(changes.removed) < BATCH else ()
        if not documents and not changes.removed:
            return False
        last = documents[-1] if documents else None
        position = (last.changed, last.message_id) if last else state.position
        self._index.take(documents, changes.removed, position)
        if changes.removed:
            if len(changes.removed) < BATCH:
                self._index.scrub()
            self._archive.forget_removed(changes.removed_to)
        return BATCH in (len(changes.documents), len(changes.removed))

    def stop(self) -> None:
        self._stopped.set()
        self._index.freshness.end()
        if self.is_alive():
            self.join(10.0)
        self._index.close()
