"""Chats of messengers and what is kept of them, by the messenger's own numbers: the portal may know nobody in them.

A shop that is shown in topics alone has no open line, so its clients are no users of the portal. Works on a kept copy
of an older schema too, where tables may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from ..db import Tx
from ..values import dataclass

REPEATED_S: Final = 24 * 3600  # for so long a messenger may tell something again; its number keeps it from coming back

Chat = tuple[int, str]  # an account, and the chat as the account knows it: 'av:u2i-AbC~dEf'
Topic = tuple[str, str]  # a group of Telegram, and the topic in it


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody by a chat of an account, or by their own number in its messenger, with its prefix or without ('av:')."""

    account_id: int
    chat: str = ""
    person: str = ""


def named(tx: Tx, who: Named) -> frozenset[Chat]:
    """Their chats with every account of the messenger: whoever is named by one chat is the client of all of them."""
    if not _tables(tx):
        return frozenset()
    found = {tuple(row) for row in tx.sql.execute(_BY_CHAT, (who.account_id, who.chat))} if who.chat else set()
    people = {who.person} if who.person else set()
    for chat in found:
        people |= {row[0] for row in tx.sql.execute(_PERSON, chat) if row[0]}
    for person in people:
        found |= {tuple(row) for row in tx.sql.execute(_BY_PERSON, (who.account_id, person))}
    return frozenset(found)


def of_portal(tx: Tx, portal_chats: Collection[int]) -> frozenset[Chat]:
    """What became these chats of the portal."""
    if not _tables(tx):
        return frozenset()
    return frozenset(tuple(row) for chat_id in portal_chats for row in tx.sql.execute(_BY_PORTAL, (chat_id,)))


def in_portal(tx: Tx, chats: Collection[Chat]) -> frozenset[int]:
    """What these chats became in the portal."""
    return frozenset(row[0] for chat in chats for row in tx.sql.execute(_PORTAL_CHAT, chat))


def topics(tx: Tx, chats: Collection[Chat]) -> frozenset[Topic]:
    """Which topics show these chats."""
    if "channel_topics" not in _tables(tx):
        return frozenset()
    return frozenset(tuple(row) for chat in chats for row in tx.sql.execute(_TOPICS, chat))


def words(tx: Tx, chats: Collection[Chat]) -> tuple[frozenset[str], frozenset[str]]:
    """What names their people, and what was said there and is still kept: it waits, or could not be shown."""
    names: set[str] = set()
    texts: set[str] = set()
    for chat in chats:
        for name, person in tx.sql.execute(_NAMES, chat):
            names |= _names(chat[1], name, json.loads(person) if person else {})
        for table in sorted(_tables(tx) & {"channel_messages", "channel_posts"}):
            texts |= {row[0] for row in tx.sql.execute(_TEXTS.format(table=table), chat) if row[0]}
    return frozenset(names), frozenset(texts)


def erase(tx: Tx, chats: Collection[Chat], now: int) -> tuple[int, int]:
    """Everything of these chats, what waits in them too; how many messages and jobs that were."""
    tables, messages, jobs = _tables(tx), 0, 0
    drop_told(tx, chats, now)
    for chat in chats:
        jobs += tx.sql.execute(_JOBS, chat).rowcount
        for table, query in _ERASE:
            if table in tables:
                gone = tx.sql.execute(query, chat).rowcount
                messages += gone if table in ("channel_messages", "channel_posts") else 0
    return messages, jobs


def drop_told(tx: Tx, chats: Collection[Chat], now: int) -> None:
    """What marks their messages as told, but for those that a messenger may tell again; before their numbers go."""
    for account_id, chat_id in chats:
        values = {"account": account_id, "chat": chat_id, "before": now - REPEATED_S}
        tx.sql.execute(_DROP_TOLD, values)
        tx.sql.execute(_DROP_ABOUT, values)
        tx.sql.execute(_DROP_MARK, {**values, "bare": chat_id.partition(":")[2]})


def _names(chat_id: str, name: str, person: dict[str, Any]) -> set[str]:
    """What names nobody else: a first name alone does."""
    first, last = str(person.get("name") or ""), str(person.get("last_name") or "")
    found = {chat_id, str(person.get("id") or ""), str(person.get("phone") or "")}
    if first and last:
        found |= {f"{first} {last}", f"{last} {first}"}
    if " " in first:
        found.add(first)  # Avito has one field for both
    if first and name != first and name.startswith(first):
        found.add(name)  # with the advert: 'Иван · Велосипед горный'
    return found - {""}


def _tables(tx: Tx) -> set[str]:
    rows = tx.sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'channel_%'")
    return {row[0] for row in rows}


_BY_CHAT: Final = (
    "SELECT account_id, chat_id FROM channel_chats WHERE account_id = ?1"
    " AND ?2 IN (chat_id, substr(chat_id, instr(chat_id, ':') + 1))"
)
_OF_PERSON: Final = "json_extract(NULLIF(person, ''), '$.id')"
_BY_PERSON: Final = (
    f"SELECT account_id, chat_id FROM channel_chats WHERE ?2 IN ({_OF_PERSON},"
    f" substr({_OF_PERSON}, instr({_OF_PERSON}, ':') + 1)) AND account_id IN (SELECT id FROM channel_accounts"
    "  WHERE channel = (SELECT channel FROM channel_accounts WHERE id = ?1))"
)
_PERSON: Final = f"SELECT {_OF_PERSON} FROM channel_chats WHERE (account_id, chat_id) = (?, ?)"
_BY_PORTAL: Final = "SELECT account_id, chat_id FROM channel_chats WHERE portal_chat_id = ?"
_PORTAL_CHAT: Final = (
    "SELECT portal_chat_id FROM channel_chats WHERE (account_id, chat_id) = (?, ?) AND portal_chat_id IS NOT NULL"
)
_TOPICS: Final = "SELECT group_id, thread_id FROM channel_topics WHERE (account_id, chat_id) = (?, ?)"
_NAMES: Final = "SELECT name, person FROM channel_chats WHERE (account_id, chat_id) = (?, ?)"
_TEXTS: Final = (
    "SELECT COALESCE(json_extract(body, '$.text'), json_extract(body, '$.message.text')) FROM {table}"
    " WHERE (account_id, chat_id) = (?, ?) AND body <> ''"
)
_MESSAGES: Final = "SELECT id FROM channel_messages WHERE (account_id, chat_id) = (?1, ?2)"
_NUMBERS: Final = (
    "SELECT i.message_id FROM channel_message_ids i JOIN channel_messages m ON m.id = i.ref"
    " WHERE (m.account_id, m.chat_id) = (:account, :chat)"
)
_JOBS: Final = (
    "DELETE FROM outbox WHERE (json_extract(payload, '$.account_id') = ?1"
    "  AND json_extract(payload, '$.channel_chat') = ?2)"
    " OR (json_extract(payload, '$.item.chat.id') = ?2 AND json_extract(payload, '$.connector_id') ="
    "  (SELECT connector_id FROM channel_accounts WHERE id = ?1))"
)
_DROP_TOLD: Final = (
    f"WITH numbers (number) AS ({_NUMBERS}) DELETE FROM channel_seen WHERE account_id = :account AND at < :before"
    " AND key IN (SELECT number FROM numbers UNION ALL SELECT number || ':deleted' FROM numbers"
    "  UNION ALL SELECT 'read:' || number FROM numbers)"
)
_DROP_ABOUT: Final = "DELETE FROM channel_seen WHERE (account_id, key) = (:account, 'about:' || :chat)"
# Avito's: {"last": {chat: …}, "unread": {chat: …}}; other cursors hold no chat.
_DROP_MARK: Final = (
    "UPDATE channel_accounts SET cursor = json_remove(cursor, '$.last.\"' || :bare || '\"',"
    " '$.unread.\"' || :bare || '\"') WHERE id = :account AND instr(cursor, '\"' || :bare || '\"') > 0"
)
# In the order of deletion.
_ERASE: Final = (
    ("channel_message_ids", f"DELETE FROM channel_message_ids WHERE ref IN ({_MESSAGES})"),
    ("channel_messages", "DELETE FROM channel_messages WHERE (account_id, chat_id) = (?, ?)"),
    ("channel_posts", "DELETE FROM channel_posts WHERE (account_id, chat_id) = (?, ?)"),
    ("channel_topics", "DELETE FROM channel_topics WHERE (account_id, chat_id) = (?, ?)"),
    ("channel_chats", "DELETE FROM channel_chats WHERE (account_id, chat_id) = (?, ?)"),
)
