"""SQLite's own count of the memory it uses, ended: for it every allocation goes through one lock, and two threads that
read at once take longer than one that reads alone.
https://www.sqlite.org/c3ref/c_config_covering_index_scan.html#sqliteconfigmemstatus
"""

from __future__ import annotations

import _sqlite3
from typing import Final

MEMSTATUS: Final = 9  # SQLITE_CONFIG_MEMSTATUS
OK: Final = 0


def count_nothing() -> bool:
    """Before the first connection of a process; whether SQLite took it. Without it everything works, only slower."""
    try:
        import ctypes  # a third of a megabyte, for a process that reads in several threads

        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))  # finds what the interpreter itself is linked to
        if library.sqlite3_shutdown() != OK:
            return False
        taken = library.sqlite3_config(MEMSTATUS, 0) == OK
        return bool(library.sqlite3_initialize() == OK) and taken
    except (ImportError, OSError, AttributeError, MemoryError):
        return False
