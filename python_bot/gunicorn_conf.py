"""Gunicorn for one instance: one worker process (SQLite has one writer), threads to fill a group commit.

https://docs.gunicorn.org/en/stable/settings.html . systemd's socket is taken when it passes one; otherwise PORT.
"""

import gc
import os
from pathlib import Path
from typing import Any

if not os.environ.get("LISTEN_FDS"):
    bind = f"127.0.0.1:{os.environ.get('PORT', '18080')}"
workers = 1
worker_class = "python_bot.serving.Worker"
threads = int(os.environ.get("B24BOT_THREADS", "16"))
timeout = 120
graceful_timeout = 30
keepalive = 75
backlog = 512
# As long as nginx takes one: what it lets through is answered by the application, in JSON.
limit_request_line = 8190
# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
control_socket_disable = True
errorlog = "-"
accesslog = None
loglevel = os.environ.get("B24BOT_GUNICORN_LOG_LEVEL", "warning")
forwarded_allow_ips = "127.0.0.1,::1"


def pre_fork(server: Any, worker: Any) -> None:
    """What the master holds stays shared: the collector of a worker would write to every page of it, 2 MiB.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """Who waits for news is let go when the worker begins to end: a restart must not wait for a long poll."""
    instance = getattr(getattr(worker, "wsgi", None), "extensions", {}).get("b24bot")
    if instance is not None:
        instance.is_leaving = lambda: not worker.alive


def worker_exit(server: Any, worker: Any) -> None:
    """Finish the writer and give the worker lock back before the process ends."""
    app = getattr(worker, "wsgi", None)
    instance = getattr(app, "extensions", {}).get("b24bot")
    if instance is not None:
        instance.close()
