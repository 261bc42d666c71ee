"""The pool of threads: few compute, all are answered, and who waits keeps nobody from computing."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from python_bot import pool as pools
from python_bot.db import Storage
from python_bot.pool import ThreadPool, waiting
from tests.support import until

HOUR: float = 3600.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, no task is taken to wait because it takes long."""
    monkeypatch.setattr(pools, "LONG_S", HOUR)


class Task:
    """Begins, and ends when it is let go."""

    def __init__(self, *, says_that_it_waits: bool = False) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._says_that_it_waits = says_that_it_waits

    def __call__(self) -> str:
        self.begun.set()
        if self._says_that_it_waits:
            with waiting():
                assert self.let_go.wait(30)
        else:
            assert self.let_go.wait(30)
        return threading.current_thread().name


def begun(tasks: list[Task]) -> int:
    return sum(task.begun.is_set() for task in tasks)


def test_a_task_gives_back_what_it_returns_or_raises() -> None:
    pool = ThreadPool(4)
    assert pool.submit(lambda a, b: a + b, 1, b=2).result(10) == 3
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(10)
    told: list[Future[Any]] = []
    future = pool.submit(int, "5")
    future.add_done_callback(told.append)
    until(lambda: told == [future])
    pool.shutdown()


@pytest.mark.usefixtures("patient")
def test_two_compute_and_the_others_begin_when_one_has_ended() -> None:
    pool, tasks = ThreadPool(16), [Task() for _ in range(6)]
    futures = [pool.submit(task) for task in tasks]
    for ended in range(5):
        until(lambda: begun(tasks) == min(6, ended + 2))  # noqa: B023  # asked before the loop goes on
        tasks[ended].let_go.set()
        futures[ended].result(10)
    tasks[5].let_go.set()
    pool.shutdown()


@pytest.mark.usefixtures("patient")
def test_who_says_that_it_waits_is_not_counted() -> None:
    pool, tasks = ThreadPool(16), [Task(says_that_it_waits=True) for _ in range(16)]
    futures = [pool.submit(task) for task in tasks]
    until(lambda: begun(tasks) == 16)
    late = Task()
    last = pool.submit(late)
    time.sleep(0.05)
    assert not late.begun.is_set()  # sixteen threads, and each has something
    for task in tasks:
        task.let_go.set()
    until(late.begun.is_set)
    late.let_go.set()
    assert len({future.result(10) for future in [*futures, last]}) == 16
    pool.shutdown()


@pytest.mark.usefixtures("patient")
def test_who_waits_for_a_commit_is_not_counted(tmp_path: Path) -> None:
    storage, let_go, begun = Storage(tmp_path / "dialogs.db"), threading.Event(), []
    storage.open()

    def task() -> None:
        begun.append(1)
        storage.write(lambda tx: let_go.wait(10))

    pool = ThreadPool(16)
    for _ in range(6):
        pool.submit(task)
    until(lambda: len(begun) == 6)
    let_go.set()
    pool.shutdown()
    storage.close()


def test_what_takes_long_keeps_nobody_waiting_though_nothing_new_comes() -> None:
    pool, tasks = ThreadPool(8), [Task() for _ in range(8)]
    for task in tasks:
        pool.submit(task)
    until(lambda: begun(tasks) == 8)
    for task in tasks:
        task.let_go.set()
    pool.shutdown()


def test_calm_work_needs_few_threads() -> None:
    pool = ThreadPool(16)
    names = set()
    for _ in range(40):
        names.add(pool.submit(lambda: threading.current_thread().name).result(10))
        time.sleep(0.002)  # until it rests again
    assert len(names) <= 4
    pool.shutdown()


@pytest.mark.usefixtures("patient")
def test_a_shut_pool_does_what_was_submitted_and_takes_nothing_more() -> None:
    pool, tasks = ThreadPool(4), [Task() for _ in range(4)]
    futures = [pool.submit(task) for task in tasks]
    until(lambda: begun(tasks) == 2)
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError):
        pool.submit(int)
    for task in tasks:
        task.let_go.set()
    assert [bool(future.result(10)) for future in futures] == [True] * 4
    pool.shutdown()
    assert not [thread for thread in threading.enumerate() if thread.name in {future.result() for future in futures}]


@pytest.mark.usefixtures("patient")
def test_what_is_cancelled_at_the_end_is_told_so() -> None:
    pool, tasks = ThreadPool(4), [Task() for _ in range(3)]
    futures = [pool.submit(task) for task in tasks]
    until(lambda: begun(tasks) == 2)
    pool.shutdown(wait=False, cancel_futures=True)
    assert futures[2].cancelled()
    for task in tasks:
        task.let_go.set()
    pool.shutdown()
    assert not tasks[2].begun.is_set()


def test_nothing_is_lost_when_many_come_from_everywhere() -> None:
    pool, done = ThreadPool(16), []
    lock = threading.Lock()

    def task(number: int) -> None:
        rng = random.Random(number)
        if rng.random() < 0.3:
            with waiting():
                time.sleep(rng.random() * 0.004)
        elif rng.random() < 0.1:
            time.sleep(0.006)  # longer than what is counted
        with lock:
            done.append(number)

    def submit(start: int) -> None:
        for number in range(start, start + 500):
            pool.submit(task, number)

    sources = [threading.Thread(target=submit, args=(500 * i,)) for i in range(4)]
    for source in sources:
        source.start()
    for source in sources:
        source.join()
    pool.shutdown()
    assert sorted(done) == list(range(2000))


def test_outside_a_pool_waiting_is_nothing_special() -> None:
    with waiting():
        pass
