"""What moves from the present archive (`former`) into a rebuilt one: whatever has no raw source, or lost it."""

from __future__ import annotations

from ..db import Tx
from .rebuilding import COPIED, COPIED_LAST, PAIRED, PLAIN_DIFFERS, copy, pair
from .store import HEAD


def carry_over(tx: Tx) -> None:
    """After the replay: whatever has no raw source, or lost it, moves over. Nothing that was said is left behind."""
    tx.sql.execute("PRAGMA defer_foreign_keys=ON")
    pair(tx)
    for table in COPIED:
        copy(tx, table)
    _sequences(tx)
    _dialogs(tx)
    _sessions(tx)
    _messages(tx)
    _people(tx)
    _raw(tx)
    _finish(tx)
    for table in COPIED_LAST:
        copy(tx, table)
    _sequences(tx)


def _columns(tx: Tx, table: str, *without: str) -> list[str]:
    found = [row[0] for row in tx.sql.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    return [name for name in found if name not in without]


def _sequences(tx: Tx) -> None:
    """Jobs refer to sessions: a number is never used twice."""
    for name, seq in tx.sql.execute("SELECT name, seq FROM former.sqlite_sequence").fetchall():
        if not tx.sql.execute("UPDATE main.sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?", (seq, name)).rowcount:
            tx.sql.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (name, seq))


def _dialogs(tx: Tx) -> None:
    columns = ", ".join(_columns(tx, "dialogs", "session_ref", "changed"))
    tx.sql.execute(
        f"INSERT INTO main.dialogs ({columns}) SELECT {columns} FROM former.dialogs"
        " WHERE chat_id NOT IN (SELECT chat_id FROM main.dialogs)"
    )
    tx.sql.execute(  # what the portal said of a chat when it was asked
        "UPDATE main.dialogs AS n SET title = CASE n.title WHEN '' THEN o.title ELSE n.title END,"
        " entity_id = CASE n.entity_id WHEN '' THEN o.entity_id ELSE n.entity_id END,"
        " connector_id = CASE n.connector_id WHEN '' THEN o.connector_id ELSE n.connector_id END,"
        " crm_links = CASE n.crm_links WHEN '' THEN o.crm_links ELSE n.crm_links END,"
        " line_id = COALESCE(n.line_id, o.line_id), client_id = COALESCE(n.client_id, o.client_id),"
        " operator_id = COALESCE(n.operator_id, o.operator_id),"
        " reconciled_to = MAX(n.reconciled_to, o.reconciled_to),"
        " reconciled_at = COALESCE(MAX(n.reconciled_at, o.reconciled_at), n.reconciled_at, o.reconciled_at)"
        " FROM former.dialogs o WHERE o.chat_id = n.chat_id"
    )


def _sessions(tx: Tx) -> None:
    columns = ", ".join(_columns(tx, "sessions", "id"))
    missing = tx.sql.execute(
        "SELECT id FROM former.sessions WHERE id NOT IN (SELECT former_id FROM temp.pairs) ORDER BY id"
    ).fetchall()
    for (former_id,) in missing:
        (new_id,) = tx.sql.execute(
            f"INSERT INTO main.sessions ({columns}) SELECT {columns} FROM former.sessions WHERE id = ? RETURNING id",
            (former_id,),
        ).fetchone()
        tx.sql.execute("INSERT INTO temp.pairs VALUES (?, ?)", (former_id, new_id))
    tx.sql.execute(  # hand-overs are our calls; an end may have been told by the chat's card alone
        "UPDATE main.sessions AS n SET handover = o.handover, handed_over_at = o.handed_over_at,"
        " handover_exact = o.handover_exact, handover_error = o.handover_error,"
        " session_id = COALESCE(n.session_id, o.session_id), line_id = COALESCE(n.line_id, o.line_id),"
        " operator_id = COALESCE(n.operator_id, o.operator_id), closed_at = COALESCE(n.closed_at, o.closed_at),"
        " reconciled_at = COALESCE(MAX(n.reconciled_at, o.reconciled_at), n.reconciled_at, o.reconciled_at),"
        " reconciled_to = MAX(n.reconciled_to, o.reconciled_to)"
        " FROM temp.pairs p JOIN former.sessions o ON o.id = p.former_id WHERE p.id = n.id"
    )
    columns = ", ".join(_columns(tx, "session_events", "session_ref"))
    tx.sql.execute(
        f"INSERT OR IGNORE INTO main.session_events (session_ref, {columns}) SELECT p.id, {columns}"
        " FROM former.session_events e JOIN temp.pairs p ON p.former_id = e.session_ref"
        " WHERE NOT EXISTS (SELECT 1 FROM main.messages n WHERE n.message_id = e.message_id)"
    )


def _messages(tx: Tx) -> None:
    tx.sql.execute("DROP TABLE IF EXISTS temp.filled")
    tx.sql.execute(
        "CREATE TEMP TABLE filled AS SELECT DISTINCT chat_id FROM former.messages o"
        " WHERE NOT EXISTS (SELECT 1 FROM main.messages n WHERE n.message_id = o.message_id)"
    )
    columns = ", ".join(_columns(tx, "messages", "session_ref", "changed"))
    tx.sql.execute(
        f"INSERT INTO main.messages ({columns}, session_ref) SELECT {columns},"
        " (SELECT p.id FROM temp.pairs p WHERE p.former_id = o.session_ref) FROM former.messages o"
        " WHERE NOT EXISTS (SELECT 1 FROM main.messages n WHERE n.message_id = o.message_id)"
    )
    tx.sql.execute(  # an edit or a deletion that history showed was seen first by an answer that is not kept
        "UPDATE main.messages AS n SET"
        " edited_at = COALESCE(MIN(n.edited_at, o.edited_at), n.edited_at, o.edited_at),"
        " deleted_at = COALESCE(MIN(n.deleted_at, o.deleted_at), n.deleted_at, o.deleted_at)"
        " FROM former.messages o WHERE o.message_id = n.message_id"
        " AND (n.edited_at IS NOT o.edited_at OR n.deleted_at IS NOT o.deleted_at)"
    )
    tx.sql.execute(  # where both read differently, the former reading stays as a former text
        "INSERT INTO main.message_versions (message_id, version, text, since, replaced_at) SELECT message_id,"
        " 1 + (SELECT COALESCE(MAX(version), 0) FROM main.message_versions w WHERE w.message_id = n.message_id),"
        f" o.text, 0, COALESCE(n.edited_at, n.sent_at) FROM {PAIRED}"
        f" WHERE {PLAIN_DIFFERS} AND o.text <> '' AND NOT EXISTS"
        " (SELECT 1 FROM main.message_versions w WHERE w.message_id = n.message_id AND w.text = o.text)"
    )
    tx.sql.execute(
        "INSERT INTO main.message_versions (message_id, version, text, since, replaced_at) SELECT v.message_id,"
        " v.version +"
        " (SELECT COALESCE(MAX(version), 0) FROM main.message_versions w WHERE w.message_id = v.message_id),"
        " v.text, v.since, v.replaced_at FROM former.message_versions v JOIN main.messages n USING (message_id)"
        " WHERE v.text <> n.text AND NOT EXISTS"
        " (SELECT 1 FROM main.message_versions w WHERE w.message_id = v.message_id AND w.text = v.text)"
    )
    tx.sql.execute(
        "INSERT OR IGNORE INTO main.files SELECT f.* FROM former.files f JOIN main.messages n USING (message_id)"
    )
    tx.sql.execute(
        "UPDATE main.files AS n SET state = o.state, hash = o.hash, stored_size = o.stored_size, problem = o.problem"
        " FROM former.files o WHERE o.message_id = n.message_id AND o.file_id = n.file_id"
    )


def _people(tx: Tx) -> None:
    tx.sql.execute("INSERT OR IGNORE INTO main.users SELECT * FROM former.users")
    columns = _columns(tx, "users", "user_id")
    values = ", ".join(f"{name} = o.{name}" for name in columns)
    tx.sql.execute(  # names that were asked for have no raw source
        f"UPDATE main.users AS n SET {values} FROM former.users o WHERE o.user_id = n.user_id"
        " AND (n.name = '' OR o.named_at > n.named_at OR n.asked_at IS NOT o.asked_at AND o.named_at = n.named_at)"
    )
    tx.sql.execute("INSERT OR IGNORE INTO main.participants SELECT * FROM former.participants")


def _raw(tx: Tx) -> None:
    tx.sql.execute("INSERT OR IGNORE INTO main.histories SELECT * FROM former.histories")
    columns = ", ".join(_columns(tx, "journal", "id"))
    tx.sql.execute(
        f"INSERT OR IGNORE INTO main.journal ({columns}) SELECT {columns} FROM former.journal o ORDER BY o.id"
    )
    tx.sql.execute(
        "INSERT OR IGNORE INTO main.journal_chats SELECT c.chat_id, n.id FROM former.journal_chats c"
        " JOIN former.journal o ON o.id = c.journal_id JOIN main.journal n ON n.fingerprint = o.fingerprint"
    )


def _finish(tx: Tx) -> None:
    tx.sql.execute(
        "UPDATE main.sessions SET last_message_id = MAX(last_message_id, COALESCE((SELECT MAX(message_id)"
        " FROM main.messages m WHERE m.chat_id = sessions.chat_id AND m.session_ref = sessions.id), 0))"
        " WHERE chat_id IN (SELECT chat_id FROM temp.filled)"
    )
    tx.sql.execute(
        "UPDATE main.dialogs SET"
        " message_count = (SELECT COUNT(*) FROM main.messages m WHERE m.chat_id = dialogs.chat_id),"
        " last_message_id = MAX(last_message_id, COALESCE("
        "  (SELECT MAX(message_id) FROM main.messages m WHERE m.chat_id = dialogs.chat_id), 0))"
        " WHERE chat_id IN (SELECT chat_id FROM temp.filled)"
    )
    tx.sql.execute(
        "UPDATE main.dialogs SET last_message_at = COALESCE((SELECT m.sent_at FROM main.messages m"
        " WHERE m.message_id = dialogs.last_message_id), last_message_at)"
        " WHERE chat_id IN (SELECT chat_id FROM temp.filled)"
    )
    chats = tx.sql.execute("SELECT chat_id FROM main.dialogs").fetchall()
    tx.sql.executemany(HEAD, chats)
    # Followers go on where they were, and meet what differs; manifests are not written anew for what does not.
    tx.sql.execute("UPDATE main.change_clock SET value = 1 + MAX(value, (SELECT value FROM former.change_clock))")
    tx.sql.execute(
        "UPDATE main.messages AS n SET changed ="
        " CASE WHEN (o.text, o.text_plain, o.sent_at, o.sent_at_exact, o.author_id, o.author_kind,"
        " o.edited_at, o.deleted_at) IS (n.text, n.text_plain, n.sent_at, n.sent_at_exact, n.author_id,"
        " n.author_kind, n.edited_at, n.deleted_at) THEN o.changed ELSE (SELECT value FROM main.change_clock) END"
        " FROM former.messages o WHERE o.message_id = n.message_id"
    )
    tx.sql.execute("UPDATE main.dialogs SET changed = (SELECT value FROM main.change_clock)")
