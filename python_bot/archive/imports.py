"""The SQL of messages that were taken over from the former bot, until the portal's own stand in their place.

Their numbers are below zero, in the order of time: before every message of the portal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from ..db import Tx
from ..model import Message, User
from ..values import dataclass
from . import messages, tombstones
from .contract import Source
from .matching import FARTHEST_S, Said, normal, pairs

LOWEST: Final = -(2**52)  # JSON numbers are exact down to here
RANGE: Final = 2**32  # rows of one archive

_SAID: Final = "SELECT message_id, author_id, COALESCE(text_plain, text), sent_at, edited_at IS NOT NULL FROM messages"
_SAID_IN_SESSIONS: Final = f"{_SAID} WHERE chat_id = ? AND message_id > 0".replace("SELECT", "SELECT session_ref,", 1)
_DIALOG: Final = (
    "INSERT INTO dialogs (chat_id, dialog_id, opened_at, status, client_id) VALUES (?, ?, ?, 'closed', ?)"
    " ON CONFLICT (chat_id) DO UPDATE SET client_id = COALESCE(client_id, excluded.client_id)"
)
_USER: Final = (
    "INSERT INTO users (user_id, name, kind) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (user_id) DO UPDATE SET name = ?2 WHERE name = ''"
)
_RECOUNT: Final = (
    "UPDATE dialogs SET message_count = (SELECT COUNT(*) FROM messages WHERE chat_id = ?1),"
    " opened_at = MIN(opened_at, COALESCE((SELECT sent_at FROM messages WHERE chat_id = ?1"
    "  ORDER BY message_id LIMIT 1), opened_at)),"
    " last_message_at = COALESCE((SELECT sent_at FROM messages WHERE chat_id = ?1 ORDER BY message_id DESC LIMIT 1),"
    "  last_message_at) WHERE chat_id = ?1"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of messages that were to be taken over."""

    added: int = 0
    known: int = 0
    erased: int = 0
    replaced: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.added + other.added,
            self.known + other.known,
            self.erased + other.erased,
            self.replaced + other.replaced,
        )


def first_number(tx: Tx, source: bytes) -> int:
    """Where the numbers of this archive begin; a new one gets the next range."""
    tx.sql.execute("INSERT OR IGNORE INTO imports (source) VALUES (?)", (source,))
    (number,) = tx.sql.execute("SELECT id FROM imports WHERE source = ?", (source,)).fetchone()
    return LOWEST + int(number) * RANGE


def take(tx: Tx, chat_id: int, opened_at: int, users: Sequence[User], rows: Sequence[Message]) -> Taken:
    """Take messages of one dialog over, each once; their numbers are given, authors are among the users.

    What is known of the dialog already stays. Told again, the messages that are still here get their times anew.
    """
    stone = tombstones.of_chat(tx, chat_id)
    alive = [message for message in rows if stone is None or not stone.covers(None, message.sent_at)]
    taken = Taken(erased=len(rows) - len(alive))
    if stone is not None and not alive:
        return taken
    client = next((user.id for user in users if user.kind == "client"), None)
    tx.sql.execute(_DIALOG, (chat_id, f"chat{chat_id}", opened_at, client))
    for user in users:
        tx.sql.execute(_USER, (user.id, user.name, user.kind))
        tx.sql.execute("INSERT OR IGNORE INTO participants (chat_id, user_id) VALUES (?, ?)", (chat_id, user.id))
    for message in alive:
        taken += Taken(added=1) if _put(tx, message) else Taken(known=1)
    return taken


def _put(tx: Tx, message: Message) -> bool:
    number = message.message_id
    if tx.sql.execute("INSERT OR IGNORE INTO imported_messages (message_id) VALUES (?)", (number,)).rowcount:
        messages.insert(tx, message, None, Source.SECOND_FEED)
        return True
    tx.sql.execute(
        "UPDATE messages SET sent_at = ?1 WHERE message_id = ?2 AND sent_at <> ?1", (message.sent_at, number)
    )
    return False


def settle(tx: Tx, chat_id: int) -> int:
    """Compare the imported messages of a chat with all of the portal's that are there. Returns how many it replaced."""
    if not _has_imported(tx, chat_id):
        return 0
    by_session: dict[int | None, list[Said]] = defaultdict(list)
    for session_ref, *row in tx.sql.execute(_SAID_IN_SESSIONS, (chat_id,)):
        by_session[session_ref].append(_said(row))
    replaced = sum(_replace(tx, chat_id, real) for real in by_session.values())
    tx.sql.execute(_RECOUNT, (chat_id,))
    return replaced


def absorb(tx: Tx, chat_id: int, message_ids: Sequence[int]) -> int:
    """The portal's history told these messages of the chat: the imported ones that they are, go."""
    if not message_ids or not _has_imported(tx, chat_id):
        return 0
    marks = ",".join("?" * len(message_ids))
    real = [_said(row) for row in tx.sql.execute(f"{_SAID} WHERE message_id IN ({marks})", tuple(message_ids))]
    replaced = _replace(tx, chat_id, real)
    if replaced:
        tx.sql.execute(_RECOUNT, (chat_id,))
    return replaced


def _replace(tx: Tx, chat_id: int, real: Sequence[Said]) -> int:
    taken = {
        row[0]
        for said in real
        for row in tx.sql.execute("SELECT replaced_by FROM imported_messages WHERE replaced_by = ?", (said.message_id,))
    }
    free = [said for said in real if said.message_id not in taken]
    if not free:
        return 0
    first, last = min(said.at for said in free), max(said.at for said in free)
    imported = [
        _said(row)
        for row in tx.sql.execute(
            f"{_SAID} WHERE chat_id = ? AND message_id < 0 AND sent_at BETWEEN ? AND ?",
            (chat_id, first - FARTHEST_S, last + FARTHEST_S),
        )
    ]
    found = pairs(imported, free)
    for one, other in found:
        if one.text != other.text:
            _keep_former_text(tx, one.message_id, other.message_id)
        tx.sql.execute("DELETE FROM messages WHERE message_id = ?", (one.message_id,))
        tx.sql.execute(
            "UPDATE imported_messages SET replaced_by = ? WHERE message_id = ?", (other.message_id, one.message_id)
        )
    return len(found)


def _keep_former_text(tx: Tx, imported_id: int, message_id: int) -> None:
    """The former bot saw the message before its edit."""
    (text,) = tx.sql.execute("SELECT text FROM messages WHERE message_id = ?", (imported_id,)).fetchone()
    (edited_at,) = tx.sql.execute("SELECT edited_at FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    known = tx.sql.execute("SELECT 1 FROM message_versions WHERE message_id = ? AND text = ?", (message_id, text))
    if known.fetchone() is None:
        messages.add_version(tx, message_id, text, 0, edited_at)


def _has_imported(tx: Tx, chat_id: int) -> bool:
    found = tx.sql.execute("SELECT 1 FROM messages WHERE chat_id = ? AND message_id < 0 LIMIT 1", (chat_id,)).fetchone()
    return found is not None


def _said(row: Sequence[Any]) -> Said:
    return Said(row[0], row[1], normal(row[2]), row[3], bool(row[4]))
