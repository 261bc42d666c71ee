"""Keeping the archive complete: what is compared with the portal, and when; sessions that nobody announced."""

from .room import Sync

__all__ = ["Sync"]
