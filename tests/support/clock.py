"""One clock for a simulated portal and an instance, so that hours pass for both without anybody waiting.

The instance is the real one: what is replaced is the computer's clock under it, as `faketime` does it.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Final

from python_bot.simulator import SimulatedPortal

from .server import ROOT

FOLDER: Final = ROOT / "tests" / "support" / "ticking"


class SharedClock:
    """`env` is for the instance; `advance` pushes both. `path`: a file of 8 bytes that both map."""

    def __init__(self, portal: SimulatedPortal, path: Path) -> None:
        self._portal = portal
        path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)
        self.env = {"PYTHONPATH": str(FOLDER), "CLOCK_OF_THE_TESTS": str(path)}

    def advance(self, seconds: float) -> None:
        # The instance goes first: no event of the portal may come from its future.
        struct.pack_into("d", self._ahead, 0, self._portal.clock.now() + seconds - time.time())
        self._portal.clock.advance(seconds)
