"""Doing and undoing the steps of a plan on a real machine (or below a staging root, where only files are made)."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..errors import B24BotError
from . import acme, archives, daemon, nginx
from .files import copy_aside, copy_into_place, drop_if_empty, make_directory, remove, write_file, write_link
from .firewall import Ufw
from .hold import Holds
from .paths import Layout
from .steps import (
    Absent,
    AcmeCertificate,
    ArchiveExchanged,
    ArchiveKept,
    DaemonReload,
    Directory,
    EmptyDirectoryGone,
    File,
    FirewallPort,
    Link,
    NginxReload,
    Process,
    Step,
    SystemUser,
    UnitState,
)

COMMAND_TIMEOUT_S: Final = 120


class Machine:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.has_systemd = not layout.is_staging and Path("/run/systemd/system").is_dir()
        self.firewall = Ufw(layout.firewall)
        self.has_daemons = not layout.is_staging and not self.has_systemd
        self._holds = Holds(layout)

    # --- questions

    def is_done(self, step: Step) -> bool:
        match step:
            case Directory(path, mode, owner, _):
                return path.is_dir() and not path.is_symlink() and self._has(path, mode, owner)
            case File(path, content, mode, owner):
                is_file = path.is_file() and not path.is_symlink()
                return is_file and self._has(path, mode, owner) and path.read_bytes() == content
            case Link(path, target):
                return path.is_symlink() and str(path.readlink()) == target
            case Absent(path):
                return not path.exists() and not path.is_symlink()
            case EmptyDirectoryGone(path):
                return not path.is_dir()
            case SystemUser(name, _, present):
                return self.layout.is_staging or (_entry(name) is not None) == present
            case UnitState(name, running, _):
                return not self.has_systemd or self._unit(name) == (running, running)
            case Process(instance, running, _):
                return not self.has_daemons or daemon.is_running(self.layout, instance) == running
            case FirewallPort(port, is_open):
                return self.layout.is_staging or (
                    self.firewall.state(port) != "closed" if is_open else not self.firewall.is_ours(port)
                )
            case AcmeCertificate():
                return self.layout.is_staging or acme.is_issued(self.layout, step)
            case DaemonReload() | NginxReload():
                return True  # only ever a consequence of other steps
            case ArchiveKept() | ArchiveExchanged():
                return False

    def with_consequences(self, plan: Sequence[Step], todo: list[Step]) -> list[Step]:
        """The steps to do, in the order of the plan, with the reloads and restarts that they make necessary."""
        if self.layout.is_staging:
            return todo
        touched = {path for step in todo if (path := getattr(step, "path", None)) is not None}
        units = any(path.is_relative_to(self.layout.units) for path in touched)
        web = any(path.is_relative_to(self.layout.nginx) for path in touched)
        web = web or any(isinstance(step, AcmeCertificate) for step in todo)

        def is_due(step: Step) -> bool:
            match step:
                case UnitState(_, True, made_from):
                    return self.has_systemd and not touched.isdisjoint(made_from)
                case Process(_, True, made_from):
                    return self.has_daemons and not touched.isdisjoint(made_from)
                case DaemonReload():
                    return units and self.has_systemd
                case NginxReload():
                    return web
                case _:
                    return False

        return [step for step in plan if step in todo or is_due(step)]

    def check(self, todo: Sequence[Step]) -> None:
        """Everything that can be known before anything changes. Raises B24BotError."""
        if any(isinstance(step, NginxReload) for step in todo):
            nginx.check_future(self.layout, todo)

    def _has(self, path: Path, mode: int, owner: str) -> bool:
        found = path.stat()
        if found.st_mode & 0o7777 != mode:
            return False
        wanted = self._owner(owner)
        return wanted is None or (found.st_uid, found.st_gid) == wanted

    def _owner(self, owner: str) -> tuple[int, int] | None:
        """'user' or 'user:group' -> ids; None where owners are not ours to set (staging, no such user yet)."""
        if not owner or self.layout.is_staging or os.geteuid() != 0:
            return None
        user, _, group = owner.partition(":")
        try:
            entry = pwd.getpwnam(user)
            return entry.pw_uid, grp.getgrnam(group).gr_gid if group else entry.pw_gid
        except KeyError:
            return None

    def _unit(self, name: str) -> tuple[bool, bool]:
        """(enabled, active)."""
        return (
            self._ask("systemctl", "is-enabled", "--quiet", name),
            self._ask("systemctl", "is-active", "--quiet", name),
        )

    # --- doing

    def do(self, step: Step) -> None:
        match step:
            case Directory(path, mode, owner, _):
                make_directory(path, mode, self._owner(owner))
            case File(path, content, mode, owner):
                write_file(path, content, mode, self._owner(owner))
            case Link(path, target):
                write_link(path, target)
            case Absent(path):
                path.rename(_aside(path))
            case EmptyDirectoryGone():
                pass  # in `forget`: until then it may hold what was set aside
            case SystemUser(name, home, present):
                if present:
                    options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
                    run(("useradd", *options, "--home-dir", str(home), name))
                else:
                    run(("userdel", name))
            case UnitState(name, running, _):
                self._set_unit(name, running)
            case DaemonReload():
                run(("systemctl", "daemon-reload"))
            case NginxReload():
                nginx.reload(self.has_systemd)
            case FirewallPort(port, is_open):
                self.firewall.open(port) if is_open else self.firewall.close(port)
            case AcmeCertificate():
                acme.issue(self.layout, step)
            case Process(instance, running, _):
                daemon.stop(self.layout, instance)
                if running:
                    daemon.start(self.layout, instance)
            case ArchiveKept(instance):
                archives.keep(self.layout, instance)
            case ArchiveExchanged(instance, aside, place):
                self.stand_still(instance)
                archives.put_back(self.layout, instance, aside, place)

    def _set_unit(self, name: str, running: bool) -> None:
        if not running:
            run(("systemctl", "disable", "--now", "--quiet", name))
            if name.endswith(".timer"):  # a last run that failed would be listed as failed for ever
                service = name.replace(".timer", ".service")
                self._ask("systemctl", "stop", service)
                self._ask("systemctl", "reset-failed", service)
            return
        # A unit that failed once stays failed, and its socket with it, until somebody resets it.
        self._ask("systemctl", "reset-failed", name)
        run(("systemctl", "enable", "--quiet", name))
        if name.endswith(".socket") and self._unit(name)[1]:
            # Its service has the old socket in its hands; the service's own step starts it again.
            run(("systemctl", "stop", name, name.replace(".socket", ".service")))
        try:
            self._start_anew(name)
        except B24BotError as error:
            raise B24BotError(f"{name} does not start: {_last_words(name) or error}") from None

    def _start_anew(self, unit: str) -> None:
        if unit in self._holds:
            self._holds.start(unit)
        else:
            run(("systemctl", "restart", unit))

    def stand_still(self, instance: str) -> None:
        """No process of the instance lives until it is started again; its socket takes connections meanwhile."""
        if self.has_systemd and (self.layout.units / self.layout.service(instance)).exists():
            self._holds.take(instance)
        elif self.has_daemons:
            daemon.stop(self.layout, instance)

    def restart(self, instance: str) -> None:
        """Only the service: its socket keeps taking connections meanwhile."""
        if self.has_systemd:
            self._ask("systemctl", "reset-failed", self.layout.service(instance))
            self._start_anew(self.layout.service(instance))
        elif self.has_daemons:
            daemon.stop(self.layout, instance)
            daemon.start(self.layout, instance)

    # --- undoing

    def undo_record(self, step: Step, kept: Path) -> dict[str, Any]:
        """What `undo` needs to know, taken before the step is done. JSON values only."""
        match step:
            case Directory(path, _, _, is_home):
                found = path.stat() if path.is_dir() else None
                mode = [found.st_mode & 0o7777, found.st_uid, found.st_gid] if found else None
                return {"do": "directory", "path": str(path), "was": mode, "home": is_home}
            case File(path, _, _, _):
                if path.is_file() and not path.is_symlink():
                    copy_aside(path, kept)
                    return {"do": "file", "path": str(path), "kept": str(kept)}
                return {"do": "file", "path": str(path), "kept": ""}
            case Link(path, _):
                return {"do": "link", "path": str(path), "was": str(path.readlink()) if path.is_symlink() else ""}
            case Absent(path):
                return {"do": "absent", "path": str(path), "aside": str(_aside(path))}
            case EmptyDirectoryGone(path):
                return {"do": "empty", "path": str(path)}
            case SystemUser(name, home, _):
                ids = [entry.pw_uid, entry.pw_gid] if (entry := _entry(name)) else None
                return {"do": "user", "name": name, "home": str(home), "was": ids}
            case UnitState(name, _, _):
                enabled, active = self._unit(name) if self.has_systemd else (False, False)
                return {"do": "unit", "name": name, "enabled": enabled, "active": active}
            case Process(instance, _, _):
                return {"do": "process", "instance": instance, "was": daemon.is_running(self.layout, instance)}
            case FirewallPort(port, _):
                return {"do": "firewall", "port": port, "was_ours": self.firewall.is_ours(port)}
            case DaemonReload():
                return {"do": "daemon-reload"}
            case AcmeCertificate():
                return {"do": "certificate", **acme.undo_record(self.layout, step, kept)}
            case NginxReload():
                logs = [str(path) for path in self.layout.all_web_logs()]
                return {"do": "nginx", "was": nginx.is_running(), "logs": logs}
            case ArchiveKept(instance, opens, aside):
                return {"do": "keep", "instance": instance, "opens": opens, "aside": aside}
            case ArchiveExchanged(instance, aside, place):
                return {"do": "exchange", "instance": instance, "aside": aside, "place": place}

    def undo(self, record: dict[str, Any]) -> None:
        """Safe to repeat, and safe when the step itself never happened."""
        path = Path(record.get("path", "/nonexistent"))
        match record["do"]:
            case "directory" if record["was"] is None:
                remove(path) if record["home"] else drop_if_empty(path)
            case "directory":
                make_directory(path, record["was"][0], (record["was"][1], record["was"][2]))
            case "file":
                path.with_name(f".{path.name}.b24bot-new").unlink(missing_ok=True)
                if record["kept"]:
                    copy_into_place(Path(record["kept"]), path)
                else:
                    path.unlink(missing_ok=True)
            case "link":
                path.with_name(f".{path.name}.b24bot-new").unlink(missing_ok=True)
                if record["was"]:
                    write_link(path, record["was"])
                else:
                    path.unlink(missing_ok=True)
            case "absent":
                aside = Path(record["aside"])
                if aside.exists() or aside.is_symlink():
                    remove(path)
                    aside.rename(path)
            case "user":
                self._undo_user(record)
            case "unit" if self.has_systemd and not record["active"]:
                # While its file is still there. What ran before is started again by `settle_after_undo`.
                self._ask("systemctl", "enable" if record["enabled"] else "disable", "--quiet", record["name"])
                self._ask("systemctl", "stop", record["name"])
                self._ask("systemctl", "reset-failed", record["name"])
            case "firewall":
                with suppress(B24BotError):
                    (self.firewall.open if record["was_ours"] else self.firewall.close)(record["port"])
            case "process":
                with suppress(B24BotError):
                    daemon.stop(self.layout, record["instance"])
            case "keep":
                instance, aside = record["instance"], record["aside"]
                if archives.must_go_back(self.layout, instance, record["opens"], aside):
                    self.stand_still(instance)
                    archives.put_back(self.layout, instance, aside)
            case "exchange":
                self.stand_still(record["instance"])
                archives.take_again(self.layout, record["instance"], record["aside"], record.get("place", "upgrade"))
            case "certificate":
                acme.undo(self.layout, record)
            case "nginx":
                for log in self.layout.all_web_logs():
                    if str(log) not in record["logs"]:
                        log.unlink(missing_ok=True)
            case _:
                pass

    def _undo_user(self, record: dict[str, Any]) -> None:
        name, was, exists = record["name"], record["was"], _entry(record["name"]) is not None
        if was and not exists:
            # The same numbers again: files that stayed behind belong to them.
            self._ask("groupadd", "--system", "--gid", str(was[1]), name)
            self._ask(
                *("useradd", "--system", "--uid", str(was[0]), "--gid", str(was[1]), "--no-create-home"),
                *("--home-dir", record["home"], "--shell", "/usr/sbin/nologin", name),
            )
        elif not was and exists:
            self._ask("userdel", name)

    def settle_after_undo(self, records: Sequence[dict[str, Any]]) -> None:
        """systemd and nginx read what was put back, and what ran before runs again as before."""
        if self.layout.is_staging:
            return
        if self.has_systemd and any(record["do"] in ("unit", "daemon-reload") for record in records):
            self._ask("systemctl", "daemon-reload")
        for record in records:
            if record["do"] == "unit" and record["active"] and self.has_systemd:
                self._ask("systemctl", "enable" if record["enabled"] else "disable", "--quiet", record["name"])
                with suppress(B24BotError):
                    self._start_anew(record["name"])
            elif record["do"] == "process" and record["was"]:
                with suppress(B24BotError):
                    daemon.start(self.layout, record["instance"])
            elif record["do"] == "nginx" and nginx.is_running():
                with suppress(B24BotError):
                    nginx.reload(self.has_systemd) if record["was"] else nginx.stop(self.has_systemd)
        self._holds.free_all()

    def forget(self, record: dict[str, Any]) -> None:
        """The transaction is over: what was set aside goes."""
        if record["do"] == "absent":
            remove(Path(record["aside"]))
        elif record["do"] == "empty":
            drop_if_empty(Path(record["path"]))

    # --- commands

    def _ask(self, *command: str) -> bool:
        done = subprocess.run(command, capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False)
        return done.returncode == 0


def run(command: Sequence[str]) -> str:
    """A command of the system; its words are in the error when it fails. Commands carry no secrets."""
    if shutil.which(command[0]) is None:
        raise B24BotError(f"the command {command[0]} is missing on this server", next_step="run setup_multi.sh")
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise B24BotError(f"{' '.join(command)} failed: {words}")
    return done.stdout


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.b24bot-gone")


def _last_words(unit: str) -> str:
    """The end of a unit's log: why it did not start. Our own lines carry no secrets."""
    command = ["journalctl", "--unit", unit, "--output", "cat", "--no-pager", "--lines", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    return done.stdout.strip()


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
