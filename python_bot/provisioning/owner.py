"""Work in an instance's home with the rights of its owner, as the instance itself would.

The home belongs to the instance's user. Root must neither leave files there that the instance cannot read, nor follow
a link that somebody who took the instance over has put there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..errors import B24BotError

GONE_TIMEOUT_S: Final = 20.0


@contextmanager
def acting_as_owner(path: Path) -> Iterator[None]:
    """Until the end of the block files are opened and made as the owner of `path`; only root can and need do so."""
    found = path.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(found.st_gid)
    os.seteuid(found.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def wait_until_nobody_works(path: Path) -> None:
    """Return when no process of the owner of `path` is left: one that is just ending still holds files and the port.

    Raises B24BotError when one stays.
    """
    user = path.stat().st_uid
    end = time.monotonic() + GONE_TIMEOUT_S
    while user != 0 and (left := _processes_of(user)):
        if time.monotonic() > end:
            raise B24BotError(f"process {left[0]} of {path.name} does not end", next_step=f"kill -9 {left[0]}")
        time.sleep(0.05)


def _processes_of(user: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == user:
                found.append(int(process.name))
    return found
