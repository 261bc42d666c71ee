"""The archive: what was said, by whom, in which session. `contract.Archive` is what everyone else knows of it."""

from .contract import Archive, Erased, Erasure, Source
from .erasure import SqliteErasure
from .store import SqliteArchive

__all__ = ["Archive", "Erased", "Erasure", "Source", "SqliteArchive", "SqliteErasure"]
