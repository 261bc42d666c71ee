"""From one schema to the next: the numbered steps of `migrations`, counted in the file's `user_version`."""

from __future__ import annotations

import sqlite3

from ..errors import SchemaTooNew
from ..migrations import STEPS

Schema = tuple[tuple[str, ...], ...]  # the statements of each step


def migrate(connection: sqlite3.Connection, steps: Schema | None = None) -> bool:
    """Bring the schema to the newest step, each step in a transaction of its own; whether anything was to be done.
    Raises SchemaTooNew.

    `steps`: those of the archive when none are given.
    """
    steps = STEPS if steps is None else steps
    has_changed = False
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(steps):
                raise SchemaTooNew(
                    f"the archive has schema {version}, this release knows {len(steps)}",
                    next_step="install the newer release again, or restore the backup made before the upgrade",
                )
            if version == len(steps):
                connection.execute("ROLLBACK")
                return has_changed
            for statement in steps[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
            has_changed = True
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
