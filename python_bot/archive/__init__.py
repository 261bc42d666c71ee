"""The archive: what was said, by whom, in which session. `contract.Archive` is what everyone else knows of it."""

from .contract import Archive, Source
from .store import SqliteArchive

__all__ = ["Archive", "Source", "SqliteArchive"]
