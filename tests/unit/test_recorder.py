"""The thread that writes the HTTP journal: nobody waits for it, and it outlives every trouble."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from python_bot.errors import StorageFull
from python_bot.traffic import Record, Recorder
from python_bot.traffic.masks import Masks
from python_bot.traffic.recorder import REPEATS_S, TOLD_EACH, UNIT
from tests.support import until


class Notebook:
    """Stands for storage and store."""

    def __init__(self) -> None:
        self.units: list[list[Record]] = []
        self.pruned: list[float] = []
        self.problem: Exception | None = None
        self.free = threading.Event()
        self.free.set()

    def write(self, work: Any) -> Any:
        self.free.wait(10)
        if self.problem is not None:
            raise self.problem
        return work(None)

    def add(self, tx: None, records: Sequence[Record]) -> None:
        self.units.append(list(records))

    def prune(self, tx: None, before: float, limit: int) -> int:
        self.pruned.append(before)
        return 0

    @property
    def records(self) -> list[Record]:
        return [record for unit in self.units for record in unit]


def record(at: float = 1.0, **more: Any) -> Record:
    return Record(
        **{  # type: ignore[arg-type]  # made of known members
            "at": at,
            "direction": "in",
            "kind": "event",
            "method": "POST",
            "path": "/python_bot/",
            "status": 200,
            "duration_ms": 1.0,
            **more,
        }
    )


def recorder(notebook: Notebook, days: int = 14, **more: Any) -> Recorder:
    storage: Any = notebook
    store: Any = notebook
    return Recorder(storage, store, Masks(lambda: ("hunter2hunter2",)), days, gather_s=0.01, **more)


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


def test_what_is_noted_is_written_in_small_units_and_at_the_end_too(notebook: Notebook) -> None:
    journal = recorder(notebook)
    for number in range(UNIT * 2 + 1):
        journal.note(record(float(number)))
    journal.start()
    until(lambda: len(notebook.records) == UNIT * 2 + 1)
    assert max(map(len, notebook.units)) == UNIT
    journal.note(record(999.0))
    journal.stop()
    assert notebook.records[-1].at == 999.0


def test_a_full_queue_drops_and_counts_and_nobody_waits(notebook: Notebook) -> None:
    dropped: list[int] = []
    notebook.free.clear()
    journal = recorder(notebook, dropped=dropped.append, capacity=3)
    for _ in range(10):
        journal.note(record())
    assert sum(dropped) == 7
    notebook.free.set()
    journal.start()
    journal.stop()
    assert len(notebook.records) == 3


def test_what_cannot_be_written_is_counted_and_the_next_is_written(notebook: Notebook) -> None:
    dropped: list[int] = []
    notebook.problem = StorageFull("the disk is full")
    journal = recorder(notebook, dropped=dropped.append)
    journal.start()
    journal.note(record())
    until(lambda: dropped == [1])
    notebook.problem = None
    journal.note(record(2.0))
    until(lambda: [r.at for r in notebook.records] == [2.0])
    journal.stop()


def test_an_unforeseen_fault_does_not_end_the_journal(notebook: Notebook) -> None:
    notebook.problem = ValueError("a fault of ours")
    journal = recorder(notebook)
    journal.start()
    journal.note(record())
    until(lambda: not journal._waiting)
    notebook.problem = None
    journal.note(record(2.0))
    until(lambda: [r.at for r in notebook.records] == [2.0])
    journal.stop()


def test_one_that_cannot_be_written_takes_no_other_with_it(
    notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite takes no number of a hundred digits."""
    dropped: list[int] = []
    journal = recorder(notebook, dropped=dropped.append)
    write = notebook.add

    def add(tx: None, records: Sequence[Record]) -> None:
        if any(record.status == 10**100 for record in records):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        write(tx, records)

    notebook.add = add  # type: ignore[method-assign]  # this one only
    for number in range(5):
        journal.note(record(float(number), status=10**100 if number == 2 else 200))
    journal.start()
    until(lambda: dropped == [1])
    until(lambda: [r.at for r in notebook.records] == [0.0, 1.0, 3.0, 4.0])
    assert "cannot be written" in caplog.text
    journal.stop()


def test_requests_that_repeat_are_one_row_now_and_then(notebook: Notebook) -> None:
    journal = recorder(notebook)
    for at in (1000.0, 1015.0, 1030.0, 1000.0 + REPEATS_S):
        journal.note(record(at, kind="monitoring", path="/healthz", repeats=True))
    journal.note(record(1031.0, kind="monitoring", path="/healthz", status=503, repeats=True))
    journal.start()
    journal.stop()
    assert [(r.status, r.count) for r in notebook.records] == [(200, 1), (200, 3), (503, 1)]


def test_a_program_that_reads_without_end_is_counted_from_some_point_on(notebook: Notebook) -> None:
    journal = recorder(notebook)
    for number in range(TOLD_EACH + 40):
        journal.note(record(1000.0 + number, kind="api", method="GET", path="/api/messages"))
    for _ in range(TOLD_EACH + 40):
        journal.note(record(1100.0, kind="api", method="GET", path="/api/messages", status=401))
    journal.note(record(1000.0 + REPEATS_S, kind="api", method="GET", path="/api/messages"))
    journal.start()
    journal.stop()
    assert sum(r.count for r in notebook.records if r.status == 200) == TOLD_EACH + 41
    assert sum(r.status == 200 for r in notebook.records) == TOLD_EACH + 1
    assert sum(r.status == 401 for r in notebook.records) == TOLD_EACH + 40, "what was refused is told each time"


def test_texts_of_strangers_are_masked_and_cut(notebook: Notebook) -> None:
    journal = recorder(notebook)
    journal.note(
        record(
            path="/hunter2hunter2/" + "x" * 500,
            user_agent="hunter2hunter2",
            error_text="it said hunter2hunter2",
            error_code="hunter2hunter2",
            portal="hunter2hunter2",
        )
    )
    journal.start()
    journal.stop()
    (found,) = notebook.records
    assert "hunter2" not in repr(found)
    assert len(found.path) <= 200


def test_without_days_there_is_no_journal(notebook: Notebook) -> None:
    journal = recorder(notebook, days=0)
    journal.start()
    journal.note(record())
    journal.stop()
    assert notebook.units == [] and notebook.pruned == []


def test_old_requests_are_pruned_at_the_start(notebook: Notebook) -> None:
    journal = recorder(notebook, days=14)
    journal.start()
    journal.note(record())
    until(lambda: notebook.pruned)
    journal.stop()
