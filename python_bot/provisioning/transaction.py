"""Changes to a machine that either happen or do not.

Before each step its undo is written to a journal and flushed to disk; files change by rename; what goes is first set
aside. When a step fails, or we are interrupted, the steps are undone in reverse. When the machine dies half-way, the
journal is found by the next run, or at the next boot by a unit that exists only while a transaction is under way.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ..errors import B24BotError
from .files import fsync_directory, make_parents
from .machine import Machine
from .paths import Layout
from .steps import Step

RECOVER_UNIT: Final = """[Unit]
Description=b24bot: undo a change that was interrupted
Before=nginx.service
ConditionPathExists={journal}

[Service]
Type=oneshot
ExecStart={botctl} recover

[Install]
WantedBy=multi-user.target
"""


# useradd and userdel write anew passwd, group, shadow, gshadow and a backup of each.
RESERVE_BYTES: Final = 128 * 1024


class Interrupted(BaseException):
    """A signal asked us to stop; everything done so far is undone."""


@contextmanager
def exclusive(layout: Layout, say: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """One change of the machine at a time. The lock file is never deleted: a deleted one would lock nobody out."""
    layout.lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another botctl changes this server: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Transaction:
    """Use inside `exclusive`. `carry_out` does all steps or none; raises B24BotError with the cause."""

    def __init__(self, layout: Layout, machine: Machine, title: str) -> None:
        self._layout = layout
        self._machine = machine
        self._title = title
        self._log = layout.journal / "log"

    def carry_out(self, steps: Sequence[Step], verify: Callable[[], None] = lambda: None) -> list[Step]:
        """Returns the steps that changed something; none when everything was as wanted."""
        todo = [step for step in steps if not self._machine.is_done(step)]
        if not todo:
            return []
        todo = self._machine.with_consequences(steps, todo)
        self._machine.check(todo)
        with _signals_raise():
            try:
                self._begin()
                for number, step in enumerate(todo):
                    self._append({"step": self._machine.undo_record(step, self._kept(number))})
                    self._machine.do(step)
                    _pause_for_tests(number)
                verify()
                self._append({"committed": True})
            except BaseException as error:
                undo_all(self._layout, self._machine)
                if isinstance(error, OSError):
                    what = f"{self._title}: {error.strerror}: {error.filename or ''}".rstrip(": ")
                    raise B24BotError(f"{what}; everything was put back", next_step="mend it and run again") from None
                if isinstance(error, B24BotError) and not error.next_step:
                    error.next_step = "everything was put back; mend it and run again"
                raise
        finish(self._layout, self._machine)
        return todo

    def _kept(self, number: int) -> Path:
        return self._layout.journal / f"kept-{number}"

    def _begin(self) -> None:
        made = make_parents(self._layout.journal)
        self._layout.journal.mkdir(mode=0o700)
        self._append({"title": self._title, "made": [str(path) for path in made]})
        if self._layout.is_staging:
            return
        with self._layout.reserve.open("wb") as reserve:
            try:
                os.posix_fallocate(reserve.fileno(), 0, RESERVE_BYTES)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self._layout.reserve.parent)) from None
        if self._machine.has_systemd:
            unit = RECOVER_UNIT.format(journal=self._layout.journal, botctl=self._layout.botctl)
            self._layout.recover_unit.write_text(unit)
            self._layout.recover_link.parent.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                self._layout.recover_link.symlink_to(self._layout.recover_unit)
            fsync_directory(self._layout.recover_link.parent)
            fsync_directory(self._layout.units)

    def _append(self, record: dict[str, Any]) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
            log.flush()
            os.fsync(log.fileno())
        fsync_directory(self._layout.journal)


def recover(layout: Layout, machine: Machine) -> str:
    """Undo, or finish, what an interrupted run left; tells which, '' when there was nothing."""
    if not layout.journal.exists():
        return ""
    records = list(_records(layout))
    title = next((str(record["title"]) for record in records if "title" in record), "a change")
    if any(record.get("committed") for record in records):
        finish(layout, machine)
        return f"finished: {title}"
    undo_all(layout, machine)
    return f"undone: {title}"


def undo_all(layout: Layout, machine: Machine) -> None:
    """Undo every recorded step, the last first. A second interruption changes nothing: undoing repeats safely."""
    records = [record["step"] for record in _records(layout) if "step" in record]
    layout.reserve.unlink(missing_ok=True)
    for record in reversed(records):
        machine.undo(record)
    machine.settle_after_undo(records)
    _drop_journal(layout)


def finish(layout: Layout, machine: Machine) -> None:
    """Throw away what was set aside, and the journal."""
    for record in [r["step"] for r in _records(layout) if "step" in r]:
        machine.forget(record)
    _drop_journal(layout)


def _records(layout: Layout) -> Iterable[dict[str, Any]]:
    """The records of the journal; a last line that a power cut left half-written was never acted on."""
    with suppress(FileNotFoundError):
        for line in (layout.journal / "log").read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                yield json.loads(line)


def _drop_journal(layout: Layout) -> None:
    made: list[str] = next((record["made"] for record in _records(layout) if "made" in record), [])
    for path in (layout.recover_link, layout.recover_unit, layout.reserve):
        path.unlink(missing_ok=True)
    shutil.rmtree(layout.journal, ignore_errors=True)
    for directory in reversed(made):
        with suppress(OSError):
            Path(directory).rmdir()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Ctrl-C, a closed terminal and `kill` undo what was begun instead of leaving it half done."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted(signal.Signals(number).name)

    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, interrupt) for number in watched}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _pause_for_tests(number: int) -> None:
    """Tests kill the installer after each of its steps; this tells them where it stands."""
    gate = os.environ.get("B24BOT_TEST_STOP_AFTER_STEP")
    if gate and int(gate) == number:
        os.kill(os.getpid(), signal.SIGKILL)
