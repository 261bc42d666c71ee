"""How Gunicorn serves an instance: its threaded worker, with our pool of threads."""

from __future__ import annotations

from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from .pool import ThreadPool


class Worker(ThreadWorker):  # type: ignore[misc]  # Gunicorn comes without types
    def init_process(self) -> None:
        from .db.memory import count_nothing  # the master, which imports this module too, has no use for a database

        if not count_nothing():
            self.log.warning("SQLite goes on counting its memory: those who read at the same time slow each other down")
        super().init_process()

    def get_thread_pool(self) -> Any:
        return ThreadPool(self.cfg.threads)
