"""Outgoing webhooks: integrators are told what happens in the archive, signed, in order, until they have it."""

from .contract import EVENTS, Delivery, Subscription, Subscriptions
from .courier import Courier
from .guard import Guard
from .store import SqliteSubscriptions

__all__ = ["EVENTS", "Courier", "Delivery", "Guard", "SqliteSubscriptions", "Subscription", "Subscriptions"]
