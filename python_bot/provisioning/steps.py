"""The steps of a plan, as values. A step says what it wants to be true; `machine` makes it so and can undo it.

A step that is already true is left out of the execution, so running a plan twice changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory exists with this mode and owner ('' leaves the owner alone).

    `is_home`: an undo removes it with all that the instance put there meanwhile, if it was not there before.
    """

    path: Path
    mode: int = 0o755
    owner: str = ""
    is_home: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file has exactly this content, mode and owner. `secret`: its content is never shown in a plan."""

    path: Path
    content: bytes
    mode: int = 0o644
    owner: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link points to `target`."""

    path: Path
    target: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing is at this path; a directory goes with all it holds. Kept aside until the transaction is over."""

    path: Path


@dataclass(frozen=True, slots=True)
class EmptyDirectoryGone:
    """The directory is gone if it was empty; what others put there stays."""

    path: Path


@dataclass(frozen=True, slots=True)
class SystemUser:
    """A system user without a shell exists (`present`) or not."""

    name: str
    home: Path
    present: bool = True


@dataclass(frozen=True, slots=True)
class UnitState:
    """A systemd unit is enabled and running, or disabled and stopped. A change of `made_from` restarts it."""

    name: str
    running: bool
    made_from: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class DaemonReload:
    """systemd reads changed unit files."""


@dataclass(frozen=True, slots=True)
class NginxReload:
    """The future configuration is tested as a whole, then nginx serves it."""


@dataclass(frozen=True, slots=True)
class FirewallPort:
    """UFW lets everybody reach this TCP port, unless a rule of somebody forbids it; or the rule that we once made for
    it is gone."""

    port: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class AcmeCertificate:
    """certbot has a certificate for the domain from this authority and renews it. `email`: for a new account, or ''."""

    domain: str
    server: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """Where systemd is not PID 1: gunicorn of an instance runs as a daemon with a pid file, or not."""

    instance: str
    running: bool
    made_from: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveKept:
    """A copy of the archive lies ready for a way back. An undo brings it back as `aside` says, when the archive has a
    schema by then that is newer than `opens` (0: not known)."""

    instance: str
    opens: int
    aside: str


@dataclass(frozen=True, slots=True)
class ArchiveExchanged:
    """The copy in this directory takes the place of the archive, which stays in the home as `aside`. Nobody writes
    meanwhile."""

    instance: str
    aside: str
    place: Literal["upgrade", "rebuild"] = "upgrade"


Step = (
    Directory
    | File
    | Link
    | Absent
    | EmptyDirectoryGone
    | SystemUser
    | UnitState
    | DaemonReload
    | NginxReload
    | FirewallPort
    | AcmeCertificate
    | Process
    | ArchiveKept
    | ArchiveExchanged
)
