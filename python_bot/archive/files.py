"""The SQL of attachments: which contents are wanted, waiting, stored or given up.

The content of a file has one state, whatever messages show it: every row of a file carries the same one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..db import Storage, Tx
from ..model import FileRef, StoredFile

# A file that another message showed before keeps what became of its content.
_PUT: Final = (
    "INSERT INTO files (message_id, file_id, name, size, type, url, state, hash, stored_size, problem)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, COALESCE(o.state, 'metadata'), o.hash, o.stored_size, COALESCE(o.problem, '')"
    " FROM (SELECT 1) LEFT JOIN (SELECT state, hash, stored_size, problem FROM files WHERE file_id = ?2 LIMIT 1) o"
    " ON TRUE WHERE TRUE"
    " ON CONFLICT (message_id, file_id) DO UPDATE SET name = ?3, size = ?4, type = ?5, url = ?6 WHERE ?3 <> ''"
)
_NEW: Final = "SELECT DISTINCT file_id FROM files WHERE state = 'metadata' ORDER BY file_id DESC LIMIT ?"
_ONE: Final = (
    "SELECT f.file_id, f.name, f.size, f.type, f.state, COALESCE(f.hash, ''), f.problem, m.chat_id FROM files f"
    " JOIN messages m USING (message_id) WHERE f.file_id = ? ORDER BY f.name = '', f.message_id LIMIT 1"
)
_OF_MESSAGE: Final = (
    "SELECT f.file_id, f.name, f.size, f.type, f.state, COALESCE(f.hash, ''), f.problem, m.chat_id FROM files f"
    " JOIN messages m USING (message_id) WHERE f.message_id = ? AND m.deleted_at IS NULL ORDER BY f.file_id"
)
_STORED: Final = (
    "UPDATE files SET state = 'stored', hash = ?2, stored_size = ?3, problem = '',"
    " name = COALESCE(NULLIF(name, ''), ?4), size = CASE WHEN size = 0 THEN ?3 ELSE size END WHERE file_id = ?1"
)
_BYTES: Final = (
    "SELECT COALESCE(SUM(size), 0)"
    " FROM (SELECT MAX(stored_size) AS size FROM files WHERE hash IS NOT NULL GROUP BY hash)"
)


def put(tx: Tx, message_id: int, files: tuple[FileRef, ...]) -> None:
    for file in files:
        tx.sql.execute(_PUT, (message_id, file.id, file.name, file.size, file.type, file.url))


def take_new(tx: Tx, limit: int) -> list[int]:
    ids = [row[0] for row in tx.sql.execute(_NEW, (limit,))]
    tx.sql.executemany("UPDATE files SET state = 'waiting', problem = '' WHERE file_id = ?", [(i,) for i in ids])
    return ids


def let_go(tx: Tx, file_id: int) -> None:
    tx.sql.execute("UPDATE files SET state = 'metadata' WHERE file_id = ? AND state = 'waiting'", (file_id,))


def stored(tx: Tx, file_id: int, digest: str, size: int, name: str) -> bool:
    return tx.sql.execute(_STORED, (file_id, digest, size, name)).rowcount > 0


def missing(tx: Tx, file_id: int, problem: str, *, given_up: bool) -> None:
    tx.sql.execute(
        "UPDATE files SET state = ?, problem = ? WHERE file_id = ? AND state <> 'stored'",
        ("failed" if given_up else "waiting", problem, file_id),
    )


def one(storage: Storage, file_id: int) -> StoredFile | None:
    with storage.read() as tx:
        row = tx.sql.execute(_ONE, (file_id,)).fetchone()
    return StoredFile(*row) if row else None


def of_message(storage: Storage, message_id: int) -> list[StoredFile]:
    with storage.read() as tx:
        return [StoredFile(*row) for row in tx.sql.execute(_OF_MESSAGE, (message_id,)).fetchall()]


def in_use(storage: Storage, hashes: Collection[str]) -> set[str]:
    with storage.read() as tx:
        found = (tx.sql.execute("SELECT hash FROM files WHERE hash = ? LIMIT 1", (each,)).fetchone() for each in hashes)
        return {row[0] for row in found if row}


def left_contents(storage: Storage) -> list[str]:
    with storage.read() as tx:
        return [row[0] for row in tx.sql.execute("SELECT hash FROM left_contents")]


def forget_contents(tx: Tx, removed: Collection[str]) -> None:
    tx.sql.executemany("DELETE FROM left_contents WHERE hash = ?", [(each,) for each in removed])
    tx.sql.execute("DELETE FROM left_contents WHERE EXISTS (SELECT 1 FROM files f WHERE f.hash = left_contents.hash)")


def stored_bytes(storage: Storage) -> int:
    with storage.read() as tx:
        total: int = tx.sql.execute(_BYTES).fetchone()[0]
    return total


def counts(storage: Storage) -> dict[str, int]:
    with storage.read() as tx:
        return dict(tx.sql.execute("SELECT state, COUNT(*) FROM files GROUP BY state").fetchall())
