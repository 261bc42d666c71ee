"""SQLite counts no memory in a process that asked for that, and two readers do not stand in each other's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
SCRIPT = """
import _sqlite3, ctypes, sqlite3
from python_bot.db.memory import count_nothing
library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_memory_used.restype = ctypes.c_int64
def used():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t AS SELECT hex(randomblob(100000))")
    return library.sqlite3_memory_used(), connection.close()
before = used()[0]
taken = count_nothing()
print(before > 100_000, taken, used()[0])
"""


def test_after_it_sqlite_counts_nothing() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "True", "0"]
