"""A rebuilt archive beside the present one, which is attached as `former`: how they differ.

Every table is named here once: replayed from the raw sources, merged, copied, or left to the new file. A test compares
the list with the schema.
"""

from __future__ import annotations

from typing import Final

from ..db import Tx
from ..model import Difference, Differences

REPLAYED: Final = ("journal", "journal_chats")
MERGED: Final = (
    "dialogs",
    "sessions",
    "session_events",
    "messages",
    "message_versions",
    "files",
    "users",
    "participants",
    "histories",
)
COPIED: Final = (
    "outbox",
    "facts",
    "bot_chats",
    "connector_lines",
    "channel_accounts",
    "channel_secrets",
    "channel_seen",
    "channel_chats",
    "channel_messages",
    "channel_message_ids",
    "channel_topics",
    "channel_posts",
    "session_ranges",
    "imports",
    "imported_messages",
    "manifests",
    "manifest_keys",
    "erased_chats",
    "erased_sessions",
    "left_contents",
    "looks",
    "visits",
    "http_texts",
    "http_journal",
    "http_journal_causes",
)
# Last: before, the triggers would tell subscribers of all that is brought over.
COPIED_LAST: Final = ("subscriptions", "happenings", "deliveries", "delivery_lanes")
OWN: Final = ("archive_identity", "change_clock", "removed_messages", "sqlite_sequence")

EXAMPLES: Final = 20

PAIRED: Final = "former.messages o JOIN main.messages n USING (message_id)"
PLAIN_DIFFERS: Final = "COALESCE(o.text_plain, o.text) <> COALESCE(n.text_plain, n.text)"
# What differs, and a query for (chat_id, number of the message, session or user).
_QUESTIONS: Final = {
    "messages only in the archive": (
        "SELECT o.chat_id, o.message_id FROM former.messages o WHERE o.message_id > 0"
        " AND NOT EXISTS (SELECT 1 FROM main.messages n WHERE n.message_id = o.message_id)"
    ),
    "messages only in the rebuilt one": (
        "SELECT n.chat_id, n.message_id FROM main.messages n"
        " WHERE NOT EXISTS (SELECT 1 FROM former.messages o WHERE o.message_id = n.message_id)"
    ),
    "texts": f"SELECT o.chat_id, message_id FROM {PAIRED} WHERE o.text <> n.text OR {PLAIN_DIFFERS}",
    "times": (
        f"SELECT o.chat_id, message_id FROM {PAIRED} WHERE (o.sent_at, o.sent_at_exact) <> (n.sent_at, n.sent_at_exact)"
    ),
    "authors": (
        f"SELECT o.chat_id, message_id FROM {PAIRED} WHERE (o.author_id, o.author_kind) <> (n.author_id, n.author_kind)"
    ),
    # History has no times of edits: they are those of the answer, and only the latest answer is kept.
    "edits and deletions": (
        f"SELECT o.chat_id, message_id FROM {PAIRED} WHERE (o.edited_at IS NULL) <> (n.edited_at IS NULL)"
        " OR (o.deleted_at IS NULL) <> (n.deleted_at IS NULL)"
        " OR o.edited_at > n.edited_at OR o.deleted_at > n.deleted_at"
    ),
    "former texts": (
        "SELECT o.chat_id, v.message_id FROM former.message_versions v JOIN former.messages o USING (message_id)"
        " JOIN main.messages n USING (message_id) WHERE v.text <> n.text AND NOT EXISTS"
        " (SELECT 1 FROM main.message_versions w WHERE w.message_id = v.message_id AND w.text = v.text)"
    ),
    "sessions of messages": (
        f"SELECT o.chat_id, message_id FROM {PAIRED} LEFT JOIN temp.pairs p ON p.former_id = o.session_ref"
        " WHERE n.session_ref IS NOT p.id"
    ),
    "sessions only in the archive": (
        "SELECT chat_id, session_id FROM former.sessions WHERE id NOT IN (SELECT former_id FROM temp.pairs)"
    ),
    "sessions only in the rebuilt one": (
        "SELECT chat_id, session_id FROM main.sessions WHERE id NOT IN (SELECT id FROM temp.pairs)"
    ),
    "times of sessions": (
        "SELECT o.chat_id, o.session_id FROM temp.pairs p JOIN former.sessions o ON o.id = p.former_id"
        " JOIN main.sessions n ON n.id = p.id"
        " WHERE o.opened_at <> n.opened_at OR o.closed_at IS NOT n.closed_at OR o.session_id IS NOT n.session_id"
    ),
    "users only in the archive": (
        "SELECT NULL, user_id FROM former.users WHERE user_id NOT IN (SELECT user_id FROM main.users)"
    ),
    "users only in the rebuilt one": (
        "SELECT NULL, user_id FROM main.users WHERE user_id NOT IN (SELECT user_id FROM former.users)"
    ),
    "names": (
        "SELECT NULL, user_id FROM former.users o JOIN main.users n USING (user_id)"
        " WHERE (o.name, o.kind, o.first_name, o.last_name, o.work_position)"
        " <> (n.name, n.kind, n.first_name, n.last_name, n.work_position)"
    ),
}

_UNPAIRED: Final = (
    "(SELECT *, row_number() OVER (PARTITION BY chat_id ORDER BY opened_at, id) AS rank FROM {schema}.sessions"
    " WHERE id NOT IN (SELECT {column} FROM temp.pairs))"
)
_PAIRS: Final = (
    "SELECT o.id, n.id FROM former.sessions o JOIN main.sessions n ON n.session_id = o.session_id",
    "SELECT o.id, n.id FROM former.sessions o JOIN main.sessions n ON n.chat_id = o.chat_id"
    " AND n.joined_at = o.joined_at AND (o.session_id IS NULL OR n.session_id IS NULL)",
    f"SELECT o.id, n.id FROM {_UNPAIRED.format(schema='former', column='former_id')} o"
    f" JOIN {_UNPAIRED.format(schema='main', column='id')} n ON n.chat_id = o.chat_id AND n.rank = o.rank"
    " AND (o.session_id IS NULL OR n.session_id IS NULL)",
)


def prepare(tx: Tx) -> None:
    """Before the replay: what was erased stays erased, and the feed of changes never goes back."""
    for table in ("erased_chats", "erased_sessions"):
        copy(tx, table)
    tx.sql.execute("UPDATE main.change_clock SET value = MAX(value, (SELECT value FROM former.change_clock))")


def erased_meanwhile(tx: Tx) -> list[tuple[int, int]]:
    """Chats of which something was erased after `prepare`, and what was said before when."""
    return tx.sql.execute(
        "SELECT o.chat_id, o.before FROM former.erased_chats o LEFT JOIN main.erased_chats n USING (chat_id)"
        " WHERE n.chat_id IS NULL OR o.message_id > n.message_id OR o.before > n.before"
    ).fetchall()


def last_entry(tx: Tx) -> int:
    """The newest entry of the former archive's journal, in the snapshot of this transaction."""
    found: int = tx.sql.execute("SELECT COALESCE(MAX(id), 0) FROM former.journal").fetchone()[0]
    return found


def compare(tx: Tx) -> Differences:
    pair(tx)
    found: list[Difference] = []
    for what, sql in _QUESTIONS.items():
        (count,) = tx.sql.execute(f"SELECT COUNT(*) FROM ({sql})").fetchone()
        if count:
            found.append(Difference(what, count, tuple(tx.sql.execute(f"{sql} LIMIT {EXAMPLES}").fetchall())))
    counts = [
        tx.sql.execute(f"SELECT COUNT(*) FROM {schema}.messages WHERE message_id > 0").fetchone()[0]
        for schema in ("former", "main")
    ]
    return Differences(counts[0], counts[1], tuple(found))


def session_pairs(tx: Tx) -> dict[int, int]:
    """Our reference of each session in the former archive -> in this one."""
    return dict(tx.sql.execute("SELECT former_id, id FROM temp.pairs").fetchall())


def pair(tx: Tx) -> None:
    tx.sql.execute("DROP TABLE IF EXISTS temp.pairs")
    tx.sql.execute("CREATE TEMP TABLE pairs (former_id INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE)")
    for sql in _PAIRS:
        tx.sql.execute(f"INSERT OR IGNORE INTO temp.pairs (former_id, id) {sql}")


def copy(tx: Tx, table: str) -> None:
    tx.sql.execute(f"DELETE FROM main.{table}")
    tx.sql.execute(f"INSERT INTO main.{table} SELECT * FROM former.{table}")
