"""The embedded database of an instance: one file, one writer, group commit.

Callers see `Tx` and our own errors, never SQLite: only the stores open a `Tx`.
"""

from .copies import RESTORED, Frozen, Inspection, KeptCopy, inspect, verdict
from .schema import migrate
from .scratch import ScratchFile, remove_left
from .storage import Storage
from .tx import Tx, Writes
from .writer import name_aside

__all__ = [
    "RESTORED",
    "Frozen",
    "Inspection",
    "KeptCopy",
    "ScratchFile",
    "Storage",
    "Tx",
    "Writes",
    "inspect",
    "migrate",
    "name_aside",
    "remove_left",
    "verdict",
]
