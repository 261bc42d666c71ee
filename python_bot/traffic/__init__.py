"""The HTTP journal: what came in, what went out, why, and how it ended. Never what was said, never a token."""

from .contract import Answered, Question, Traffic
from .record import Cause, Direction, Entry, Kind, Record
from .recorder import Recorder
from .store import SqliteTraffic

__all__ = [
    "Answered",
    "Cause",
    "Direction",
    "Entry",
    "Kind",
    "Question",
    "Record",
    "Recorder",
    "SqliteTraffic",
    "Traffic",
]
