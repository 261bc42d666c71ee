"""The outbox: work that an event caused, stored with the event, done by the worker, buried when it cannot be."""

from .contract import Outbox
from .store import SqliteOutbox

__all__ = ["Outbox", "SqliteOutbox"]
