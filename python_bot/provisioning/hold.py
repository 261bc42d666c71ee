"""An instance that stands still while its archive changes places, and refuses nobody meanwhile.

Its socket goes on taking connections. The service that would serve them waits, before it starts, for a lock that we
hold (ExecStartPre in systemd/gunicorn-b24bot.service); should we die, the lock is free and the service starts.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from typing import Final

from ..errors import B24BotError
from .owner import wait_until_nobody_works
from .paths import Layout

# The service may take its time to finish what it was doing (TimeoutStopSec).
STOP_TIMEOUT_S: Final = 60.0


class Holds:
    """The instances that stand still on our word. Only for a machine with systemd."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._locks: dict[str, int] = {}

    def __contains__(self, service: str) -> bool:
        return any(self._layout.service(instance) == service for instance in self._locks)

    def take(self, instance: str) -> None:
        """Returns when no process of the instance is left. Raises B24BotError."""
        if instance in self._locks:
            return
        service = self._layout.service(instance)
        if str(self._layout.hold(instance)) not in _show(service, "ExecStartPre") or not _is_active(
            self._layout.socket(instance)
        ):
            # It is off, or its unit was made by a release that knew no lock.
            _systemctl("stop", self._layout.socket(instance), service)
            wait_until_nobody_works(self._layout.home(instance))
            return
        handle = os.open(self._layout.hold(instance), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._locks[instance] = handle
        _restart_until_it_waits(service)
        wait_until_nobody_works(self._layout.home(instance))

    def start(self, service: str) -> None:
        """Let the service start, as systemd knows it by now. Raises B24BotError when it does not come up."""
        instance = next(name for name in self._locks if self._layout.service(name) == service)
        try:
            _restart_until_it_waits(service)
        finally:
            self.free(instance)
        _systemctl("start", service)

    def free_all(self) -> None:
        for instance in list(self._locks):
            self.free(instance)

    def free(self, instance: str) -> None:
        self._layout.hold(instance).unlink(missing_ok=True)
        os.close(self._locks.pop(instance))


def _restart_until_it_waits(service: str) -> None:
    before = _show(service, "InvocationID")
    _systemctl("restart", "--no-block", service)
    end = time.monotonic() + STOP_TIMEOUT_S
    while _show(service, "InvocationID") == before or _show(service, "SubState") != "start-pre":
        if time.monotonic() > end:
            raise B24BotError(f"{service} does not end", next_step=f"systemctl status {service}")
        time.sleep(0.02)


def _is_active(unit: str) -> bool:
    return _show(unit, "ActiveState") == "active"


def _show(unit: str, name: str) -> str:
    return _systemctl("show", f"--property={name}", "--value", unit).strip()


def _systemctl(*words: str) -> str:
    done = subprocess.run(("systemctl", *words), capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise B24BotError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
