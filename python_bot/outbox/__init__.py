"""The outbox: work that an event caused, stored with the event, done by the worker, buried when it cannot be."""

from .contract import Outbox, Puts
from .store import SqliteOutbox, renumber_sessions

__all__ = ["Outbox", "Puts", "SqliteOutbox", "renumber_sessions"]
