"""A person at a terminal: a pseudo-terminal that a program has to itself, with echo, line editing and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

TIMEOUT_S: Final = 60.0


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`seen`: everything that stood on the screen so far, what was typed and echoed included."""

    def __init__(self, command: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None) -> None:
        self.seen = ""
        self._read_to = 0
        self._raw = b""
        self._screen, program_side = os.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(program_side)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(TIMEOUT_S)
        os.close(self._screen)

    def expect(self, *texts: str, timeout_s: float = TIMEOUT_S) -> str:
        """Wait until one of these appears after what was expected before; what came up to its end."""
        end = time.monotonic() + timeout_s
        while True:
            found = [(at, text) for text in texts if (at := self.seen.find(text, self._read_to)) >= 0]
            if found:
                at, text = min(found)
                part = self.seen[self._read_to : at + len(text)]
                self._read_to = at + len(text)
                return part
            assert self._more(end), f"none of {texts} came; on the screen:\n{self.seen}"

    def type(self, line: str) -> None:
        os.write(self._screen, f"{line}\r".encode())

    def interrupt(self) -> int:
        """Ctrl-C, again as a person would when nothing happens; the exit code.

        Nothing happens when it comes in the microseconds between Python's look for signals and its read.
        """
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            os.write(self._screen, b"\x03")
            patience = time.monotonic() + 3.0
            while self._more(patience):
                pass
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(0.2)
        raise AssertionError(f"it does not end; on the screen:\n{self.seen}")

    def finish(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the end of the program; its exit code."""
        end = time.monotonic() + timeout_s
        while self._more(end):
            pass
        return self._process.wait(max(0.1, end - time.monotonic()))

    def _more(self, end: float) -> bool:
        """Read what comes; False when nothing can come any more, or in time."""
        if not select.select([self._screen], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            part = os.read(self._screen, 65536)
        except OSError:  # every holder of the other side is gone
            return False
        self._raw += part
        self.seen = self._raw.decode(errors="replace").replace("\r\n", "\n")
        return bool(part)
