"""From one schema to the next: the numbered steps of `migrations`, counted in the file's `user_version`."""

from __future__ import annotations

import sqlite3

from ..errors import SchemaTooNew
from ..migrations import STEPS


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema to the newest step, each step in a transaction of its own. Raises SchemaTooNew."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(STEPS):
                raise SchemaTooNew(
                    f"the archive has schema {version}, this release knows {len(STEPS)}",
                    next_step="install the newer release again, or restore the backup made before the upgrade",
                )
            if version == len(STEPS):
                connection.execute("ROLLBACK")
                return
            for statement in STEPS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
