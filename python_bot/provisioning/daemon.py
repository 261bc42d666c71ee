"""An instance where systemd is not PID 1: gunicorn as a daemon with a pid file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from ..errors import B24BotError
from .envfile import read_env_file
from .paths import Layout

STOP_TIMEOUT_S: Final = 40.0


def pid_file(layout: Layout, instance: str) -> Path:
    return layout.home(instance) / "gunicorn.pid"


def running_pid(layout: Layout, instance: str) -> int | None:
    """The master's pid, when the file's pid is really this instance's gunicorn (pids are used again)."""
    try:
        pid = int(pid_file(layout, instance).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        owner, ours = Path(f"/proc/{pid}").stat().st_uid, layout.home(instance).stat().st_uid
    except (OSError, ValueError):
        return None
    # The file is the instance's: it must not make us stop a process of somebody else.
    return pid if b"gunicorn" in command and owner == ours else None


def is_running(layout: Layout, instance: str) -> bool:
    return running_pid(layout, instance) is not None


def start(layout: Layout, instance: str) -> None:
    """As the instance's own user, with its env file; returns when gunicorn has its pid file."""
    home = layout.home(instance)
    release = Path(os.path.realpath(home / ".venv")).parent
    env = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        **read_env_file(layout.env_file(instance)),
    }
    command = [
        *(str(home / ".venv/bin/python"), "-m", "gunicorn", "-c", "python_bot/gunicorn_conf.py", "--daemon"),
        *("--pid", str(pid_file(layout, instance)), "--error-logfile", str(home / "gunicorn.log")),
        "python_bot.app:create_app()",
    ]
    user = layout.user(instance) if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        cwd=release,
        env=env,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        umask=0o077,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    end = time.monotonic() + 20
    while done.returncode == 0 and not is_running(layout, instance) and time.monotonic() < end:
        time.sleep(0.05)
    if not is_running(layout, instance):
        raise B24BotError(
            f"gunicorn of {instance} did not start: {done.stderr.strip()[-500:]}", next_step=f"see {home}/gunicorn.log"
        )


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def stop(layout: Layout, instance: str) -> None:
    pid = running_pid(layout, instance)
    if pid is None:
        pid_file(layout, instance).unlink(missing_ok=True)
        return
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_TIMEOUT_S
    # Not until the pid file is gone: gunicorn removes it a moment before it ends.
    while _lives(pid):
        if time.monotonic() > end:
            raise B24BotError(f"gunicorn of {instance} (pid {pid}) does not end", next_step=f"kill -9 {pid}")
        time.sleep(0.05)
    pid_file(layout, instance).unlink(missing_ok=True)
