"""People who look into the archive with a browser: their visits, and the list of what they looked at."""

from .contract import Look, Rights, Visit, Visitors, What
from .store import SqliteVisitors

__all__ = ["Look", "Rights", "SqliteVisitors", "Visit", "Visitors", "What"]
