"""Put on PYTHONPATH of an instance: its clock runs ahead by as much as `tests.support.clock` says."""

import mmap
import os
import struct
import time
from pathlib import Path

path = os.environ.get("CLOCK_OF_THE_TESTS")
if path:
    with Path(path).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real_time = time.time
    time.time = lambda: real_time() + struct.unpack_from("d", ahead)[0]
