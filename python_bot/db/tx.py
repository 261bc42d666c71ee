"""What passes between the stores and the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Tx:
    """An open transaction. It passes from `Storage` through the caller to the stores; only they look inside."""

    __slots__ = ("sql",)

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql


class Writes(Protocol):
    """Whatever runs a piece of work in a transaction: a running archive, a kept copy, a transaction that is open."""

    def write(self, work: Callable[[Tx], T]) -> T: ...
