"""What an archive knows of one person, of any schema: where they are the client, and the words that name them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from typing import Final

from ..db import Tx
from ..values import dataclass
from . import outside
from .erasure import PLACES

# Names, numbers in messengers, what others call the dialog; and everything that was said in it.
_NAMES: Final = (
    "SELECT name FROM users WHERE user_id = :user",
    "SELECT last_name || ' ' || first_name FROM users WHERE user_id = :user AND last_name <> '' AND first_name <> ''",
    "SELECT first_name || ' ' || last_name FROM users WHERE user_id = :user AND last_name <> '' AND first_name <> ''",
)
_DIALOG_NAMES: Final = "SELECT title, entity_id FROM dialogs WHERE chat_id = ?"
_TEXTS: Final = (
    "SELECT text FROM messages WHERE chat_id = ?",
    "SELECT text_plain FROM messages WHERE chat_id = ? AND text_plain IS NOT NULL",
    "SELECT v.text FROM message_versions v JOIN messages m USING (message_id) WHERE m.chat_id = ?",
    "SELECT f.name FROM files f JOIN messages m USING (message_id) WHERE m.chat_id = ?",
)
_HASHES: Final = (
    "SELECT f.hash FROM files f JOIN messages m USING (message_id) WHERE m.chat_id = ? AND f.hash IS NOT NULL"
)
# Where words certainly belong to the dialogs that are still there, and not to leftovers of another one.
_OF_OTHERS: Final = (
    "SELECT text FROM messages",
    "SELECT text_plain FROM messages WHERE text_plain IS NOT NULL",
    "SELECT text FROM message_versions",
    "SELECT name FROM files",
    "SELECT title FROM dialogs",
    "SELECT entity_id FROM dialogs",
    "SELECT name FROM users",
    "SELECT first_name || ' ' || last_name FROM users",
)
_OUTSIDE: Final = (
    "SELECT name FROM channel_chats",
    "SELECT COALESCE(json_extract(NULLIF(person, ''), '$.name'), '') FROM channel_chats",
)


@dataclass(frozen=True, slots=True)
class Traces:
    """`chats`: where the person is the client; `others`: dialogs in which they took part as somebody else.

    `hashes`: of the contents of files in these chats.
    """

    is_known: bool
    chats: frozenset[int]
    others: int
    names: frozenset[str]
    texts: frozenset[str]
    hashes: frozenset[str]


def traces(tx: Tx, user_id: int, chats: Collection[int]) -> Traces:
    """What names this person, and what was said in these chats of theirs."""
    names = {row[0] for query in _NAMES for row in tx.sql.execute(query, {"user": user_id})}
    texts: set[str] = set()
    hashes: set[str] = set()
    has_contents = "hash" in {row[1] for row in tx.sql.execute("PRAGMA table_info(files)")}
    for chat_id in chats:
        for title, entity_id in tx.sql.execute(_DIALOG_NAMES, (chat_id,)):
            # 'telegrambot|3|209607941|744': channel, line, the person there, the person here
            names |= {title, *(part for part in entity_id.split("|")[2:3])}
        texts |= {row[0] for query in _TEXTS for row in tx.sql.execute(query, (chat_id,))}
        hashes |= {row[0] for row in tx.sql.execute(_HASHES, (chat_id,))} if has_contents else set()
    present = {row[0] for row in tx.sql.execute("SELECT chat_id FROM participants WHERE user_id = ?", (user_id,))}
    known = tx.sql.execute("SELECT 1 FROM users WHERE user_id = ?", (user_id,)).fetchone()
    is_known = known is not None or bool(chats or present)
    return Traces(
        is_known=is_known,
        chats=frozenset(chats),
        others=len(present - set(chats)),
        names=frozenset(names),
        texts=frozenset(texts),
        hashes=frozenset(hashes),
    )


def traces_outside(tx: Tx, who: outside.Named) -> Traces:
    """The same of somebody whom a messenger knows.

    `chats`: where the portal shows their chats after all, so that they are a client there.
    """
    chats = outside.named(tx, who)
    names, texts = outside.words(tx, chats)
    return Traces(bool(chats), outside.in_portal(tx, chats), 0, names, texts, frozenset())


def words_of_others(tx: Tx) -> Iterator[str]:
    """Everything that is said and named in the dialogs that are here, and who writes to us in messengers."""
    has_chats = tx.sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'channel_chats'").fetchone()
    for query in (*_OF_OTHERS, *(_OUTSIDE if has_chats else ())):
        for (text,) in tx.sql.execute(query):
            yield text


def packed(tx: Tx) -> Iterator[bytes]:
    """Compressed contents, unpacked: in the file they lie in pieces."""
    tables = {row[0] for row in tx.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for place in PLACES:
        if place.table not in tables:
            continue
        blobs = [row[1] for row in tx.sql.execute(f"PRAGMA table_info({place.table})") if row[2] == "BLOB"]
        for column in blobs:
            for (body,) in tx.sql.execute(f"SELECT {column} FROM {place.table} WHERE substr({column}, 1, 1) = x'78'"):
                try:
                    yield zlib.decompress(body)
                except zlib.error:
                    continue  # a body that only begins like one
