"""All SQL of channel accounts and their chats, in SQLite's dialect. Messages are in `messages`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Final

from ..db import Storage, Tx
from ..values import dataclass
from .base import Account, AccountState, Identity, Person

# With those that others refer to first.
TABLES: Final = (
    "channel_accounts",
    "channel_secrets",
    "channel_seen",
    "channel_chats",
    "channel_messages",
    "channel_message_ids",
    "channel_topics",
    "channel_posts",
)
_COLUMNS: Final = (
    "id, channel, external_id, name, url, line_id, connector_id, state, problem, line_problem, created_at,"
    " last_message_at, options, facts"
)
_TOUCH: Final = (
    "INSERT INTO channel_chats (account_id, chat_id, name, url, person) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (account_id, chat_id) DO UPDATE SET name = COALESCE(NULLIF(?3, ''), name),"
    " url = COALESCE(NULLIF(?4, ''), url), person = COALESCE(NULLIF(?5, ''), person)"
)
# What a messenger does not tell with each message was asked for once.
_DESCRIBE: Final = (
    "UPDATE channel_chats SET name = ?3, url = ?4, person = ?5, about = ?6 WHERE (account_id, chat_id) = (?1, ?2)"
)


@dataclass(frozen=True, slots=True)
class Held:
    """An account with what the relay knows about it. `line_problem`: what keeps it from its open line, for people."""

    account: Account
    connector_id: str
    line_problem: str
    last_message_at: int | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of an account. `person`: whose chat it is in the portal; None until a client wrote."""

    account_id: int
    chat_id: str
    name: str
    url: str
    about: str
    state: str
    person: Person | None
    portal_chat_id: int | None


class SqliteChannels:
    """Accounts, their secrets, and their chats. What takes a `tx` writes or reads inside it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- accounts

    def add(
        self, tx: Tx, channel: str, identity: Identity, line_id: int | None, options: Mapping[str, object], now: int
    ) -> int:
        """The new account's number. Whoever adds the same again is given the present one: see `of_identity`."""
        (account_id,) = tx.sql.execute(
            "INSERT INTO channel_accounts (channel, external_id, name, url, line_id, options, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (channel, identity.external_id, identity.name, identity.url, line_id, json.dumps(options), now),
        ).fetchone()
        return int(account_id)

    def of_identity(self, tx: Tx, channel: str, external_id: str) -> int | None:
        row = tx.sql.execute(
            "SELECT id FROM channel_accounts WHERE channel = ? AND external_id = ?", (channel, external_id)
        ).fetchone()
        return row[0] if row else None

    def name_connector(self, tx: Tx, account_id: int, connector_id: str) -> None:
        tx.sql.execute("UPDATE channel_accounts SET connector_id = ? WHERE id = ?", (connector_id, account_id))

    def introduce(self, tx: Tx, account_id: int, identity: Identity) -> None:
        """The messenger says who it is: anew, or at last. The number is the same."""
        tx.sql.execute(
            "UPDATE channel_accounts SET external_id = ?, name = ?, url = ? WHERE id = ?",
            (identity.external_id, identity.name, identity.url, account_id),
        )

    def set_line(self, tx: Tx, account_id: int, line_id: int | None, problem: str = "") -> None:
        tx.sql.execute(
            "UPDATE channel_accounts SET line_id = ?, line_problem = ? WHERE id = ?", (line_id, problem, account_id)
        )

    def set_line_problem(self, tx: Tx, account_id: int, problem: str) -> None:
        tx.sql.execute(
            "UPDATE channel_accounts SET line_problem = ?1 WHERE id = ?2 AND line_problem <> ?1", (problem, account_id)
        )

    def set_state(self, tx: Tx, account_id: int, state: AccountState, problem: str = "") -> None:
        tx.sql.execute(
            "UPDATE channel_accounts SET state = ?1, problem = ?2 WHERE id = ?3 AND (state, problem) <> (?1, ?2)",
            (state, problem, account_id),
        )

    def set_options(self, tx: Tx, account_id: int, options: Mapping[str, object]) -> None:
        tx.sql.execute("UPDATE channel_accounts SET options = ? WHERE id = ?", (json.dumps(options), account_id))

    def set_secrets(self, tx: Tx, account_id: int, secrets: Mapping[str, str]) -> None:
        tx.sql.execute("DELETE FROM channel_secrets WHERE account_id = ?", (account_id,))
        rows = [(account_id, name, value) for name, value in secrets.items()]
        tx.sql.executemany("INSERT INTO channel_secrets (account_id, name, value) VALUES (?, ?, ?)", rows)

    def add_facts(self, tx: Tx, account_id: int, facts: Mapping[str, Any]) -> None:
        """Keep what people may want to know; a fact of None is forgotten."""
        tx.sql.execute(
            "UPDATE channel_accounts SET facts = json_patch(facts, ?) WHERE id = ?",
            (json.dumps(facts, ensure_ascii=False), account_id),
        )

    def remove(self, tx: Tx, account_id: int) -> None:
        """With its secrets, chats and messages."""
        tx.sql.execute("DELETE FROM channel_accounts WHERE id = ?", (account_id,))

    def line_lost(self, tx: Tx, line_id: int, connector_id: str | None, problem: str) -> list[int]:
        """An open line is gone, or (with a connector) one account was taken off it in the portal; whom it concerns."""
        rows = tx.sql.execute(
            "UPDATE channel_accounts SET line_id = NULL, line_problem = ?1 WHERE line_id = ?2"
            " AND (?3 IS NULL OR connector_id = ?3) RETURNING id",
            (problem, line_id, connector_id),
        ).fetchall()
        return [row[0] for row in rows]

    def held(self, tx: Tx, account_id: int) -> Held | None:
        row = tx.sql.execute(f"SELECT {_COLUMNS} FROM channel_accounts WHERE id = ?", (account_id,)).fetchone()
        return _held(tx, row) if row else None

    def one(self, account_id: int) -> Held | None:
        with self._storage.read() as tx:
            return self.held(tx, account_id)

    def of_portal_chat(self, tx: Tx, portal_chat_id: int) -> tuple[Held, str] | None:
        """The account behind a chat of the portal, and the messenger's chat; None when no account of ours is."""
        row = tx.sql.execute(
            "SELECT account_id, chat_id FROM channel_chats WHERE portal_chat_id = ?", (portal_chat_id,)
        ).fetchone()
        held = self.held(tx, row[0]) if row else None
        return (held, row[1]) if held is not None else None

    def of_connector(self, connector_id: str) -> Held | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(
                f"SELECT {_COLUMNS} FROM channel_accounts WHERE connector_id = ? AND connector_id <> ''",
                (connector_id,),
            ).fetchone()
            return _held(tx, row) if row else None

    def all(self, channel: str | None = None) -> list[Held]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_COLUMNS} FROM channel_accounts WHERE ?1 IS NULL OR channel = ?1 ORDER BY id", (channel,)
            ).fetchall()
            return [_held(tx, row) for row in rows]

    def secrets(self) -> tuple[str, ...]:
        """Every secret of every account: to be masked wherever it shows up."""
        with self._storage.read() as tx:
            return tuple(row[0] for row in tx.sql.execute("SELECT value FROM channel_secrets"))

    # --- how far the messenger was asked, and what it told

    def cursor(self, account_id: int) -> str:
        with self._storage.read() as tx:
            row = tx.sql.execute("SELECT cursor FROM channel_accounts WHERE id = ?", (account_id,)).fetchone()
        return row[0] if row else ""

    def set_cursor(self, tx: Tx, account_id: int, cursor: str) -> None:
        tx.sql.execute("UPDATE channel_accounts SET cursor = ?1 WHERE id = ?2 AND cursor <> ?1", (cursor, account_id))

    def is_new(self, tx: Tx, account_id: int, key: str, now: int) -> bool:
        """Note that a messenger told something; False when it had told that before."""
        cursor = tx.sql.execute("INSERT OR IGNORE INTO channel_seen VALUES (?, ?, ?)", (account_id, key, now))
        return cursor.rowcount == 1

    def forget_seen(self, tx: Tx, before: int) -> None:
        tx.sql.execute("DELETE FROM channel_seen WHERE at < ?", (before,))

    def heard(self, tx: Tx, account_id: int, now: int) -> None:
        tx.sql.execute("UPDATE channel_accounts SET last_message_at = ? WHERE id = ?", (now, account_id))

    # --- chats

    def touch_chat(self, tx: Tx, account_id: int, chat_id: str, name: str, url: str, person: Person | None) -> bool:
        """Keep what a message tells about its chat; True when the chat is new."""
        known = self.chat(tx, account_id, chat_id)
        tx.sql.execute(_TOUCH, (account_id, chat_id, name, url, _text(person)))
        return known is None

    def describe_chat(self, tx: Tx, chat: Chat) -> None:
        tx.sql.execute(_DESCRIBE, (chat.account_id, chat.chat_id, chat.name, chat.url, _text(chat.person), chat.about))

    def set_chat_state(self, tx: Tx, account_id: int, chat_id: str, state: str) -> None:
        tx.sql.execute(
            "UPDATE channel_chats SET state = ?1 WHERE (account_id, chat_id) = (?2, ?3) AND state <> ?1",
            (state, account_id, chat_id),
        )

    def move_chat(self, tx: Tx, account_id: int, chat_id: str, moved_to: str) -> None:
        """The messenger gave a chat another number: what is to be sent there goes to the new one."""
        tx.sql.execute(
            "INSERT INTO channel_chats (account_id, chat_id, name, url, person, about)"
            " SELECT account_id, ?3, name, url, person, about FROM channel_chats WHERE (account_id, chat_id) = (?1, ?2)"
            " ON CONFLICT (account_id, chat_id) DO NOTHING",
            (account_id, chat_id, moved_to),
        )
        self.set_chat_state(tx, account_id, chat_id, f"moved:{moved_to}")

    def set_portal_chat(self, tx: Tx, account_id: int, chat_id: str, portal_chat_id: int) -> None:
        tx.sql.execute(
            "UPDATE channel_chats SET portal_chat_id = ?1 WHERE (account_id, chat_id) = (?2, ?3)"
            " AND portal_chat_id IS NOT ?1",
            (portal_chat_id, account_id, chat_id),
        )
        tx.sql.execute(
            "UPDATE channel_messages SET portal_chat_id = ?1 WHERE (account_id, chat_id) = (?2, ?3)"
            " AND portal_chat_id IS NULL",
            (portal_chat_id, account_id, chat_id),
        )

    def portal_chat(self, tx: Tx, connector_id: str, chat_id: str, portal_chat_id: int) -> None:
        """The portal told which chat of its own a connector's chat has become."""
        row = tx.sql.execute(
            "SELECT id FROM channel_accounts WHERE connector_id = ? AND connector_id <> ''", (connector_id,)
        ).fetchone()
        if row is not None:
            self.set_portal_chat(tx, row[0], chat_id, portal_chat_id)

    def archived_chat(self, connector_id: str, chat_id: str) -> int | None:
        """The portal's chat of a connector's chat, as the archive knows it from the portal's own events."""
        start = f"{connector_id}|"
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT chat_id, entity_id FROM dialogs WHERE connector_id = ? ORDER BY chat_id DESC", (connector_id,)
            ).fetchall()
        own = (portal_chat for portal_chat, entity in rows if entity.startswith(start) and _external(entity) == chat_id)
        return next(own, None)

    def chat(self, tx: Tx, account_id: int, chat_id: str) -> Chat | None:
        row = tx.sql.execute(
            "SELECT account_id, chat_id, name, url, about, state, person, portal_chat_id FROM channel_chats"
            " WHERE (account_id, chat_id) = (?, ?)",
            (account_id, chat_id),
        ).fetchone()
        if row is None:
            return None
        number, own, name, url, about, state, person, portal_chat_id = row
        client = Person(**json.loads(person)) if person else None
        return Chat(number, own, name, url, about, state, client, portal_chat_id)


def _external(entity_id: str) -> str:
    """'telegrambot|3|209607941|744' -> '209607941'; it may hold '|' itself."""
    return "|".join(entity_id.split("|")[2:-1])


def _text(person: Person | None) -> str:
    return json.dumps(asdict(person), ensure_ascii=False) if person else ""


def _held(tx: Tx, row: tuple[Any, ...]) -> Held:
    account_id, channel, external_id, name, url, line_id, connector_id, state, problem, line_problem, *rest = row
    created_at, last_message_at, options, facts = rest
    secrets = tx.sql.execute("SELECT name, value FROM channel_secrets WHERE account_id = ?", (account_id,)).fetchall()
    account = Account(
        id=account_id,
        channel=channel,
        identity=Identity(external_id, name, url),
        line_id=line_id,
        state=state,
        problem=problem,
        created_at=created_at,
        secrets=dict(secrets),
        options=json.loads(options),
    )
    return Held(account, connector_id, line_problem, last_message_at, json.loads(facts))
