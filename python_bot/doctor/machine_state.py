"""What the machine says of an instance: units, room, rights, nginx, Python, logs. Needs root for all of it."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..bitrix.tokens import TokenStore
from ..errors import B24BotError
from ..provisioning import nginx
from ..provisioning.machine import Machine
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from .facts import MachineState, Subject, Unit
from .together import together

COMMAND_S: Final = 3.0
LOG_TAIL: Final = 1024 * 1024
PRIVATE: Final = ("auth.json", "auth.pending.json", "tokens.json", "dialogs.db", "search.db")
SHORTEST_SECRET: Final = 8


def look(layout: Layout, spec: InstanceSpec, subject: Subject, within_s: float) -> MachineState:
    """Units and nginx's own test are asked of programs, at the same time; the rest is read."""
    machine = Machine(layout)
    questions: dict[str, Callable[[], Any]] = {
        "units": lambda: _units(layout, spec.name) if machine.has_systemd else (),
        "nginx": lambda: nginx.complaints() if subject.behind_nginx and not layout.is_staging else ("", ()),
    }
    asked = together(questions, within_s)
    cause, warnings = asked.get("nginx", ("", ()))
    usage = shutil.disk_usage(subject.home)
    room = usage.used + usage.free  # without what is kept for root, as `df` counts it
    return MachineState(
        units=asked.get("units", ()),
        disk_used=usage.used / room if room else 1.0,
        disk_free_mb=usage.free // (1024 * 1024),
        memory_free_mb=memory_free_mb(),
        nginx_runs=nginx.is_running() if subject.behind_nginx and not layout.is_staging else True,
        nginx_cause=cause,
        nginx_warnings=warnings,
        linked=not subject.behind_nginx or layout.vhost_link(spec.domain).exists(),
        wrong_permissions=tuple(wrong_permissions(layout, spec)),
        release_python=_release_python(subject.home) if not layout.is_staging else "-",
        system_python=_system_python() if not layout.is_staging else "-",
        logs_with_secrets=tuple(_logs_with_secrets(subject, layout.web_logs(spec.domain))),
        interrupted=interrupted(layout),
        disabled=(subject.home / "DISABLED").exists(),
    )


def look_from_inside(subject: Subject) -> MachineState:
    """What the running instance sees of its machine: neither units, nor files of nginx, nor the system's Python."""
    usage = shutil.disk_usage(subject.home)
    room = usage.used + usage.free
    return MachineState(
        units=(),
        disk_used=usage.used / room if room else 1.0,
        disk_free_mb=usage.free // (1024 * 1024),
        memory_free_mb=memory_free_mb(),
        nginx_runs=True,
        nginx_cause="",
        nginx_warnings=(),
        linked=True,
        wrong_permissions=tuple(str(path) for path in _wrong_in_home(subject.home)),
        release_python="-",
        system_python="-",
        logs_with_secrets=tuple(_logs_with_secrets(subject, ())),
        interrupted="",
        disabled=(subject.home / "DISABLED").exists(),
    )


def interrupted(layout: Layout) -> str:
    """The change that a power cut or a kill left half done; '' when there is none, or while somebody is at it."""
    if not layout.journal.exists():
        return ""
    with suppress(OSError):
        handle = os.open(layout.lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ""
        finally:
            os.close(handle)
    return str(layout.journal)


def memory_free_mb() -> int | None:
    with suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        return int(found[1]) // 1024 if found else None
    return None


def wrong_permissions(layout: Layout, spec: InstanceSpec) -> list[str]:
    """Files of the instance that others may read, or that it cannot write itself."""
    home = layout.home(spec.name)
    owner = home.stat().st_uid
    found = _wrong_in_home(home)
    if _is_wrong(layout.env_file(spec.name), 0 if os.geteuid() == 0 else owner):
        found.append(layout.env_file(spec.name))
    if os.geteuid() == 0 and not layout.is_staging and owner != _user_id(layout.user(spec.name)):
        found.append(home)
    return [str(path) for path in dict.fromkeys(found)]


def _wrong_in_home(home: Path) -> list[Path]:
    owner = home.stat().st_uid
    found = [path for path in (home / name for name in PRIVATE) if _is_wrong(path, owner)]
    return [*found, *([home] if stat.S_IMODE(home.stat().st_mode) & 0o077 else [])]


def _is_wrong(path: Path, owner: int) -> bool:
    with suppress(FileNotFoundError):
        seen = path.lstat()
        return seen.st_uid != owner or bool(seen.st_mode & 0o077) or not seen.st_mode & 0o200
    return False


def _user_id(name: str) -> int:
    with suppress(KeyError):
        return pwd.getpwnam(name).pw_uid
    return -1


def _units(layout: Layout, instance: str) -> tuple[Unit, ...]:
    names = (layout.socket(instance), layout.service(instance))
    wanted = "--property=Id,ActiveState,SubState,NRestarts,ActiveEnterTimestampMonotonic"
    done = subprocess.run(
        ["systemctl", "show", wanted, *names], capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    found = []
    for block in done.stdout.strip().split("\n\n"):
        row = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        entered = int(row.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        active = row.get("ActiveState", "")
        up = time.clock_gettime(time.CLOCK_MONOTONIC) - entered if active == "active" and entered else None
        found.append(Unit(row.get("Id", ""), active, row.get("SubState", ""), int(row.get("NRestarts") or 0), up))
    return tuple(found)


def _release_python(home: Path) -> str:
    """'3.11' of the release's environment; '' when its Python is not there any more."""
    environment = Path(os.path.realpath(home / ".venv"))
    if not (environment / "bin/python").exists():
        return ""
    with suppress(OSError):
        found = re.search(r"^version\s*=\s*(\d+\.\d+)", (environment / "pyvenv.cfg").read_text(), re.MULTILINE)
        return found[1] if found else ""
    return ""


def _system_python() -> str:
    found = re.search(r"python(\d+\.\d+)$", os.path.realpath("/usr/bin/python3"))
    return found[1] if found else ""


def _logs_with_secrets(subject: Subject, web_logs: Sequence[Path]) -> list[str]:
    """Logs of the instance in whose last part one of its secrets stands."""
    stored = TokenStore(subject.home).current()
    secrets = [subject.api_token, subject.client_secret]
    if stored is not None:
        secrets += [stored.access_token, stored.refresh_token, stored.application_token]
    wanted = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]
    logs = [subject.home / "bot.log", subject.home / "gunicorn.log"]
    logs += [path for path in web_logs if path.suffix != ".gz"]
    ends = {path: _tail(path) for path in logs}
    return [str(path) for path, end in ends.items() if any(secret in end for secret in wanted)]


def _tail(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL))
        return file.read()
    return b""


def repair_permissions(layout: Layout, spec: InstanceSpec) -> list[str]:
    """Give them back their owner and mode; the paths. Raises B24BotError when that is not allowed."""
    home = layout.home(spec.name)
    wrong = wrong_permissions(layout, spec)
    user = _user_id(layout.user(spec.name))
    for name in wrong:
        path = Path(name)
        is_env = path == layout.env_file(spec.name)
        owner = 0 if is_env else user
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.geteuid() == 0 and not layout.is_staging and owner >= 0:
                    os.fchown(handle, owner, -1 if is_env else _group_of(layout.user(spec.name)))
                os.fchmod(handle, 0o700 if path == home else 0o600)
            finally:
                os.close(handle)
        except OSError as error:
            raise B24BotError(f"{path}: {error.strerror}", next_step="run it with sudo") from None
    return wrong


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
