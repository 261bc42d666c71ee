"""The SQL of single messages: a row and its former texts.

A row remembers how good its source was; a better source replaces a lesser one, whatever came first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..db import Tx
from ..model import HistoryMessage, Message
from ..values import dataclass
from . import files, session_events
from .contract import Source

_MESSAGE: Final = (
    "INSERT INTO messages (message_id, chat_id, session_ref, author_id, author_kind, text, text_plain, sent_at,"
    " sent_at_exact, edited_at, deleted_at, hidden, source, by_event)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (message_id) DO NOTHING"
)
# By which a message itself arrives; its edit alone is not it.
_OF_EVENTS: Final = (Source.SECOND_FEED, Source.BOT)
_BY_EVENT: Final = "UPDATE messages SET by_event = 1 WHERE message_id = ? AND by_event IS NOT 1"
_VERSION: Final = (
    "INSERT INTO message_versions (message_id, version, text, since, replaced_at) SELECT ?1,"
    " (SELECT COUNT(*) + 1 FROM message_versions WHERE message_id = ?1), ?2, ?3, ?4"
    " WHERE NOT EXISTS (SELECT 1 FROM message_versions WHERE message_id = ?1 AND text = ?2 AND since = ?3)"
)
_STORED: Final = (
    "SELECT text, COALESCE(text_plain, text), source, edited_at, session_ref, deleted_at FROM messages"
    " WHERE message_id = ?"
)
_FILL: Final = "UPDATE messages SET text = ?, text_plain = ?, edited_at = COALESCE(edited_at, ?) WHERE message_id = ?"
_HAS_VERSIONS: Final = "SELECT 1 FROM message_versions WHERE message_id = ? LIMIT 1"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    text: str
    text_plain: str
    source: int
    edited_at: int | None
    session_ref: int | None
    deleted_at: int | None

    @property
    def lost_its_text(self) -> bool:
        """It was deleted before we heard its text, which history then no longer tells."""
        return self.source == Source.HISTORY and self.deleted_at is not None and not self.text


def stored(tx: Tx, message_id: int) -> StoredMessage | None:
    row = tx.sql.execute(_STORED, (message_id,)).fetchone()
    return StoredMessage(*row) if row else None


def add_version(tx: Tx, message_id: int, text: str, since: int, replaced_at: int) -> None:
    """Keep a text that is not, or no longer, the message's own.

    `since`: when it was written, 0 for the first one; `replaced_at` matters only while no later text is known.
    """
    tx.sql.execute(_VERSION, (message_id, text, since, replaced_at))


def insert(
    tx: Tx,
    message: Message,
    session_ref: int | None,
    source: Source,
    edited_at: int | None = None,
    deleted_at: int | None = None,
) -> int:
    """1 when the message was new, 0 when something of it was stored before."""
    author = message.author
    return tx.sql.execute(
        _MESSAGE,
        (
            message.message_id,
            message.chat_id,
            session_ref,
            author.id,
            author.kind,
            message.text,
            None if message.text_plain == message.text else message.text_plain,
            message.sent_at,
            message.sent_at_exact,
            edited_at,
            deleted_at,
            message.hidden,
            source,
            source in _OF_EVENTS,
        ),
    ).rowcount


def complete(tx: Tx, message: Message, session_ref: int, source: Source) -> int:
    """The message itself comes after its edit, its deletion, or a lesser feed: fill in what was missing.

    Returns the session that it belongs to then.
    """
    if source in _OF_EVENTS:
        tx.sql.execute(_BY_EVENT, (message.message_id,))
    row = stored(tx, message.message_id)
    if row is None or row.source >= source:
        if row is not None and row.source > source:
            _keep_former_text(tx, row, message, source)
        return session_ref if row is None or row.session_ref is None else row.session_ref
    plain = None if message.text_plain == message.text else message.text_plain
    if row.edited_at is not None and row.source == Source.CHANGE_ONLY:
        # The edit was seen first: it stays the text, and this original becomes its first version.
        add_version(tx, message.message_id, message.text, 0, row.edited_at)
        new_text: str | None = None
    else:
        new_text = message.text if row.edited_at is None or not row.text else None
    author = message.author
    new_ref = session_ref if message.session_id or row.session_ref is None else row.session_ref
    tx.sql.execute(
        "UPDATE messages SET source = ?, author_id = ?, author_kind = ?, hidden = ?, session_ref = ?,"
        " sent_at = CASE WHEN sent_at_exact THEN sent_at ELSE ? END,"
        " text = COALESCE(?, text), text_plain = CASE WHEN ? IS NULL THEN text_plain ELSE ? END"
        " WHERE message_id = ?",
        (
            source,
            author.id,
            author.kind,
            message.hidden,
            new_ref,
            message.sent_at,
            new_text,
            new_text,
            plain,
            message.message_id,
        ),
    )
    session_events.moved(tx, message.message_id, row.session_ref, new_ref)
    return new_ref


def fill(tx: Tx, message_id: int, text: str, text_plain: str, edited_at: int | None = None) -> None:
    """Set a text that was missing."""
    tx.sql.execute(_FILL, (text, None if text_plain == text else text_plain, edited_at, message_id))


def _keep_former_text(tx: Tx, row: StoredMessage, message: Message, source: Source) -> None:
    """History was read after the message had been changed, and only now its event tells how it was."""
    if row.lost_its_text:
        fill(tx, message.message_id, message.text, message.text_plain)
    elif (
        row.edited_at is not None
        and message.text_plain != row.text_plain
        # The second feed cuts mentions out: its text counts only where there is no other.
        and (source is Source.BOT or not tx.sql.execute(_HAS_VERSIONS, (message.message_id,)).fetchone())
    ):
        add_version(tx, message.message_id, message.text, 0, row.edited_at)


def repair(tx: Tx, item: HistoryMessage, session_ref: int, at: int) -> int:
    """1 when the message was missing. History has no time of an edit or deletion: ours stand in."""
    message = item.message if item.message.sent_at else replace(item.message, sent_at=at)
    edited_at, deleted_at = (at if item.edited else None), (at if item.deleted else None)
    added = insert(tx, message, session_ref, Source.HISTORY, edited_at, deleted_at)
    if not added:
        _repair_stored(tx, item, session_ref, at, edited_at, deleted_at)
    files.put(tx, message.message_id, message.files)
    return added


def _repair_stored(
    tx: Tx,
    item: HistoryMessage,
    session_ref: int,
    at: int,
    edited_at: int | None,
    deleted_at: int | None,
) -> None:
    message = item.message
    row = stored(tx, message.message_id)
    assert row is not None
    # A deletion leaves a notice, or nothing, in the place of the text; and we may know a newer edit already.
    keeps_text = (item.deleted and bool(row.text)) or (row.edited_at is not None and row.edited_at > at)
    # The second feed changes texts a little; an edit tells what was written. Other BB code is no other text.
    is_own_text = row.source > Source.SECOND_FEED or (row.source == Source.CHANGE_ONLY and row.edited_at is not None)
    if not keeps_text and message.text_plain != row.text_plain and is_own_text:
        add_version(tx, message.message_id, row.text, row.edited_at or 0, row.edited_at or at)
    tx.sql.execute(
        "UPDATE messages SET source = ?1, session_ref = ?2, author_id = ?3, author_kind = ?4,"
        " text = CASE WHEN ?5 THEN text ELSE ?6 END, text_plain = CASE WHEN ?5 THEN text_plain ELSE ?7 END,"
        " sent_at = CASE WHEN ?8 THEN ?9 ELSE sent_at END, sent_at_exact = MAX(sent_at_exact, ?8),"
        " edited_at = COALESCE(edited_at, ?10), deleted_at = COALESCE(deleted_at, ?11) WHERE message_id = ?12",
        (
            Source.HISTORY,
            session_ref,
            message.author.id,
            message.author.kind,
            keeps_text,
            message.text,
            None if message.text_plain == message.text else message.text_plain,
            message.sent_at_exact,
            message.sent_at,
            edited_at,
            deleted_at,
            message.message_id,
        ),
    )
    session_events.moved(tx, message.message_id, row.session_ref, session_ref)
