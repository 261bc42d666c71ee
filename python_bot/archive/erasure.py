"""The one list of places where an archive keeps what people said and who they are, and how it is deleted there.

A migration that adds a table or a text column adds it here, to `PLACES` or, with the reason, to `HARMLESS`; a test
compares both with the schema. Whatever has an entry in `PLACES` is deleted with its conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, Literal, TypeVar

from ..db import Tx, Writes
from ..values import dataclass
from . import outside, tombstones
from .contract_upkeep import Erased
from .tombstones import Tombstone

T = TypeVar("T")

CHUNK: Final = 200  # messages of one transaction: a few milliseconds, so that no event waits
NO_CHAT: Final = 0
NOT_LOOKED_AT: Final = -1

Key = Literal["message", "chat", "session", "journal", "outbox", "user", "channel"]


@dataclass(frozen=True, slots=True)
class Place:
    """A table and its columns with personal data.

    `key`: how rows are found: by `message_id`, by `chat_id`, by `session_ref`; the journal, the outbox, the users and
    the messengers' chats have ways of their own. `outlives`: stays while the dialog has messages newer than that.
    """

    table: str
    columns: tuple[str, ...]
    key: Key
    outlives: bool = False


# In the order of deletion: what refers to a row goes before it.
PLACES: Final = (
    Place("message_versions", ("text",), "message"),
    Place("files", ("name", "type", "url", "state", "hash", "problem"), "message"),
    Place("messages", ("author_kind", "text", "text_plain"), "message"),
    Place("journal", ("event", "outcome", "trace_id", "fingerprint", "format", "body"), "journal"),
    Place("journal_chats", (), "journal"),
    Place("outbox", ("kind", "payload", "lane", "dedupe_key", "trace_id", "last_error"), "outbox"),
    Place("sessions", ("handover", "handover_error"), "chat", outlives=True),
    Place("histories", ("body",), "chat"),
    Place("http_journal_causes", ("trace_id", "job"), "chat"),
    Place(
        "http_journal",
        (
            "direction",
            "kind",
            "method",
            "path",
            "trace_id",
            "job",
            "subject",
            "portal",
            "fetch_mode",
            "fetch_dest",
            "authorization",
            "outcome",
            "error_code",
            "error_text",
        ),
        "chat",
    ),
    Place("session_events", ("kind", "reason"), "session"),
    Place("manifest_keys", ("key",), "chat"),
    Place("participants", (), "chat", outlives=True),
    Place("dialogs", ("dialog_id", "title", "entity_id", "connector_id", "crm_links", "status"), "chat", outlives=True),
    Place("happenings", ("event",), "chat", outlives=True),
    Place("deliveries", ("event", "state", "last_error"), "chat", outlives=True),
    Place("delivery_lanes", (), "chat", outlives=True),
    Place("channel_message_ids", ("message_id",), "channel"),
    Place("channel_messages", ("direction", "chat_id", "kind", "status", "problem", "body"), "channel"),
    Place("channel_posts", ("chat_id", "direction", "status", "body", "problem", "post_ids"), "channel"),
    Place("channel_topics", ("chat_id", "group_id", "thread_id", "state"), "channel", outlives=True),
    Place("channel_chats", ("chat_id", "name", "url", "person", "about", "state"), "channel", outlives=True),
    Place("looks", ("what", "token"), "chat"),
    Place("users", ("name", "kind", "first_name", "last_name", "work_position"), "user"),
)
HARMLESS: Final = {
    "bot_chats": "numbers of the employees who look after the bot, and of their chats with it",
    "facts": "states of the instance and of the portal's lines",
    "change_clock": "when something changed last",
    "archive_identity": "a random name of the file",
    "removed_messages": "numbers that the search index has to forget",
    "connector_lines": "which of our connectors serves which line",
    "left_contents": "hashes of contents of deleted files, until the contents are removed too",
    "erased_chats": "numbers that keep erased conversations from coming back",
    "erased_sessions": "the same for sessions",
    "manifests": "hashes of files of hashes",
    "channel_accounts": "the company's own bots and shops",
    "channel_secrets": "their tokens",
    "channel_seen": "numbers of what messengers told: it does not come again; see outside.py",
    "session_ranges": "which session numbers were looked at",
    "subscriptions": "addresses of integrators' machines, and the secrets that they check our calls with",
    "visits": "employees who are signed in with a browser, until their visit is over",
    "imports": "fingerprints of archives that were taken over",
    "imported_messages": "numbers of messages that were taken over: they do not come again",
    "http_texts": "names of members of bodies, and of programs; no values",
    "sqlite_sequence": "how many sessions and jobs there were",
}

# A client waits for a hand-over, and its payload names nobody.
_KEPT_JOBS: Final = ("handover",)
_OF_CHAT: Final = (
    "COALESCE(json_extract(payload, '$.chat_id'), json_extract(payload, '$.item.im.chat_id'))"  # a channel's message
)


class SqliteErasure:
    """Implements `contract.Erasure`, also on a kept copy of an older schema. Small transactions: no event waits."""

    def __init__(self, storage: Writes) -> None:
        self._storage = storage
        self._tables: frozenset[str] = frozenset()

    # --- what is to go

    def outlived(self, before: int, limit: int) -> list[int]:
        return self._storage.write(lambda tx: [row[0] for row in tx.sql.execute(_OUTLIVED, (before, limit))])

    def of_client(self, user_id: int) -> list[int]:
        return self._storage.write(lambda tx: [row[0] for row in tx.sql.execute(_OF_CLIENT, {"user": user_id})])

    # --- deleting

    def erase_outlived(self, chat_id: int, before: int) -> Erased:
        def begin(tx: Tx) -> Tombstone | None:
            row = tx.sql.execute(f"{_IS_OUTLIVED} AND chat_id = ?", (before, chat_id)).fetchone()
            return Tombstone(row[1], before) if row else None

        return self._erase(chat_id, begin)

    def erase(self, chat_id: int, at: int | None = None) -> Erased:
        before = int(time.time()) if at is None else at

        def begin(tx: Tx) -> Tombstone:
            # Message numbers grow over the whole portal, so this one also bounds what we never received.
            (highest,) = tx.sql.execute("SELECT COALESCE(MAX(message_id), 0) FROM messages").fetchone()
            return Tombstone(max(0, highest), before)

        return self._erase(chat_id, begin)

    def _erase(self, chat_id: int, begin: Callable[[Tx], Tombstone | None]) -> Erased:
        def start(tx: Tx) -> tuple[Tombstone, int] | None:
            stone = begin(tx)
            if stone is None:
                return None
            if self._has(tx, "erased_chats"):
                tombstones.put(tx, chat_id, stone)
            (journal_id,) = tx.sql.execute("SELECT COALESCE(MAX(id), 0) FROM journal").fetchone()
            return stone, journal_id

        begun = self._storage.write(start)
        if begun is None:
            return Erased()
        stone, journal_id = begun
        erased = Erased()
        while (more := self._storage.write(lambda tx: self._messages(tx, chat_id, stone.message_id))).messages:
            erased += more
        while (more := self._storage.write(lambda tx: self._journal(tx, chat_id, journal_id))).journal:
            erased += more
        return erased + self._storage.write(lambda tx: self._dialog(tx, chat_id))

    def _messages(self, tx: Tx, chat_id: int, up_to: int) -> Erased:
        rows = tx.sql.execute(
            "SELECT message_id FROM messages WHERE chat_id = ? AND message_id <= ? ORDER BY message_id LIMIT ?",
            (chat_id, up_to, CHUNK),
        ).fetchall()
        ids = [row[0] for row in rows]
        gone = {place.table: self._delete(tx, place, "message_id", ids) for place in self._places(tx, "message")}
        return Erased(messages=gone["messages"], files=gone["files"])

    def _journal(self, tx: Tx, chat_id: int, up_to: int) -> Erased:
        if not self._has(tx, "journal_chats"):
            return Erased()
        rows = tx.sql.execute(
            "SELECT journal_id FROM journal_chats WHERE chat_id = ? AND journal_id <= ? ORDER BY journal_id LIMIT ?",
            (chat_id, up_to, CHUNK),
        ).fetchall()
        self.drop_journal(tx, [row[0] for row in rows], (chat_id,))
        return Erased(journal=len(rows))

    def drop_journal(self, tx: Tx, ids: Collection[int], chat_ids: Collection[int]) -> None:
        """Delete entries of the journal, with the links that they have from these chats."""
        marks = _marks(ids)
        tx.sql.execute(f"DELETE FROM journal WHERE id IN ({marks})", tuple(ids))
        if self._has(tx, "journal_chats"):
            for chat_id in chat_ids:
                tx.sql.execute(
                    f"DELETE FROM journal_chats WHERE chat_id = ? AND journal_id IN ({marks})", (chat_id, *ids)
                )

    def _dialog(self, tx: Tx, chat_id: int) -> Erased:
        """What is left of a dialog after its messages."""
        jobs = tx.sql.execute(
            f"DELETE FROM outbox WHERE {_OF_CHAT} = ?"
            f" AND (kind NOT IN ({_marks(_KEPT_JOBS)}) OR buried_at IS NOT NULL)",
            (chat_id, *_KEPT_JOBS),
        ).rowcount
        for place in self._places(tx, "session"):
            tx.sql.execute(f"DELETE FROM {place.table} WHERE session_ref IN ({_SESSIONS})", (chat_id,))
        newer = tx.sql.execute(_NEWER, (chat_id,)).fetchone()
        present = tx.sql.execute("SELECT user_id FROM participants WHERE chat_id = ?", (chat_id,)).fetchall()
        if newer is None:
            for table in ("dialogs", "messages"):  # those of another chat too: a portal may number sessions strangely
                tx.sql.execute(f"UPDATE {table} SET session_ref = NULL WHERE session_ref IN ({_SESSIONS})", (chat_id,))
        gone = {
            place.table: self._delete(tx, place, "chat_id", [chat_id])
            for place in self._places(tx, "chat")
            if newer is None or not place.outlives
        }
        if newer is not None:
            tx.sql.execute(_RECOUNT, (chat_id,))
        if newer is None:
            outside.drop_told(tx, outside.of_portal(tx, (chat_id,)), int(time.time()))
        for place in self._places(tx, "channel"):
            if newer is None or not place.outlives:
                settled = "" if newer is None else _SETTLED.get(place.table, "")
                tx.sql.execute(_in_channel(place.table, _CHANNEL_CHATS) + settled, (chat_id,))
        users = self._orphans(tx, [row[0] for row in present])
        return Erased(dialogs=gone.get("dialogs", 0), jobs=jobs, users=users)

    def _orphans(self, tx: Tx, user_ids: Iterable[int]) -> int:
        """Users who take part in no dialog any more."""
        return sum(tx.sql.execute(_ORPHAN, (user_id,)).rowcount for user_id in user_ids)

    def _delete(self, tx: Tx, place: Place, column: str, ids: Collection[int]) -> int:
        return tx.sql.execute(f"DELETE FROM {place.table} WHERE {column} IN ({_marks(ids)})", tuple(ids)).rowcount

    # --- the journal's links

    def link_journal(self, chats_of: Callable[[str, str, bytes], Collection[int]]) -> int:
        def work(tx: Tx) -> int:
            if not self._has(tx, "journal_chats"):
                return 0
            rows = tx.sql.execute(
                "SELECT id, event, format, body FROM journal_chats JOIN journal ON id = journal_id"
                " WHERE chat_id = ? ORDER BY journal_id LIMIT ?",
                (NOT_LOOKED_AT, CHUNK),
            ).fetchall()
            for journal_id, event, form, body in rows:
                link(tx, journal_id, chats_of(event, form, body))
            tx.sql.execute(
                f"DELETE FROM journal_chats WHERE chat_id = ? AND journal_id IN ({_marks(rows)})",
                (NOT_LOOKED_AT, *(row[0] for row in rows)),
            )
            return len(rows)

        return self._storage.write(work)

    def erase_events_without_chat(self, before: int) -> int:
        def work(tx: Tx) -> int:
            rows = tx.sql.execute(
                "SELECT journal_id, received_at FROM journal_chats JOIN journal ON id = journal_id"
                " WHERE chat_id = ? ORDER BY journal_id LIMIT ?",
                (NO_CHAT, CHUNK),
            ).fetchall()
            old = [journal_id for journal_id, received_at in rows if received_at < before]
            self.drop_journal(tx, old, (NO_CHAT,))
            return len(old)

        return self._storage.write(work)

    # --- what names a person without belonging to a chat of theirs

    def sweep_journal(self, names_them: Callable[[str, str, bytes], bool]) -> int:
        """Delete entries that belong to no chat, by event, format and body; in an older schema no entry has a chat."""
        count, last = 0, 0

        def work(tx: Tx) -> tuple[int, int]:
            query = _UNLINKED if self._has(tx, "journal_chats") else _ENTRIES
            rows = tx.sql.execute(query, (last, CHUNK)).fetchall()
            found = [row[0] for row in rows if names_them(row[1], row[2], bytes(row[3]))]
            self.drop_journal(tx, found, (NO_CHAT,))
            return len(found), (rows[-1][0] if rows else 0)

        while (step := self._storage.write(work))[1]:
            count, last = count + step[0], step[1]
        return count

    def sweep_jobs(self, names_them: Callable[[bytes], bool]) -> int:
        def work(tx: Tx) -> int:
            rows = tx.sql.execute(
                f"SELECT id, payload || last_error FROM outbox WHERE kind NOT IN ({_marks(_KEPT_JOBS)})"
                " OR buried_at IS NOT NULL",
                _KEPT_JOBS,
            ).fetchall()
            found = [row[0] for row in rows if names_them(row[1].encode())]
            return tx.sql.execute(f"DELETE FROM outbox WHERE id IN ({_marks(found)})", found).rowcount

        return self._storage.write(work)

    def erase_user(self, user_id: int) -> int:
        """The name of a user who takes part in no dialog."""
        return self._storage.write(lambda tx: self._orphans(tx, (user_id,)))

    def erase_outside(self, who: outside.Named) -> Erased:
        """What is known of somebody's chats that the portal does not show. `messages`: what went through them."""

        def work(tx: Tx) -> Erased:
            messages, jobs = outside.erase(tx, outside.named(tx, who), int(time.time()))
            return Erased(messages=messages, jobs=jobs)

        return self._storage.write(work)

    # --- the schema

    def _has(self, tx: Tx, table: str) -> bool:
        if not self._tables:
            rows = tx.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            self._tables = frozenset(row[0] for row in rows)
        return table in self._tables

    def _places(self, tx: Tx, key: Key) -> list[Place]:
        return [place for place in PLACES if place.key == key and self._has(tx, place.table)]


def link(tx: Tx, journal_id: int, chat_ids: Collection[int]) -> None:
    """Note which chats an entry of the journal is about."""
    rows = [(chat_id, journal_id) for chat_id in (chat_ids or (NO_CHAT,))]
    tx.sql.executemany("INSERT OR IGNORE INTO journal_chats (chat_id, journal_id) VALUES (?, ?)", rows)


_IS_OUTLIVED: Final = (
    "SELECT chat_id, last_message_id FROM dialogs WHERE status = 'closed' AND COALESCE(last_message_at, opened_at) < ?"
)
_OUTLIVED: Final = f"{_IS_OUTLIVED} ORDER BY chat_id LIMIT ?"
_OF_CLIENT: Final = (
    "SELECT chat_id FROM dialogs WHERE client_id = :user UNION SELECT chat_id FROM participants p"
    " WHERE user_id = :user AND EXISTS (SELECT 1 FROM messages m WHERE m.chat_id = p.chat_id"
    "  AND m.author_id = :user AND m.author_kind = 'client') ORDER BY 1"
)
_UNLINKED: Final = (
    "SELECT id, event, format, body FROM journal_chats JOIN journal ON id = journal_id"
    " WHERE chat_id = 0 AND journal_id > ? ORDER BY journal_id LIMIT ?"
)
_ENTRIES: Final = "SELECT id, event, format, body FROM journal WHERE id > ? ORDER BY id LIMIT ?"
# What goes through a messenger's chat is known by the portal's chat that it became.
_CHANNEL_CHATS: Final = "SELECT account_id, chat_id FROM channel_chats WHERE portal_chat_id = ?"
# Somebody writes in it just now: what is not through yet has to arrive, and what is through is not sent again.
_SETTLED: Final = {
    "channel_message_ids": (
        " AND ref NOT IN (SELECT id FROM channel_messages WHERE status IN ('waiting', 'sending')"
        " OR portal_message_id IN (SELECT message_id FROM messages))"
    ),
    "channel_messages": (
        " AND status NOT IN ('waiting', 'sending')"
        " AND (portal_message_id IS NULL OR portal_message_id NOT IN (SELECT message_id FROM messages))"
    ),
    "channel_posts": " AND status NOT IN ('waiting', 'sending')",
}
_SESSIONS: Final = "SELECT id FROM sessions WHERE chat_id = ?"
_NEWER: Final = "SELECT 1 FROM messages WHERE chat_id = ? LIMIT 1"
_RECOUNT: Final = (
    "UPDATE dialogs SET (message_count, last_message_id, last_message_at) ="
    " (SELECT COUNT(*), MAX(message_id), MAX(sent_at) FROM messages WHERE chat_id = ?1), reconciled_to = -1"
    " WHERE chat_id = ?1"
)
_ORPHAN: Final = "DELETE FROM users WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM participants WHERE user_id = ?1)"


def _in_channel(table: str, chats: str) -> str:
    """`chats`: which ones of a messenger, as (account_id, chat_id)."""
    if table == "channel_message_ids":
        messages = f"SELECT id FROM channel_messages WHERE (account_id, chat_id) IN ({chats})"
        return f"DELETE FROM {table} WHERE ref IN ({messages})"
    return f"DELETE FROM {table} WHERE (account_id, chat_id) IN ({chats})"


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))
