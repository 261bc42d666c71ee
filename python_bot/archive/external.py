"""Where a message and a chat are in a messenger, when they went through an account of our own.

The messengers' numbers are kept by the channels. What came from outside is known there by the number that the portal
was given with it, and that it tells again with the message: here the message gets the portal's number too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..db import Tx

# Of two messages with the same number the first one is it: the portal shows what it is given twice as two. Our own
# notices to the operators are in no messenger.
_MET: Final = """UPDATE channel_messages SET portal_message_id = ?1
    WHERE direction = 'in' AND kind <> 'notice' AND portal_message_id IS NULL AND id IN (
        SELECT i.ref FROM channel_accounts a JOIN channel_message_ids i ON i.account_id = a.id
        WHERE a.connector_id <> '' AND a.connector_id = (SELECT connector_id FROM dialogs WHERE chat_id = ?2)
        AND i.message_id = ?3)"""

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


def met(tx: Tx, chat_id: int, message_id: int, external_ids: Sequence[str]) -> None:
    """The portal shows what a messenger knows by these numbers; nothing, when none of our accounts brought it."""
    for external_id in external_ids:
        tx.sql.execute(_MET, (message_id, chat_id, external_id))


def has_accounts(tx: Tx) -> bool:
    return tx.sql.execute(_ACCOUNT).fetchone() is not None


def added_to(message: str) -> str:
    """The JSON of a message `m` as SQL, with the member `external` where there is one: a patch with NULL adds none."""
    return f"json_patch({message}, json_object('external', json({_OF_MESSAGE})))"


def of_chat(tx: Tx, chat_id: int) -> str | None:
    """The member `external` of a dialog; None when no account of ours has it."""
    row = tx.sql.execute(_OF_CHAT, (chat_id,)).fetchone()
    return row[0] if row else None
