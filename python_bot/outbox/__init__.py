"""The outbox: work that an event caused, stored with the event, done by the worker, buried when it cannot be."""

from .contract import Outbox, Puts
from .singly import OneByOne, one_by_one
from .store import SqliteOutbox, renumber_sessions

__all__ = ["OneByOne", "Outbox", "Puts", "SqliteOutbox", "one_by_one", "renumber_sessions"]
