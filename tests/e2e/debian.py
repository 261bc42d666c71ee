"""A fresh Debian with a real systemd in half a second: overlays on cached trees, booted by systemd-nspawn.

The uppermost layer is in memory and outlives a power cut, so that a test can boot the machine again.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.support.terminal import Terminal

from .trees import Overlay

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS: Final = Path("/sys/fs/cgroup")
REST_S: Final = 3.0  # a machine on which nothing was written for so long is at rest


class Ran:
    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def text(self) -> str:
        return self.out + self.err


def _own_cgroups(name: str) -> list[Path]:
    """A control group for one machine in every hierarchy that systemd uses.

    systemd-nspawn puts a machine below the group that it runs in. Two machines in one group would share the groups of
    their units of the same name, and systemd fails over processes that it cannot see.
    """
    made = []
    for row in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = row.split(":", 2)
        if controllers in ("", "name=systemd"):
            top = CGROUPS / ("systemd" if controllers else "unified")
            group = (top if top.is_dir() else CGROUPS) / path.lstrip("/") / name
            group.mkdir()
            made.append(group)
    return made


class Machine(Overlay):
    """`with Machine(layers) as machine:` boots; `machine("systemctl", "status")` runs a command in it as root."""

    def __init__(self, layers: Sequence[Path], *, options: Sequence[str] = (), systemd: bool = True) -> None:
        super().__init__(layers)
        self._options = [*options, "--private-network", "--resolv-conf=off"]
        self._systemd = systemd
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[str]] = []
        self._cgroups: list[Path] = []
        self.leader = 0

    def __enter__(self) -> Machine:
        super().__enter__()
        try:
            self._cgroups = _own_cgroups(self.directory.name)
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *raised: Any) -> None:
        self.power_cut()
        for group in self._cgroups:
            for part, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):  # a process in it is still on its way out
                    Path(part).rmdir()
        super().__exit__(*raised)

    def boot(self) -> None:
        flags = ("--quiet", "--register=no", "--keep-unit", f"--directory={self.root}")
        program = ["--boot"] if self._systemd else ["--as-pid2", "--console=pipe", "sleep", "infinity"]
        with (self.directory / "console").open("ab") as console:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", *flags, *self._options, *program],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=self._before_nspawn,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end and self._nspawn.poll() is None:
            self.leader = self.leader or self._find_leader()
            if self.leader and self._is_up():
                return
            time.sleep(0.05)
        raise AssertionError(f"no boot: {(self.directory / 'console').read_text(errors='replace')[-3000:]}")

    def _before_nspawn(self) -> None:
        """In the new process. A test run that is killed leaves no machine behind."""
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        for group in self._cgroups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def _is_up(self) -> bool:
        if not self._systemd:
            return (
                Path(f"/proc/{self.leader}/root/root").is_dir()
                and self("test", "-f", "/etc/hosts", check=False).code < 2
            )
        return self("systemctl", "is-system-running", check=False).out.strip() in ("running", "degraded")

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        pid = self._nspawn.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return 0
        if self._systemd:
            return int(children[0]) if Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n" else 0
        # The child of the small init: it exists when the machine is complete.
        inner = Path(f"/proc/{children[0]}/task/{children[0]}/children").read_text().split()
        is_ready = bool(inner) and Path(f"/proc/{inner[0]}/comm").read_text() == "sleep\n"
        return int(children[0]) if is_ready else 0

    def power_cut(self) -> None:
        """Everything ends at once; what was on the disk stays."""
        if self.leader:
            os.kill(self.leader, signal.SIGKILL)
        elif self._nspawn:
            self._nspawn.kill()
        if self._nspawn:
            self._nspawn.wait(30)
        self.leader, self._nspawn = 0, None
        for process in self._started:
            with process:
                process.kill()
        self._started.clear()

    def __call__(
        self,
        *command: str,
        check: bool = True,
        stdin: str | None = None,
        timeout: float = 120.0,
        cwd: str = "/root",
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Runs as root in a clean environment; fails when the command does, unless told not to check."""
        process = self.start(*command, cwd=cwd, env=env)
        begun = time.monotonic()
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        ran = Ran(process.returncode, out, err, time.monotonic() - begun)
        if check and ran.code != 0:
            raise AssertionError(f"{' '.join(command)} ended with {ran.code}:\n{out[-4000:]}\n{err[-4000:]}")
        return ran

    def start(self, *command: str, cwd: str = "/root", env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The command in the background."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._entered(command, cwd, env), stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace"
        )
        self._started.append(process)
        return process

    def terminal(self, *command: str, cwd: str = "/root", env: Mapping[str, str] | None = None) -> Terminal:
        """The command on a terminal of its own, as a person sits at it."""
        return Terminal(self._entered(command, cwd, env))

    def _entered(self, command: Sequence[str], cwd: str, env: Mapping[str, str] | None) -> list[str]:
        settings = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", **(env or {})}
        assignments = [f"{name}={value}" for name, value in settings.items()]
        return ["nsenter", "-t", str(self.leader), "-a", "env", "-i", f"--chdir={cwd}", *assignments, *command]

    # --- files and states

    def path(self, path: str) -> Path:
        """A file of the machine as the host sees it; not for /run and /tmp, which are mounts of their own."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)
        self.path(path).chmod(mode)

    def files(self, *, times: bool = False) -> dict[str, str]:
        """Every file with kind, mode, owner, size and link target; with inode and time of change as well on request.

        Caches, logs and what a running system writes by itself are left out.
        """
        stamp = " %i %T@" if times else ""
        places = ("/var/log/journal", "/var/lib/systemd", "/root", "/tmp", "/var/cache", "/var/tmp")
        skipped = " -o ".join(f"-path {place}" for place in places)
        found = self(
            "sh", "-c", f"find / /etc -xdev \\( {skipped} \\) -prune -o -printf '%p\\t%y %m %U:%G %l{stamp}\\n'"
        ).out
        rows = dict(line.split("\t", 1) for line in found.splitlines())
        return {
            path: row
            for path, row in rows.items()
            if not re.search(r"^/etc/(passwd|group|g?shadow)-$|/__pycache__", path)
        }

    def files_at_rest(self, timeout_s: float = 60.0) -> dict[str, str]:
        """`files` with their times, once nothing was written for some seconds: neither by instances nor by systemd.

        A large WAL is written back by its instance later, so it is no rest either.
        """
        found = self.files(times=True)
        end = still = time.monotonic()
        end += timeout_s
        while time.monotonic() - still < REST_S or self("find", "/var/www", "-name", "*-wal", "-size", "+1023k").out:
            assert time.monotonic() < end, "the machine does not come to rest"
            time.sleep(0.5)
            if (now := self.files(times=True)) != found:
                found, still = now, time.monotonic()
        return found

    def state(self) -> dict[str, Any]:
        """What must be equal before an installation and after its end."""
        return {
            "files": self.files(),
            "users": sorted(self("getent", "passwd").out.splitlines()),
            "groups": sorted(self("getent", "group").out.splitlines()),
            "units": self("systemctl", "list-unit-files", "--no-legend", "--no-pager").out.splitlines(),
            "failed": self("systemctl", "--failed", "--no-legend", "--plain").out.splitlines(),
            "nginx": self("sh", "-c", "nginx -T 2>/dev/null || true").out,
            "ports": sorted(set(re.findall(r"^ *\d+: (\S+) \S+ 0A", self("cat", "/proc/net/tcp").out, re.MULTILINE))),
        }


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What changed between two states, small enough to be read in a failed assertion."""
    found: dict[str, Any] = {}
    for key, was in before.items():
        now = after[key]
        if isinstance(was, dict):
            changed = {path: (was.get(path), now.get(path)) for path in was.keys() | now.keys()}
            rows = {path: pair for path, pair in sorted(changed.items()) if pair[0] != pair[1]}
            if rows:
                found[key] = rows
        elif was != now:
            gone = [row for row in was if row not in now] if isinstance(was, list) else was[-2000:]
            new = [row for row in now if row not in was] if isinstance(now, list) else now[-2000:]
            found[key] = {"gone": gone, "new": new}
    return found
