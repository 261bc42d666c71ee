"""How Gunicorn serves an instance: its threaded worker, with our pool of threads."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from .pool import ThreadPool


class Worker(ThreadWorker):  # type: ignore[misc]  # Gunicorn comes without types
    def init_process(self) -> None:
        from .db.memory import count_nothing  # the master, which imports this module too, has no use for a database

        if not count_nothing():
            self.log.warning("SQLite goes on counting its memory: those who read at the same time slow each other down")
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        _settle()

    def get_thread_pool(self) -> Any:
        return ThreadPool(self.cfg.threads)


def _settle() -> None:
    """What starting took and nobody needs goes back to the system: half a megabyte, most of it of an archive that was
    made anew. What stays for good is not looked at by the collector again: 27 ms in which nobody is answered.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    import ctypes  # not in the master either

    gc.collect()
    gc.freeze()
    with suppress(AttributeError):  # a C library of another kind
        ctypes.CDLL(None).malloc_trim(0)
