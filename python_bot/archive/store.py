"""All SQL that writes dialogs, sessions, stats, messages, users and the journal, in SQLite's dialect.

Events come in any order, twice, or not at all; every method here is written so that the end state does not
depend on the order in which the pieces of a conversation arrived.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from ..db import Storage, Tx
from ..model import (
    ANY_DIALOG,
    Changes,
    ChatFacts,
    DialogFilter,
    DialogOrder,
    Excerpt,
    Found,
    JournalEntry,
    JsonPage,
    Message,
    MessageOrder,
    MessageVersion,
    Passage,
    SessionHistory,
    StoredFile,
    User,
)
from . import (
    documents,
    erasure,
    external,
    files,
    imports,
    messages,
    pages,
    passages,
    people,
    session_events,
    sessions,
    stats,
    tombstones,
)
from .contract import Source
from .timeline import SAME_END_S

_JOURNAL: Final = (
    "INSERT INTO journal (received_at, event, outcome, trace_id, fingerprint, format, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO NOTHING RETURNING id"
)
_NEW_DIALOG: Final = (
    "INSERT INTO dialogs (chat_id, dialog_id, opened_at) VALUES (?, ?, ?) ON CONFLICT (chat_id) DO NOTHING"
)
# Empty strings and NULLs mean "this event did not say" and leave what is stored. The operator is the one that the
# latest message knew; the time of the last message is the time of the one with the highest number.
# An UPDATE touches every index of the columns that it names, changed or not: so what seldom changes is written only
# when it does, apart from what every message changes.
_FACTS: Final = (
    "UPDATE dialogs SET (title, entity_id, connector_id, line_id, client_id, crm_links, operator_id) ="
    " (SELECT COALESCE(NULLIF(:title, ''), title), COALESCE(NULLIF(:entity_id, ''), entity_id),"
    "  COALESCE(NULLIF(:connector_id, ''), connector_id),"
    "  CASE WHEN :entity_id <> '' THEN COALESCE(:line_id, line_id) ELSE COALESCE(line_id, :line_id) END,"
    "  COALESCE(:client_id, client_id), COALESCE(NULLIF(:crm_links, ''), crm_links),"
    "  CASE WHEN :message_id >= last_message_id THEN COALESCE(:operator_id, operator_id) ELSE operator_id END)"
    " WHERE chat_id = :chat_id AND ((:title <> '' AND title <> :title)"
    "  OR (:entity_id <> '' AND entity_id <> :entity_id)"
    "  OR (:connector_id <> '' AND connector_id <> :connector_id) OR (:crm_links <> '' AND crm_links <> :crm_links)"
    "  OR (:line_id IS NOT NULL AND line_id IS NOT :line_id AND (line_id IS NULL OR :entity_id <> ''))"
    "  OR (:client_id IS NOT NULL AND client_id IS NOT :client_id)"
    "  OR (:operator_id IS NOT NULL AND operator_id IS NOT :operator_id AND :message_id >= last_message_id))"
)
_LAST_WORD: Final = (
    "UPDATE dialogs SET last_message_at = CASE WHEN :message_id >= last_message_id AND :message_id > 0 THEN :sent_at"
    "                        ELSE last_message_at END,"
    " message_count = message_count + :added, last_message_id = MAX(last_message_id, :message_id)"
    " WHERE chat_id = :chat_id AND (:added > 0 OR (:message_id > 0 AND :message_id >= last_message_id))"
)
# What a dialog shows of its sessions is always that of the one that began last. What was imported began before.
HEAD: Final = (
    "WITH head AS (SELECT id, CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END AS state, handed_over_at,"
    "  MIN((SELECT MIN(opened_at) FROM sessions WHERE chat_id = ?1), COALESCE((SELECT sent_at FROM messages"
    "   WHERE chat_id = ?1 AND message_id < 0 ORDER BY message_id LIMIT 1), 9e15)) AS began FROM sessions"
    "  WHERE chat_id = ?1 ORDER BY opened_at DESC, id DESC LIMIT 1)"
    " UPDATE dialogs SET (session_ref, status, handed_over_at, opened_at) ="
    " (SELECT id, state, handed_over_at, began FROM head) WHERE chat_id = ?1 AND EXISTS (SELECT 1 FROM head WHERE"
    "  (id, state, handed_over_at, began) IS NOT (session_ref, status, dialogs.handed_over_at, opened_at))"
)


class SqliteArchive:
    """Implements `contract.Archive` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- the journal

    def record(self, tx: Tx, entry: JournalEntry, chat_ids: Collection[int] = ()) -> bool:
        row = tx.sql.execute(
            _JOURNAL,
            (
                entry.received_at,
                entry.event,
                entry.outcome,
                entry.trace_id,
                entry.fingerprint,
                entry.format,
                entry.body,
            ),
        ).fetchone()
        if row is not None:
            erasure.link(tx, row[0], chat_ids)
        return row is not None

    def is_erased(self, tx: Tx, chat_id: int, message_id: int, at: int) -> bool:
        return tombstones.covers_message(tx, chat_id, message_id, at)

    def is_erased_session(self, tx: Tx, chat: ChatFacts, at: int, *, begins: bool) -> bool:
        return tombstones.covers_session(tx, chat, at, begins=begins)

    # --- sessions and dialogs

    def joined(self, tx: Tx, chat: ChatFacts, at: int) -> int | None:
        self._ensure_dialog(tx, chat, at)
        session = sessions.of_join(tx, chat, at)
        self._facts(tx, chat)
        self._head(tx, chat.chat_id)
        people.met(tx, chat.chat_id, chat.client_id, "client")
        return sessions.ask_handover(tx, session)

    def session_started(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        chat = replace(chat, session_opened_at=chat.session_opened_at or at)
        self._ensure_dialog(tx, chat, at)
        sessions.of_sign(tx, chat, at)
        self._facts(tx, chat)
        self._head(tx, chat.chat_id)

    def describe(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        self._ensure_dialog(tx, chat, at)
        if chat.session_id is not None:
            sessions.of_sign(tx, chat, at)
        self._facts(tx, chat)
        self._head(tx, chat.chat_id)

    def session_finished(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        self._ensure_dialog(tx, chat, at)
        session = sessions.of_end(tx, chat, at)
        is_last = session_events.finished(tx, session.id, at)
        # When somebody spoke later, it was opened again, and this end was told late or twice.
        if not session_events.later_word(tx, chat.chat_id, session.id, at + sessions.SAME_S) and is_last:
            sessions.close(tx, session, session_events.exact_end(tx, session.id, at))
        self._facts(tx, chat)
        self._head(tx, chat.chat_id)

    def handed_over(self, tx: Tx, session_ref: int, at: int, *, exact: bool = True) -> None:
        row = tx.sql.execute(
            "UPDATE sessions SET handover = 'done', handover_error = '',"
            " handover_exact = CASE WHEN handed_over_at IS NULL THEN ?2 ELSE handover_exact END,"
            " handed_over_at = COALESCE(handed_over_at, ?1) WHERE id = ?3 RETURNING chat_id",
            (at, exact, session_ref),
        ).fetchone()
        if row is not None:
            self._head(tx, row[0])

    def handover_failed(self, tx: Tx, session_ref: int, reason: str, at: int) -> None:
        tx.sql.execute(
            "UPDATE sessions SET handover = 'failed', handover_error = ? WHERE id = ?", (reason, session_ref)
        )
        session_events.refused(tx, session_ref, at, reason)

    def _ensure_dialog(self, tx: Tx, chat: ChatFacts, at: int) -> None:
        dialog_id = chat.dialog_id or f"chat{chat.chat_id}"
        tx.sql.execute(_NEW_DIALOG, (chat.chat_id, dialog_id, chat.session_opened_at or at))

    def _head(self, tx: Tx, chat_id: int) -> None:
        tx.sql.execute(HEAD, (chat_id,))

    def _facts(
        self, tx: Tx, chat: ChatFacts, *, added: int = 0, message_id: int = 0, sent_at: int | None = None
    ) -> None:
        values = {
            "chat_id": chat.chat_id,
            "title": chat.title,
            "entity_id": chat.entity_id,
            "connector_id": chat.connector_id,
            "line_id": chat.line_id,
            "client_id": chat.client_id,
            "crm_links": chat.crm_links,
            "operator_id": chat.operator_id,
            "added": added,
            "message_id": message_id,
            "sent_at": sent_at,
        }
        tx.sql.execute(_FACTS, values)
        if message_id or added:
            tx.sql.execute(_LAST_WORD, values)

    def _people(self, tx: Tx, chat: ChatFacts, message: Message) -> None:
        people.named(tx, chat.chat_id, message.author, message.sent_at)
        people.met(tx, chat.chat_id, chat.client_id, "client")
        people.met(tx, chat.chat_id, chat.operator_id, "operator")
        self._mentioned(tx, message)

    def _mentioned(self, tx: Tx, message: Message) -> None:
        if message.notice is not None:
            people.met(tx, message.chat_id, message.notice.from_id, "operator")
            people.met(tx, message.chat_id, message.notice.to_id, "operator")

    # --- messages

    def add_message(self, tx: Tx, chat: ChatFacts, message: Message, source: Source) -> int | None:
        self._ensure_dialog(tx, chat, message.sent_at)
        session = sessions.of_sign(tx, chat, message.sent_at)
        added = messages.insert(tx, message, session.id, source)
        ref = session.id if added else messages.complete(tx, message, session.id, source)
        files.put(tx, message.message_id, message.files)
        session_events.seen(tx, ref, message, chat if source is Source.BOT else None)
        sessions.line_told(tx, ref, chat.line_id)
        self._people(tx, chat, message)
        self._facts(tx, chat, added=added, message_id=message.message_id, sent_at=message.sent_at)
        external.met(tx, message)
        sessions.reached(tx, session, message.message_id)
        is_word = session_events.is_word(message)
        if is_word and session.closed_at is not None and message.sent_at > session.closed_at + sessions.SAME_S:
            sessions.close(tx, session, None)  # the portal opened it again
        self._head(tx, chat.chat_id)
        return sessions.ask_handover(tx, session) if source is Source.BOT else None

    def edit_message(
        self, tx: Tx, chat: ChatFacts, message_id: int, author: User, text: str, text_plain: str, at: int
    ) -> None:
        row = self._stored_or_new(tx, chat, message_id, author, text, text_plain, at, edited_at=at)
        if row is None:
            return
        if row.text == text:
            tx.sql.execute(
                "UPDATE messages SET edited_at = MAX(COALESCE(edited_at, 0), ?) WHERE message_id = ?",
                (at, message_id),
            )
        elif row.lost_its_text:
            messages.fill(tx, message_id, text, text_plain, at)
        elif row.edited_at is not None and at < row.edited_at:
            messages.add_version(tx, message_id, text, at, row.edited_at)  # an older edit that came late
        else:
            messages.add_version(tx, message_id, row.text, row.edited_at or 0, at)
            tx.sql.execute(
                "UPDATE messages SET text = ?, text_plain = ?, edited_at = ? WHERE message_id = ?",
                (text, None if text_plain == text else text_plain, at, message_id),
            )

    def delete_message(
        self, tx: Tx, chat: ChatFacts, message_id: int, author: User, text: str, text_plain: str, at: int
    ) -> None:
        if self._stored_or_new(tx, chat, message_id, author, text, text_plain, at, deleted_at=at) is not None:
            tx.sql.execute(
                "UPDATE messages SET deleted_at = COALESCE(deleted_at, ?) WHERE message_id = ?", (at, message_id)
            )

    def _stored_or_new(
        self,
        tx: Tx,
        chat: ChatFacts,
        message_id: int,
        author: User,
        text: str,
        text_plain: str,
        at: int,
        *,
        edited_at: int | None = None,
        deleted_at: int | None = None,
    ) -> messages.StoredMessage | None:
        """The stored message; or None after the change was stored as the first thing known of it."""
        row = messages.stored(tx, message_id)
        if row is not None:
            return row
        self._ensure_dialog(tx, chat, at)
        session = sessions.of_sign(tx, chat, at)
        message = Message(message_id, chat.chat_id, chat.session_id, author, text, text_plain, at)
        messages.insert(tx, message, session.id, Source.CHANGE_ONLY, edited_at, deleted_at)
        people.named(tx, chat.chat_id, author, at)
        self._facts(tx, chat, added=1, message_id=message_id, sent_at=at)
        sessions.reached(tx, session, message_id)
        self._head(tx, chat.chat_id)
        return None

    # --- history

    def apply_history(self, tx: Tx, history: SessionHistory, at: int, known_to: int = 0) -> SessionHistory | None:
        remaining = tombstones.remaining(tx, history)
        if remaining is None:
            return None
        history = remaining
        opened_at = history.messages[0].message.sent_at if history.messages else None
        chat = ChatFacts(
            history.chat_id,
            f"chat{history.chat_id}",
            session_id=history.session_id,
            session_opened_at=opened_at,
        )
        self._ensure_dialog(tx, chat, at)
        session = sessions.of_sign(tx, chat, at)
        added = 0
        for item in history.messages:
            added += messages.repair(tx, item, session.id, at)
            external.met(tx, item.message)
            self._mentioned(tx, item.message)
        ended_at = session_events.seen_in_history(tx, session.id, history.messages)
        sessions.opening_told(tx, session, history.messages)
        for user in history.users:
            people.named(tx, history.chat_id, user, at)
        last_id = history.messages[-1].message.message_id if history.messages else 0
        tx.sql.execute(
            "UPDATE dialogs SET reconciled_at = ?1, reconciled_to = MAX(reconciled_to, ?2),"
            " message_count = message_count + ?3, last_message_id = MAX(last_message_id, ?2) WHERE chat_id = ?4",
            (at, last_id, added, history.chat_id),
        )
        tx.sql.execute(
            "UPDATE dialogs SET last_message_at = COALESCE((SELECT m.sent_at FROM messages m"
            "  WHERE m.message_id = dialogs.last_message_id), last_message_at) WHERE chat_id = ?",
            (history.chat_id,),
        )
        sessions.compared(tx, session, history.chat_id, at, max(last_id, known_to), last_id)
        if history.closed is not None:
            last_at = history.messages[-1].message.sent_at if history.messages else at
            sessions.end_as_told(tx, session, history.closed, history.ended_at, last_at)
        self._settle_end(tx, session, ended_at)
        sessions.separate(tx, history.chat_id)
        imports.absorb(tx, history.chat_id, [item.message.message_id for item in history.messages])
        self._head(tx, history.chat_id)
        return history

    def _settle_end(self, tx: Tx, session: sessions.SessionRow, ended_at: int | None) -> None:
        """A closed session ended with the portal's last notice of its end, unless a later end was told."""
        (closed_at,) = tx.sql.execute("SELECT closed_at FROM sessions WHERE id = ?", (session.id,)).fetchone()
        if closed_at is not None:
            is_told_later = ended_at is None or ended_at < closed_at - SAME_END_S
            at = session_events.exact_end(tx, session.id, closed_at) if is_told_later else ended_at
            if at != closed_at:
                sessions.close(tx, session, at)

    # --- contents of attachments

    def take_new_files(self, tx: Tx, limit: int) -> list[int]:
        return files.take_new(tx, limit)

    def let_file_go(self, tx: Tx, file_id: int) -> None:
        files.let_go(tx, file_id)

    def file_stored(self, tx: Tx, file_id: int, digest: str, size: int, name: str) -> bool:
        return files.stored(tx, file_id, digest, size, name)

    def file_missing(self, tx: Tx, file_id: int, problem: str, *, given_up: bool) -> None:
        files.missing(tx, file_id, problem, given_up=given_up)

    def forget_contents(self, tx: Tx, removed: Collection[str]) -> None:
        files.forget_contents(tx, removed)

    # --- people

    def nameless(self, tx: Tx, limit: int) -> list[int]:
        return people.nameless(tx, limit)

    def people_told(self, tx: Tx, users: Sequence[User], asked: Sequence[int], at: int) -> None:
        people.told(tx, users, asked, at)

    # --- our connectors, and facts

    def connector_line(self, tx: Tx, connector_id: str, line_id: int, active: bool, at: int) -> None:
        tx.sql.execute(
            "INSERT INTO connector_lines (connector_id, line_id, active, changed_at) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (connector_id, line_id) DO UPDATE SET active = ?3, changed_at = ?4",
            (connector_id, line_id, active, at),
        )

    def forget_line(self, tx: Tx, line_id: int, at: int) -> None:
        tx.sql.execute("DELETE FROM connector_lines WHERE line_id = ?", (line_id,))

    def set_fact(self, tx: Tx, name: str, value: Any) -> None:
        tx.sql.execute(
            "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            (name, json.dumps(value, ensure_ascii=False)),
        )

    # --- reading

    def fact_in(self, tx: Tx, name: str) -> Any:
        row = tx.sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def fact(self, name: str) -> Any:
        with self._storage.read() as tx:
            return self.fact_in(tx, name)

    def session_ids(self, chat_id: int) -> list[int]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT session_id FROM sessions WHERE chat_id = ? AND session_id IS NOT NULL"
                " ORDER BY opened_at DESC, id DESC",
                (chat_id,),
            )
            return [row[0] for row in rows]

    def connector_lines(self) -> list[tuple[str, int, bool]]:
        with self._storage.read() as tx:
            rows = tx.sql.execute("SELECT connector_id, line_id, active FROM connector_lines ORDER BY 1, 2")
            return [(row[0], row[1], bool(row[2])) for row in rows]

    def dialogs_page(
        self,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: DialogOrder = "newest",
    ) -> JsonPage:
        return pages.dialogs(self._storage, wanted, order, after, limit)

    def messages_feed(
        self,
        after: tuple[int, ...] | None,
        limit: int,
        wanted: DialogFilter = ANY_DIALOG,
        order: MessageOrder = "changed",
    ) -> JsonPage:
        return pages.messages_feed(self._storage, wanted, order, after, limit)

    def identity(self) -> str:
        with self._storage.read() as tx:
            return str(tx.sql.execute("SELECT id FROM archive_identity").fetchone()[0])

    def passage(self, wanted: DialogFilter = ANY_DIALOG) -> Passage:
        return passages.messages(self._storage, wanted)

    def conversations(self, after: int | None, limit: int, wanted: DialogFilter = ANY_DIALOG) -> JsonPage:
        return passages.conversations(self._storage, wanted, after, limit)

    def wait_for_change(self, seen: int, timeout_s: float) -> int:
        return self._storage.wait_for_commit(seen, timeout_s)

    def dialog(self, chat_id: int) -> str | None:
        return pages.dialog(self._storage, chat_id)

    def versions(self, chat_id: int, message_id: int) -> list[MessageVersion] | None:
        return pages.versions(self._storage, chat_id, message_id)

    def excerpt(self, chat_id: int, message_id: int | None) -> Excerpt | None:
        return pages.excerpt(self._storage, chat_id, message_id)

    def messages_page(self, chat_id: int, after: int, limit: int) -> JsonPage:
        return pages.messages(self._storage, chat_id, after, limit)

    def changes(self, after: tuple[int, int], limit: int) -> Changes:
        return documents.changes(self._storage, after, limit)

    def forget_removed(self, up_to: int) -> None:
        self._storage.write(lambda tx: documents.forget_removed(tx, up_to))

    def backlog(self, after: tuple[int, int], most: int) -> int:
        return documents.backlog(self._storage, after, most)

    def found(self, message_ids: Sequence[int], wanted: DialogFilter) -> list[Found]:
        return documents.found(self._storage, message_ids, wanted)

    def few_chats(self, wanted: DialogFilter, most: int) -> list[int] | None:
        return documents.few_chats(self._storage, wanted, most)

    def line_of(self, chat_id: int) -> int | None:
        with self._storage.read() as tx:
            row = tx.sql.execute("SELECT line_id FROM dialogs WHERE chat_id = ?", (chat_id,)).fetchone()
        return row[0] if row else None

    def stats(self, wanted: DialogFilter, offset_s: int) -> dict[str, Any]:
        return stats.stats(self._storage, wanted, offset_s)

    def last_event_at(self) -> int | None:
        with self._storage.read() as tx:
            row = tx.sql.execute("SELECT received_at FROM journal ORDER BY id DESC LIMIT 1").fetchone()
        return row[0] if row else None

    def users_page(self, after: int, limit: int) -> JsonPage:
        return pages.users(self._storage, after, limit)

    def file(self, file_id: int) -> StoredFile | None:
        return files.one(self._storage, file_id)

    def files_of(self, message_id: int) -> list[StoredFile]:
        return files.of_message(self._storage, message_id)

    def hashes_in_use(self, hashes: Collection[str]) -> set[str]:
        return files.in_use(self._storage, hashes)

    def left_contents(self) -> list[str]:
        return files.left_contents(self._storage)

    def stored_bytes(self) -> int:
        return files.stored_bytes(self._storage)

    def file_counts(self) -> dict[str, int]:
        return files.counts(self._storage)

    def counts(self) -> dict[str, int]:
        return pages.counts(self._storage)
