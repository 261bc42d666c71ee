"""Where a message and a chat are in a messenger, when they went through an account of our own.

The messengers' numbers are kept by the channels. What came from outside is known there by the number that the portal
was given with it, and that it tells again with the message: here the message gets the portal's number too.
"""

from __future__ import annotations

from typing import Final

from ..db import Tx
from ..model import Message

_OURS: Final = "a.connector_id <> '' AND a.connector_id = (SELECT connector_id FROM dialogs WHERE chat_id = ?1)"
_KNOWN: Final = f"""SELECT i.ref FROM channel_accounts a JOIN channel_message_ids i ON i.account_id = a.id
    WHERE {_OURS} AND i.message_id = ?2"""
# Of two messages with the same number the first one is it: the portal shows what it is given twice as two. Our own
# notices to the operators are in no messenger.
_MET: Final = """UPDATE channel_messages SET portal_message_id = ?
    WHERE id = ? AND direction = 'in' AND kind <> 'notice' AND portal_message_id IS NULL"""
_LEARNT: Final = f"""INSERT INTO channel_messages
    (account_id, direction, chat_id, portal_chat_id, portal_message_id, kind, status, at, tries)
    SELECT a.id, ?3, c.chat_id, ?1, ?2, 'message', ?4, ?5, 1
    FROM channel_chats c JOIN channel_accounts a ON a.id = c.account_id WHERE c.portal_chat_id = ?1 AND {_OURS}
    AND NOT EXISTS (SELECT 1 FROM channel_messages k WHERE k.account_id = a.id AND k.portal_message_id = ?2)
    LIMIT 1 RETURNING id, account_id"""
# The portal is told of the numbers when all parts have arrived.
_ARRIVED: Final = f"""UPDATE channel_messages SET status = 'delivered', problem = ''
    WHERE direction = 'out' AND portal_message_id = ?2 AND status IN ('waiting', 'sending')
    AND account_id IN (SELECT a.id FROM channel_accounts a WHERE {_OURS}) RETURNING id, account_id"""
_NUMBER: Final = "INSERT OR IGNORE INTO channel_message_ids (account_id, message_id, ref, number) VALUES (?, ?, ?, ?)"

_ACCOUNT: Final = "SELECT 1 FROM channel_accounts LIMIT 1"

# Below zero are posts of topics on the one side, and imported messages on the other. What was written in a topic is
# known as ours by its number, and as what the line is shown by '<number>:shown'.
_OF_MESSAGE: Final = """(SELECT json_object('channel', a.channel, 'account_id', a.id, 'chat_id', c.chat_id,
        'message_ids', json((SELECT json_group_array(message_id) FROM (
            SELECT replace(i.message_id, ':shown', '') AS message_id
            FROM channel_messages p JOIN channel_message_ids i ON i.ref = p.id
            WHERE p.portal_message_id = m.message_id AND p.account_id = c.account_id ORDER BY p.part, i.number))))
    FROM channel_messages c JOIN channel_accounts a ON a.id = c.account_id
    WHERE c.portal_message_id = m.message_id AND m.message_id > 0 ORDER BY c.id LIMIT 1)"""

_OF_CHAT: Final = """SELECT json_object('channel', a.channel, 'account_id', a.id, 'chat_id', c.chat_id,
        'url', NULLIF(c.url, ''), 'state', c.state)
    FROM channel_chats c JOIN channel_accounts a ON a.id = c.account_id WHERE c.portal_chat_id = ?"""


def met(tx: Tx, message: Message) -> None:
    """The portal shows what a messenger knows by the message's numbers; none of ours brought it: nothing happens.

    The portal tells the numbers of an operator's message, too, once it was told that the client has it. What we do not
    know went through an account of ours before this archive was put in the place of another.
    """
    if not message.external_ids or not has_accounts(tx):
        return
    chat_id, message_id = message.chat_id, message.message_id
    is_ours = message.author.kind == "operator"
    rows = tx.sql.execute(_ARRIVED, (chat_id, message_id)).fetchall() if is_ours else []
    known = tx.sql.execute(_KNOWN, (chat_id, message.external_ids[0])).fetchone()
    if known is not None:
        tx.sql.execute(_MET, (message_id, known[0]))
    elif not rows and message.author.kind in ("client", "operator"):
        way = ("out", "delivered") if is_ours else ("in", "sent")
        rows = tx.sql.execute(_LEARNT, (chat_id, message_id, *way, message.sent_at)).fetchall()
    if rows:
        ref, account_id = min(rows)
        numbers = [(account_id, number, ref, count) for count, number in enumerate(message.external_ids)]
        tx.sql.executemany(_NUMBER, numbers)


def has_accounts(tx: Tx) -> bool:
    return tx.sql.execute(_ACCOUNT).fetchone() is not None


def added_to(message: str) -> str:
    """The JSON of a message `m` as SQL, with the member `external` where there is one: a patch with NULL adds none."""
    return f"json_patch({message}, json_object('external', json({_OF_MESSAGE})))"


def of_chat(tx: Tx, chat_id: int) -> str | None:
    """The member `external` of a dialog; None when no account of ours has it."""
    row = tx.sql.execute(_OF_CHAT, (chat_id,)).fetchone()
    return row[0] if row else None
