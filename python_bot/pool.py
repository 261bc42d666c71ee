"""The threads that answer requests: many may wait, few compute.

A thread holds the interpreter's lock while it computes. When sixteen want it, much of the time goes into handing it
from one to the next; two have all of it, and one computes while the other reads the database. So a task begins only
while fewer than `at_once` compute. Not counted is who says that it waits (`waiting`), and whose task takes longer
than LONG_S: that one waits for something, too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Task = Callable[[], None]

AT_ONCE: Final = 2
LONG_S: Final = 0.003  # several times what a usual request computes
LOOK_S: Final = 0.003  # between looks at whether something took long


class ThreadPool(Executor):
    """At most `size` threads, begun as they are needed; the one that rested last is woken first."""

    def __init__(self, size: int, at_once: int = AT_ONCE) -> None:
        self._size = size
        self._at_once = at_once
        self._guard = threading.Lock()
        self._tasks: deque[tuple[Future[Any], Task]] = deque()
        self._computing: dict[_Thread, float] = {}  # since when; those that were called for a task, too
        self._resting: list[_Thread] = []
        self._threads: list[_Thread] = []
        self._watcher: _Thread | None = None  # looks again, should nobody else
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def task() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._guard:
            if self._closed:
                raise RuntimeError("this pool is shut down")
            self._tasks.append((future, task))
            self._call()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """What was submitted is done, unless the process ends before: the threads do not hold it up."""
        with self._guard:
            self._closed = True
            while cancel_futures and self._tasks:
                self._tasks.popleft()[0].cancel()
            while self._resting:
                self._resting.pop().woken.release()
        if wait:
            for thread in self._threads:
                thread.join()

    def next_task(self, thread: _Thread) -> Task | None:
        """What this thread is to do; it waits here for that. None: nothing any more."""
        while True:
            with self._guard:
                self._computing.pop(thread, None)
                if self._tasks and self._has_room():
                    return self._take(thread)
                watches = bool(self._tasks) and self._watcher in (None, thread)
                if watches:
                    self._watcher = thread
                else:
                    if self._watcher is thread:
                        self._watcher = None
                    if self._closed:
                        return None
                    self._resting.append(thread)
            if watches:
                time.sleep(LOOK_S)
            else:
                thread.woken.acquire()

    def leave(self, thread: _Thread) -> None:
        with self._guard:
            self._computing.pop(thread, None)
            if self._tasks:
                self._call()

    def come_back(self, thread: _Thread) -> None:
        with self._guard:
            self._computing[thread] = time.monotonic()

    # --- with the guard held

    def _has_room(self) -> bool:
        if len(self._computing) < self._at_once:
            return True
        long_ago = time.monotonic() - LONG_S
        return sum(since > long_ago for since in self._computing.values()) < self._at_once

    def _take(self, thread: _Thread) -> Task:
        if self._watcher is thread:
            self._watcher = None
        self._computing[thread] = time.monotonic()
        _, task = self._tasks.popleft()
        if self._tasks:
            self._see_to_watcher()
        return task

    def _call(self) -> None:
        """Somebody for a task; the place is kept until then."""
        if not self._has_room():
            self._see_to_watcher()
        elif (thread := self._spare()) is not None:
            self._computing[thread] = time.monotonic()

    def _see_to_watcher(self) -> None:
        if self._watcher is None:
            self._watcher = self._spare()

    def _spare(self) -> _Thread | None:
        """One that rests, now woken, or a new one: it asks for its task as soon as the guard is free."""
        if self._resting:
            thread = self._resting.pop()
            thread.woken.release()
        elif len(self._threads) < self._size:
            thread = _Thread(self, len(self._threads))
            self._threads.append(thread)
            thread.start()
        else:
            return None
        return thread


class _Thread(threading.Thread):
    """`woken`: a taken lock; to release it lets the thread go on."""

    def __init__(self, pool: ThreadPool, number: int) -> None:
        super().__init__(name=f"b24bot-request-{number}", daemon=True)
        self.pool = pool
        self.woken = threading.Lock()
        self.woken.acquire()

    def run(self) -> None:
        while (task := self.pool.next_task(self)) is not None:
            task()


@contextmanager
def waiting() -> Iterator[None]:
    """Around what computes nothing, such as waiting for a commit. In a thread of no pool it does nothing."""
    thread = threading.current_thread()
    if not isinstance(thread, _Thread):
        yield
        return
    thread.pool.leave(thread)
    try:
        yield
    finally:
        thread.pool.come_back(thread)
