"""The archive: what was said, by whom, in which session. `contract.Archive` is what everyone else knows of it."""

from .checkup import SqliteCheckup
from .comparison import SqliteComparison
from .completeness import SqliteCompleteness
from .contract import Archive, Source, Views
from .contract_upkeep import Checkup, Comparison, Completeness, Erased, Erasure, Manifests, Staff
from .erasure import SqliteErasure
from .manifests import SqliteManifests
from .overview import SqliteViews
from .raw import SqliteRaw
from .recorded import RecordedEvent, recorded_events
from .staff import SqliteStaff
from .store import SqliteArchive

__all__ = [
    "Archive",
    "Checkup",
    "Comparison",
    "Completeness",
    "Erased",
    "Erasure",
    "Manifests",
    "RecordedEvent",
    "Source",
    "SqliteArchive",
    "SqliteCheckup",
    "SqliteComparison",
    "SqliteCompleteness",
    "SqliteErasure",
    "SqliteManifests",
    "SqliteRaw",
    "SqliteStaff",
    "SqliteViews",
    "Staff",
    "Views",
    "recorded_events",
]
