"""The index of one archive: an SQLite file of its own beside it, so that writing it never holds an event up.

It can be thrown away at any time; it is then built anew. The texts in it are in the one spelling of `words.normal`;
FTS5 forgets a row only when it is given its former words, so they are kept.
https://www.sqlite.org/fts5.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ..db import Storage, Tx
from ..errors import SchemaTooNew, StorageError
from ..model import Document
from ..values import dataclass
from .freshness import Freshness
from .query import Query, Term
from .reading import extra, matches
from .words import VERSION, normal, stem, words

SCHEMA: Final = (
    (
        "CREATE TABLE state (archive TEXT NOT NULL, words_version INTEGER NOT NULL,"
        " changed INTEGER NOT NULL, message_id INTEGER NOT NULL)",
        "CREATE TABLE documents (message_id INTEGER PRIMARY KEY, chat_id INTEGER NOT NULL,"
        " text TEXT NOT NULL, extra TEXT NOT NULL)",
        "CREATE INDEX documents_by_chat ON documents (chat_id, message_id)",
        "CREATE VIRTUAL TABLE words USING fts5 (exact, stems, extra, content='',"
        " tokenize='unicode61 remove_diacritics 0', prefix='2 3 4 5 6')",
        "CREATE VIRTUAL TABLE grams USING fts5 (text, content='', tokenize='trigram', detail=none, columnsize=0)",
    ),
    # `written`: documents ever; `merged`: as many when FTS5 had last made one piece of its many; `is_merging`: it began
    # to; `rounds`: how often all pieces were named for that.
    (
        "ALTER TABLE state ADD COLUMN written INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE state ADD COLUMN merged INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE state ADD COLUMN is_merging INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE state ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0",
        "UPDATE state SET written = (SELECT COUNT(*) FROM documents)",
    ),
)
START: Final = (-(2**62), -(2**62))
SCRUB_S: Final = 600.0
SCATTERED: Final = 2_000  # documents in new pieces, from which on these are worth merging
SHARE: Final = 5  # and one in so many of all: the index is not written anew for a few
MERGED_PAGES: Final = 100  # of 4 kB, in one go: a few milliseconds
ROUNDS: Final = 400  # each leaves two empty levels more in SQLite 3.40, whose FTS5 calls a table with 2,000 malformed
CHUNK: Final = 400  # hits that are looked at in one go
FIRST_MORE: Final = 4
RANKED: Final = 5000

_NEWEST: Final = "SELECT rowid FROM words WHERE words MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
_PARTS: Final = (
    "SELECT d.message_id, d.text, d.extra FROM grams g CROSS JOIN documents d ON d.message_id = g.rowid"
    " WHERE g.grams MATCH ? AND g.rowid < ? ORDER BY g.rowid DESC LIMIT ?"
)
_RANKED: Final = (
    "SELECT rowid FROM (SELECT rowid, bm25(words, 2.0, 1.0, 0.5) AS rank FROM words WHERE words MATCH ?"
    " ORDER BY rowid DESC LIMIT ?) ORDER BY rank, rowid DESC LIMIT ? OFFSET ?"
)
_OF_IDS: Final = (
    "SELECT d.message_id, d.text, d.extra FROM json_each(?) i JOIN documents d ON d.message_id = i.value"
    " ORDER BY d.message_id DESC"
)
_OF_CHATS: Final = (
    "SELECT d.message_id, d.text, d.extra FROM json_each(?) c CROSS JOIN documents d ON d.chat_id = c.value"
    " WHERE d.message_id < ? ORDER BY d.message_id DESC"
)


@dataclass(frozen=True, slots=True)
class State:
    """How far the index has followed, and which archive; None before it followed any.

    `is_worn`: it is to be built anew, before FTS5 stumbles over what it leaves behind.
    """

    archive: str
    position: tuple[int, int]
    is_worn: bool = False


class Index:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Storage | None = None
        self.freshness = Freshness()

    def open(self) -> None:
        """Raises StorageError. An unreadable file is set aside, one of a newer release removed; a new one is begun."""
        if self._opened is None:
            try:
                self._opened = self._open()
            except SchemaTooNew:
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
                self._opened = self._open()

    def _open(self) -> Storage:
        storage = Storage(self._path, schema=SCHEMA, durable=False)
        storage.open()
        return storage

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def _storage(self) -> Storage:
        if self._opened is None:
            raise StorageError("the search index is not there yet", next_step="see bot.log for why it cannot be opened")
        return self._opened

    def state(self) -> State | None:
        with self._storage.glance() as tx:
            row = tx.sql.execute("SELECT archive, changed, message_id, words_version, rounds FROM state").fetchone()
        return State(row[0], (row[1], row[2]), row[4] >= ROUNDS) if row and row[3] == VERSION else None

    def begin(self, archive: str) -> None:
        """Forget everything and begin with this archive."""

        def work(tx: Tx) -> None:
            for statement in (
                "DELETE FROM documents",
                "INSERT INTO words (words) VALUES ('delete-all')",
                "INSERT INTO grams (grams) VALUES ('delete-all')",
                "DELETE FROM state",
            ):
                tx.sql.execute(statement)
            tx.sql.execute(
                "INSERT INTO state (archive, words_version, changed, message_id) VALUES (?, ?, ?, ?)",
                (archive, VERSION, *START),
            )

        self._storage.write(work)

    def take(self, documents: Sequence[Document], removed: Iterable[int], position: tuple[int, int]) -> None:
        """Forget what was removed, then store what is new or changed; all of it or nothing."""

        def work(tx: Tx) -> None:
            for message_id in removed:
                _forget(tx, message_id)
            for document in documents:
                _put(tx, document)
            tx.sql.execute(
                "UPDATE state SET changed = ?, message_id = ?, written = written + ?", (*position, len(documents))
            )

        self._storage.write(work)

    def scrub(self) -> None:
        """Let nothing remain of forgotten rows: FTS5 keeps their words until it merges, the WAL until it is cut."""

        def work(tx: Tx) -> None:
            tx.sql.execute("INSERT INTO words (words) VALUES ('optimize')")
            tx.sql.execute("INSERT INTO grams (grams) VALUES ('optimize')")
            tx.sql.execute("UPDATE state SET merged = written, is_merging = 0, rounds = rounds + 1")

        self._storage.write(work, timeout_s=SCRUB_S)
        self._storage.cut_wal()

    def is_scattered(self) -> bool:
        """Whether much of it lies in many pieces: FTS5 looks into each, which takes four times as long as one."""
        with self._storage.glance() as tx:
            row = tx.sql.execute("SELECT written - merged, written FROM state").fetchone()
        return row is not None and row[0] >= max(SCATTERED, row[1] // SHARE)

    def merge(self) -> bool:
        """Bring the pieces together a little further; False when that is done.
        https://www.sqlite.org/fts5.html#the_merge_command
        """

        def work(tx: Tx) -> bool:
            (is_merging,) = tx.sql.execute("SELECT is_merging FROM state").fetchone()
            # A number below zero names all pieces that there are; those that come meanwhile stay for the next time.
            pages = MERGED_PAGES if is_merging else -MERGED_PAGES
            has_worked = False
            for table in ("words", "grams"):
                before = _changes(tx)
                tx.sql.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))
                has_worked |= _changes(tx) - before >= 2  # its own row counts as one
            if not has_worked:
                tx.sql.execute("UPDATE state SET merged = written, is_merging = 0")
            elif not is_merging:
                tx.sql.execute("UPDATE state SET is_merging = 1, rounds = rounds + 1")
            return has_worked

        return self._storage.write(work)

    # --- finding

    def newest(self, query: Query, before: int, limit: int) -> list[int]:
        """Up to `limit` numbers below `before`, newest first; fewer than `limit` only at the end."""
        if not query.needs_reading:
            with self._storage.glance() as tx:
                return [row[0] for row in tx.sql.execute(_NEWEST, (_match(query), before, limit))]
        with self._storage.read() as tx:
            found: list[int] = []
            chunk = limit + FIRST_MORE  # most candidates are hits
            while len(found) < limit:
                rows = self._candidates(tx, query, before, chunk)
                found += [row[0] for row in rows if matches(query, row[1], row[2])]
                if len(rows) < chunk:
                    break
                before, chunk = rows[-1][0], min(2 * chunk, CHUNK)
            return found[:limit]

    def best(self, query: Query, offset: int, limit: int) -> list[int]:
        """The same by how well they fit, among the newest; letters inside words have no rank."""
        if query.needs_reading:
            return self.newest(query, 2**62, offset + limit)[offset:]
        with self._storage.read() as tx:
            return [row[0] for row in tx.sql.execute(_RANKED, (_match(query), RANKED, limit, offset))]

    def in_chats(self, query: Query, chat_ids: Sequence[int], before: int, limit: int) -> list[int]:
        """The same in a few dialogs, read through one by one."""
        found: list[int] = []
        with self._storage.read() as tx:
            for message_id, text, beside in tx.sql.execute(_OF_CHATS, (json.dumps(chat_ids), before)):
                if matches(query, text, beside):
                    found.append(message_id)
                    if len(found) == limit:
                        break
        return found

    def _candidates(self, tx: Tx, query: Query, before: int, limit: int) -> list[tuple[int, str, str]]:
        if query.parts:
            grams = " AND ".join(f'"{gram}"' for part in query.parts for gram in _trigrams(part.words[0]))
            return list(tx.sql.execute(_PARTS, (grams, before, limit)))
        ids = [row[0] for row in tx.sql.execute(_NEWEST, (_match(query), before, limit))]
        return list(tx.sql.execute(_OF_IDS, (json.dumps(ids),)))


def _changes(tx: Tx) -> int:
    return int(tx.sql.execute("SELECT total_changes()").fetchone()[0])


def _put(tx: Tx, document: Document) -> None:
    text, beside = normal(document.text), extra(document.author, document.file_names, document.text)
    stored = tx.sql.execute("SELECT text, extra FROM documents WHERE message_id = ?", (document.message_id,)).fetchone()
    if stored == (text, beside):
        return
    if stored is not None:
        _forget(tx, document.message_id)
    tx.sql.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (document.message_id, document.chat_id, text, beside))
    tx.sql.execute(
        "INSERT INTO words (rowid, exact, stems, extra) VALUES (?, ?, ?, ?)",
        (document.message_id, *_columns(text, beside)),
    )
    tx.sql.execute("INSERT INTO grams (rowid, text) VALUES (?, ?)", (document.message_id, f"{text}\n{beside}"))


def _forget(tx: Tx, message_id: int) -> None:
    row = tx.sql.execute("DELETE FROM documents WHERE message_id = ? RETURNING text, extra", (message_id,)).fetchone()
    if row is None:
        return
    tx.sql.execute(
        "INSERT INTO words (words, rowid, exact, stems, extra) VALUES ('delete', ?, ?, ?, ?)",
        (message_id, *_columns(*row)),
    )
    tx.sql.execute(
        "INSERT INTO grams (grams, rowid, text) VALUES ('delete', ?, ?)", (message_id, f"{row[0]}\n{row[1]}")
    )


def _columns(text: str, beside: str) -> tuple[str, str, str]:
    exact, more = words(text), words(beside)
    return " ".join(exact), " ".join(map(stem, exact)), " ".join([*more, *(s for w in more if (s := stem(w)) != w)])


def _match(query: Query) -> str:
    """The query in the language of FTS5; what needs reading is left to the reader."""
    wanted = " AND ".join(_term(term) for term in query.wanted if term.kind != "part")
    excluded = " OR ".join(_term(term) for term in query.excluded if term.kind != "part")
    return f"({wanted}) NOT ({excluded})" if excluded else wanted


def _term(term: Term) -> str:
    if term.kind == "forms":
        return f'{{stems extra}} : "{stem(term.words[0])}"'
    if term.kind == "prefix":
        return f'{{exact extra}} : "{term.words[0]}" *'
    return f'{{exact extra}} : "{" ".join(term.words)}"'


def _trigrams(part: str) -> list[str]:
    """As few as hold every letter: FTS5 follows each for itself, and what is found is read anyway."""
    last = len(part) - 3
    return [part[i : i + 3] for i in (*range(0, last, 3), last)]
