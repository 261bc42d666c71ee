"""Lanes that begin with the first job of theirs, and what does the jobs then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest

from python_bot import intake
from python_bot.bitrix.pace import Pace
from python_bot.db import Storage
from python_bot.model import Job, NewJob
from python_bot.outbox import OneByOne, SqliteOutbox
from python_bot.relay import kinds
from python_bot.relay.handlers import handlers
from python_bot.relay.jobs import LANES, relay_lanes
from python_bot.worker import Handler, Worker
from tests.support import until


def test_every_kind_of_the_channels_has_a_thread_and_a_handler() -> None:
    values = [value for room in (intake, kinds) for name, value in vars(room).items() if name.startswith("CHANNEL_")]
    named = {value for value in values if isinstance(value, str)}
    assert {kind for lane in LANES.values() for kind in lane} == named == set(handlers(Mock(), Mock()))


def test_two_threads_of_messengers_share_what_they_remember() -> None:
    lanes = relay_lanes(Mock(), Mock())
    first, second = (lanes[name][1]() for name in ("messengers", "more messengers"))
    assert all(first[kind] is second[kind] for kind in second)


class Rare:
    """A lane of one kind; `made`: how often what does its jobs was made."""

    def __init__(self, tmp_path: Path) -> None:
        self.storage = Storage(tmp_path / "dialogs.db")
        self.storage.open()
        self.outbox = SqliteOutbox(self.storage)
        self.made, self.done = 0, threading.Event()
        often: Mapping[str, Handler] = {"often": OneByOne(lambda job: None)}
        self.worker = Worker(
            tmp_path / "lock",
            self.storage,
            self.outbox,
            Pace(2.0),
            {"always": often},
            lambda: True,
            {"rare": (("rare",), self._make)},
        )

    def _make(self) -> Mapping[str, Handler]:
        self.made += 1
        time.sleep(0.02)

        def do(job: Job) -> None:
            self.done.set()

        return {"rare": OneByOne(do)}

    def put(self) -> None:
        self.storage.write(lambda tx: self.outbox.put(tx, NewJob("rare", {}, "lane", "rare"), time.time()))

    def close(self) -> None:
        self.worker.stop()
        self.storage.close()


def told(rare: Rare) -> None:
    rare.worker.start()
    rare.put()
    for waker in [threading.Thread(target=rare.worker.wake, args=({"rare"},)) for _ in range(4)]:
        waker.start()


def left_behind(rare: Rare) -> None:
    """By a former process, so that nobody tells of it."""
    rare.put()
    rare.worker.start()


@pytest.mark.parametrize("come", [told, left_behind])
def test_a_dormant_lane_begins_with_its_first_job_and_once(come: Callable[[Rare], None], tmp_path: Path) -> None:
    rare = Rare(tmp_path)
    rare.worker.wake({"often"})
    assert (rare.made, len(rare.worker.lanes)) == (0, 1)
    come(rare)
    assert rare.done.wait(10)
    until(lambda: rare.outbox.next_due(("rare",)) is None)
    assert (rare.made, len(rare.worker.lanes), rare.worker.is_alive) == (1, 2, True)
    rare.close()
