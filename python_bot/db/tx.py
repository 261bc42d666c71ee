"""What passes between the stores and the database."""

from __future__ import annotations

import sqlite3


class Tx:
    """An open transaction. It passes from `Storage` through the caller to the stores; only they look inside."""

    __slots__ = ("sql",)

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql
