"""All SQL of the daily manifests: what goes into them, their keys, and what is here of what they say."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from typing import Any, Final

from ..db import Storage, Tx
from ..model import ManifestDay, Sealable

_ROW: Final = (
    "m.message_id, m.chat_id, m.author_id, m.sent_at, m.sent_at_exact, m.text, COALESCE(m.text_plain, m.text),"
    " m.source, m.deleted_at IS NOT NULL, m.changed,"
    " (SELECT json_group_array(v.text) FROM message_versions v WHERE v.message_id = m.message_id),"
    " (SELECT json_group_array(json_array(f.file_id, COALESCE(f.hash, '')))"
    "  FROM files f WHERE f.message_id = m.message_id)"
)
_CHANGED: Final = (
    f"SELECT {_ROW} FROM messages m WHERE (m.changed, m.message_id) > (?, ?) AND m.changed < ?"
    " ORDER BY m.changed, m.message_id LIMIT ?"
)
_OF_CHAT: Final = (
    f"SELECT {_ROW} FROM messages m WHERE m.chat_id = ? AND m.message_id > ? ORDER BY m.message_id LIMIT ?"
)
_HERE: Final = f"SELECT {_ROW} FROM json_each(?) i CROSS JOIN messages m WHERE m.message_id = i.value"
_NEW_KEY: Final = "INSERT OR IGNORE INTO manifest_keys (chat_id, key, since) VALUES (?, ?, ?)"
_KEYS: Final = "SELECT chat_id, key, since FROM manifest_keys WHERE chat_id IN (SELECT value FROM json_each(?))"
_KEY_BYTES: Final = 16


class SqliteManifests:
    """Implements `contract.Manifests` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- writing one

    def days(self) -> list[ManifestDay]:
        with self._storage.read() as tx:
            rows = tx.sql.execute("SELECT day, digest, former FROM manifests ORDER BY day")
            return [ManifestDay(day, digest, bool(former)) for day, digest, former in rows]

    def changed(self, after: tuple[int, int], before: int, limit: int) -> list[Sealable]:
        with self._storage.read() as tx:
            return [_sealable(row) for row in tx.sql.execute(_CHANGED, (*after, before, limit))]

    def untold_erasures(self) -> list[tuple[int, int]]:
        with self._storage.read() as tx:
            return tx.sql.execute(
                "SELECT chat_id, message_id FROM erased_chats WHERE told < message_id ORDER BY chat_id"
            ).fetchall()

    def of_chat(self, chat_id: int, after: int, limit: int) -> list[Sealable]:
        with self._storage.read() as tx:
            return [_sealable(row) for row in tx.sql.execute(_OF_CHAT, (chat_id, after, limit))]

    def keys_for(self, chat_ids: Collection[int], day: int) -> dict[int, bytes]:
        new = [(chat_id, os.urandom(_KEY_BYTES), day) for chat_id in chat_ids]

        def work(tx: Tx) -> dict[int, bytes]:
            tx.sql.executemany(_NEW_KEY, new)
            return {row[0]: row[1] for row in tx.sql.execute(_KEYS, (json.dumps(list(chat_ids)),))}

        found = {chat_id: key for chat_id, (key, _) in self.keys(chat_ids).items()}
        return found if len(found) == len(chat_ids) else self._storage.write(work)

    def keep(self, day: int, digest: str, told: Iterable[tuple[int, int]]) -> None:
        rows = [(message_id, chat_id) for chat_id, message_id in told]

        def work(tx: Tx) -> None:
            tx.sql.execute("INSERT INTO manifests (day, digest) VALUES (?, ?)", (day, digest))
            tx.sql.executemany("UPDATE erased_chats SET told = MAX(told, ?) WHERE chat_id = ?", rows)

        self._storage.write(work)

    def begin_anew(self) -> None:
        self._storage.write(lambda tx: tx.sql.execute("UPDATE manifests SET former = 1"))

    # --- comparing them

    def keys(self, chat_ids: Collection[int]) -> dict[int, tuple[bytes, int]]:
        with self._storage.read() as tx:
            return {row[0]: (row[1], row[2]) for row in tx.sql.execute(_KEYS, (json.dumps(list(chat_ids)),))}

    def here(self, message_ids: Collection[int]) -> dict[int, Sealable]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(_HERE, (json.dumps(list(message_ids)),))
            return {row[0]: _sealable(row) for row in rows}

    def erased(self, chat_ids: Collection[int]) -> dict[int, int]:
        with self._storage.read() as tx:
            return dict(
                tx.sql.execute(
                    "SELECT chat_id, message_id FROM erased_chats WHERE chat_id IN (SELECT value FROM json_each(?))",
                    (json.dumps(list(chat_ids)),),
                ).fetchall()
            )

    def replaced(self, message_ids: Collection[int]) -> set[int]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT message_id FROM imported_messages WHERE replaced_by IS NOT NULL"
                " AND message_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(message_ids)),),
            )
            return {row[0] for row in rows}


def _sealable(row: tuple[Any, ...]) -> Sealable:
    message_id, chat_id, author_id, sent_at, exact, text, plain, source, deleted, changed, versions, files = row
    return Sealable(
        message_id=message_id,
        chat_id=chat_id,
        author_id=author_id,
        sent_at=sent_at,
        sent_at_exact=bool(exact),
        text=text,
        text_plain=plain,
        source=source,
        deleted=bool(deleted),
        changed=changed,
        versions=tuple(json.loads(versions)),
        files=tuple((file_id, digest) for file_id, digest in json.loads(files)),
    )
