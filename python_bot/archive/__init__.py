"""The archive: what was said, by whom, in which session. `contract.Archive` is what everyone else knows of it."""

from .comparison import SqliteComparison
from .contract import Archive, Comparison, Erased, Erasure, Source
from .erasure import SqliteErasure
from .store import SqliteArchive

__all__ = [
    "Archive",
    "Comparison",
    "Erased",
    "Erasure",
    "Source",
    "SqliteArchive",
    "SqliteComparison",
    "SqliteErasure",
]
