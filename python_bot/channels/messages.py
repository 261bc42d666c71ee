"""All SQL of what passes through a channel, in both directions, in SQLite's dialect."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, Literal

from ..db import Storage, Tx
from ..values import dataclass
from .base import Doubt, Incoming, IncomingFile, Person

Status = Literal["waiting", "sending", "sent", "delivered", "read", "failed", "deleted", "dropped"]

_RESTORED: Final = "restored_at"
NEWEST: Final = 200  # messages, of which one in doubt is looked for among the next
_IN: Final = "id, account_id, chat_id, status, body, at, tried_at, tries, portal_chat_id, portal_message_id"
_OUT: Final = "id, account_id, chat_id, portal_chat_id, portal_message_id, part, kind, status, body, tried_at"
_WAITING: Final = (
    f"SELECT {_IN} FROM channel_messages WHERE (account_id, chat_id) = (?, ?) AND direction = 'in'"
    " AND status IN ('waiting', 'sending') ORDER BY id LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class InRow:
    """Something that happened in a chat and is not yet in the portal. 'sending': nobody knows whether it is, but for a
    message with the portal's number: that one was seen there.
    """

    id: int
    account_id: int
    chat_id: str
    status: Status
    happened: Incoming
    at: int
    tried_at: int | None
    tries: int
    portal_chat_id: int | None
    portal_message_id: int | None

    @property
    def is_held(self) -> bool:
        """It is not known yet what was said before it."""
        return self.tries < 0


@dataclass(frozen=True, slots=True)
class OutRow:
    """A part of an operator's message. `body`: of part 0 the whole message, as the portal sent it."""

    id: int
    account_id: int
    chat_id: str
    portal_chat_id: int
    portal_message_id: int
    part: int
    kind: str
    status: Status
    body: Mapping[str, Any]
    tried_at: int | None
    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsent:
    """What an operator said, as the archive has it. `files`: name, type, size and address of each."""

    portal_chat_id: int
    portal_message_id: int
    author_id: int
    author: str
    text: str
    files: tuple[tuple[str, str, int, str], ...]


class SqliteChannelMessages:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- an archive that takes the place of another

    def restored(self, tx: Tx, now: int) -> None:
        """What waits here may have gone its way in the archive that was there before."""
        tx.sql.execute(
            "UPDATE channel_messages SET status = 'sending', tried_at = ?"
            " WHERE direction = 'in' AND status = 'waiting'",
            (now,),
        )
        tx.sql.execute(
            "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            (_RESTORED, json.dumps(now)),
        )

    def restored_at(self, tx: Tx) -> int:
        """What was said before this moment (0: whatever) may have gone through already, though no row here says so."""
        row = tx.sql.execute("SELECT value FROM facts WHERE name = ?", (_RESTORED,)).fetchone()
        return int(json.loads(row[0])) if row else 0

    # --- in

    def add_in(self, tx: Tx, account_id: int, item: Incoming, now: int) -> int | None:
        """Keep what a client (or a colleague in the messenger) said; None when its message is known already.

        An edit of what was said before the account was ours is the first that is heard of it.
        """
        is_known = self.ref_of(tx, account_id, item.message_id) is not None
        if item.change == "message" and is_known:
            return None
        if item.change == "edit" and not is_known:
            item = replace(item, change="message")
        body = json.dumps(asdict(item), ensure_ascii=False)
        (ref,) = tx.sql.execute(
            "INSERT INTO channel_messages (account_id, direction, chat_id, portal_chat_id, kind, status, body, at)"
            " VALUES (?1, 'in', ?2, (SELECT portal_chat_id FROM channel_chats WHERE (account_id, chat_id) = (?1, ?2)),"
            " ?3, ?6, ?4, ?5) RETURNING id",
            (
                account_id,
                item.chat_id,
                "notice" if item.by == "system" else item.change,
                body,
                now,
                "sending" if item.by != "system" and item.sent_at < self.restored_at(tx) else "waiting",
            ),
        ).fetchone()
        if item.change == "message":
            self.add_ids(tx, account_id, ref, (item.message_id,))
        return int(ref)

    def hold(self, tx: Tx, ref: int) -> None:
        """It waits until it is known what was said before it: less than no try."""
        tx.sql.execute("UPDATE channel_messages SET tries = -1 WHERE id = ?", (ref,))

    def held(self, account_id: int, chat_id: str) -> list[int]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT id FROM channel_messages WHERE (account_id, chat_id) = (?, ?) AND direction = 'in'"
                " AND status IN ('waiting', 'sending') AND tries < 0",
                (account_id, chat_id),
            )
            return [row[0] for row in rows]

    def let_go(self, tx: Tx, refs: Iterable[int]) -> None:
        tx.sql.executemany("UPDATE channel_messages SET tries = 0 WHERE id = ?", [(ref,) for ref in refs])

    def waiting(self, account_id: int, chat_id: str, limit: int) -> list[InRow]:
        """What is to go to the portal next, in the order in which it came; what is held is among it."""
        with self._storage.read() as tx:
            return [_in_row(row) for row in tx.sql.execute(_WAITING, (account_id, chat_id, limit))]

    def waiting_chats(self, tx: Tx, account_id: int) -> list[str]:
        rows = tx.sql.execute(
            "SELECT DISTINCT chat_id FROM channel_messages WHERE account_id = ? AND direction = 'in'"
            " AND status IN ('waiting', 'sending') ORDER BY id",
            (account_id,),
        ).fetchall()
        return [row[0] for row in rows]

    def count_waiting(self) -> dict[int, int]:
        """Account -> messages that are not in the portal yet."""
        with self._storage.read() as tx:
            return dict(
                tx.sql.execute(
                    "SELECT account_id, COUNT(*) FROM channel_messages WHERE direction = 'in'"
                    " AND status IN ('waiting', 'sending') GROUP BY 1"
                ).fetchall()
            )

    def trying(self, tx: Tx, refs: Iterable[int], now: int) -> None:
        """Before the call: whoever finds these rows later does not know whether it got through."""
        tx.sql.executemany(
            "UPDATE channel_messages SET status = 'sending', tried_at = ?, tries = tries + 1 WHERE id = ?",
            [(now, ref) for ref in refs],
        )

    def not_sent(self, tx: Tx, refs: Iterable[int]) -> None:
        """It is known that the call did not get through."""
        tx.sql.executemany(
            "UPDATE channel_messages SET status = 'waiting' WHERE id = ? AND status = 'sending'",
            [(ref,) for ref in refs],
        )

    def settle_in(self, tx: Tx, refs: Sequence[int], status: Status, problem: str = "") -> None:
        """The portal has it, or never will. What was said is in the archive then, and not kept twice.

        Several rows became one message there: it is known by the first one's number.
        """
        tx.sql.executemany(
            "UPDATE channel_messages SET status = ?1, problem = ?2, body = CASE ?1 WHEN 'failed' THEN body ELSE '' END"
            " WHERE id = ?3",
            [(status, problem, ref) for ref in refs],
        )
        tx.sql.executemany(
            "UPDATE channel_message_ids SET ref = ?, number = ? WHERE ref = ?",
            [(refs[0], number, ref) for number, ref in enumerate(refs) if number],
        )

    def shown_as(self, account_id: int, message_id: str) -> str:
        """The number under which the portal knows a message: of an album it is that of the first one."""
        with self._storage.read() as tx:
            row = tx.sql.execute(
                "SELECT first.message_id FROM channel_message_ids own JOIN channel_message_ids first"
                " ON first.ref = own.ref WHERE own.account_id = ? AND own.message_id = ? ORDER BY first.number LIMIT 1",
                (account_id, message_id),
            ).fetchone()
        return row[0] if row else message_id

    # --- out

    def parts(self, account_id: int, portal_message_id: int) -> list[OutRow]:
        with self._storage.read() as tx:
            return self.parts_in(tx, account_id, portal_message_id)

    def parts_in(self, tx: Tx, account_id: int, portal_message_id: int) -> list[OutRow]:
        rows = tx.sql.execute(
            f"SELECT {_OUT} FROM channel_messages WHERE account_id = ? AND portal_message_id = ? AND direction = 'out'"
            " ORDER BY part",
            (account_id, portal_message_id),
        ).fetchall()
        return [self._out_row(tx, row) for row in rows]

    def begin_part(
        self,
        tx: Tx,
        account_id: int,
        chat_id: str,
        portal: tuple[int, int],
        part: tuple[int, str],
        body: Mapping[str, Any],
        now: int,
    ) -> int:
        """Before a part is requested; `portal`: its chat and message there, `part`: number and kind."""
        (ref,) = tx.sql.execute(
            "INSERT INTO channel_messages (account_id, direction, chat_id, portal_chat_id, portal_message_id, part,"
            " kind, status, body, at, tried_at, tries) VALUES (?1, 'out', ?2, ?3, ?4, ?5, ?6, 'sending', ?7, ?8, ?8, 1)"
            " ON CONFLICT (account_id, portal_message_id, part) WHERE direction = 'out'"
            " DO UPDATE SET status = 'sending', kind = ?6, problem = '',"
            " tried_at = CASE status WHEN 'sending' THEN tried_at ELSE ?8 END,"
            " tries = tries + 1 RETURNING id",
            (
                account_id,
                chat_id,
                *portal,
                *part,
                json.dumps(body, ensure_ascii=False) if body else "",
                now,
            ),
        ).fetchone()
        return int(ref)

    def settle_out(
        self, tx: Tx, account_id: int, ref: int, status: Status, ids: Sequence[str] = (), problem: str = ""
    ) -> None:
        tx.sql.execute("UPDATE channel_messages SET status = ?, problem = ? WHERE id = ?", (status, problem, ref))
        self.add_ids(tx, account_id, ref, ids)

    def advance(self, tx: Tx, account_id: int, portal_message_ids: Collection[int], old: Status, new: Status) -> None:
        tx.sql.executemany(
            "UPDATE channel_messages SET status = ? WHERE account_id = ? AND portal_message_id = ? AND status = ?"
            " AND direction = 'out'",
            [(new, account_id, message_id, old) for message_id in portal_message_ids],
        )

    def unread(self, tx: Tx, account_id: int, chat_id: str, up_to: int) -> list[int]:
        """Messages of the team in a chat that the client has seen now, as the portal numbers them."""
        rows = tx.sql.execute(
            "SELECT DISTINCT portal_message_id FROM channel_messages WHERE (account_id, chat_id) = (?, ?)"
            " AND direction = 'out' AND portal_message_id > 0 AND status IN ('sent', 'delivered') AND at <= ?"
            " ORDER BY 1",
            (account_id, chat_id, up_to),
        ).fetchall()
        return [row[0] for row in rows]

    def began_at(self, account_id: int, chat_id: str) -> int | None:
        """When something passed through a chat first."""
        with self._storage.read() as tx:
            row = tx.sql.execute(
                "SELECT at FROM channel_messages WHERE (account_id, chat_id) = (?, ?) ORDER BY id LIMIT 1",
                (account_id, chat_id),
            ).fetchone()
        return row[0] if row else None

    def unheard(self, portal_chat_id: int, portal_message_id: int, since: int) -> set[int]:
        """What operators said in a chat just before a message, as the archive knows it from the portal's other events,
        and what no event has yet told to send."""
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                "SELECT m.message_id FROM messages m WHERE m.chat_id = ? AND m.message_id < ? AND m.hidden = 0"
                " AND m.author_kind = 'operator' AND m.sent_at >= ? AND NOT EXISTS (SELECT 1 FROM channel_messages c"
                "  WHERE c.portal_message_id = m.message_id AND c.direction = 'out')",
                (portal_chat_id, portal_message_id, since),
            ).fetchall()
        return {row[0] for row in rows}

    def unsent(self, tx: Tx, account_id: int, portal_chat_id: int, since: int) -> list[Unsent]:
        """What operators said in a chat since then and no event has told to send, oldest first."""
        rows = tx.sql.execute(
            "SELECT m.message_id, m.author_id, COALESCE(u.name, ''), m.text FROM messages m"
            " LEFT JOIN users u ON u.user_id = m.author_id WHERE m.chat_id = ? AND m.author_kind = 'operator'"
            " AND m.hidden = 0 AND m.deleted_at IS NULL AND m.sent_at >= ? AND NOT EXISTS (SELECT 1"
            "  FROM channel_messages c WHERE c.portal_message_id = m.message_id AND c.direction = 'out'"
            "  AND c.account_id = ?) ORDER BY m.message_id",
            (portal_chat_id, since, account_id),
        ).fetchall()
        found: list[Unsent] = []
        for message_id, author_id, author, text in rows:
            files = tx.sql.execute(
                "SELECT name, type, size, url FROM files WHERE message_id = ? ORDER BY file_id", (message_id,)
            ).fetchall()
            found.append(Unsent(portal_chat_id, message_id, author_id, author, text, tuple(map(tuple, files))))
        return found

    def is_sending(self, account_id: int, chat_id: str, since: int) -> bool:
        """Whether a part for this chat is on its way, so that its number is not known yet."""
        with self._storage.read() as tx:
            row = tx.sql.execute(
                "SELECT 1 FROM channel_messages WHERE (account_id, chat_id) = (?, ?) AND direction = 'out'"
                " AND status IN ('waiting', 'sending') AND tried_at >= ? LIMIT 1",
                (account_id, chat_id, since),
            ).fetchone()
        return row is not None

    # --- the messenger's numbers

    def doubt(self, account_id: int, chat_id: str, since: int) -> Doubt:
        """What is known about a part that was tried first at `since` and may have arrived: see `Doubt`."""
        with self._storage.read() as tx:
            heard = tx.sql.execute(
                "SELECT i.message_id FROM channel_messages m JOIN channel_message_ids i ON i.ref = m.id"
                " WHERE m.account_id = ? AND m.direction = 'in' AND m.at < ? ORDER BY m.id DESC LIMIT ?",
                (account_id, since, NEWEST),
            ).fetchall()
            own = tx.sql.execute(
                "SELECT i.message_id, m.at < ?1 OR (m.at = ?1 AND m.direction = 'out') FROM channel_messages m"
                " JOIN channel_message_ids i ON i.ref = m.id WHERE (m.account_id, m.chat_id) = (?2, ?3)"
                " ORDER BY m.id DESC LIMIT ?4",
                (since, account_id, chat_id, NEWEST),
            ).fetchall()
        before = [row[0] for row in heard] + [message_id for message_id, is_older in own if is_older]
        return Doubt(since, tuple(before), frozenset(message_id for message_id, _ in own))

    def unknown(self, account_id: int, message_ids: Sequence[str]) -> tuple[str, ...]:
        """Those that belong to no other message: one that says the same may have been sent before."""
        with self._storage.read() as tx:
            return tuple(found for found in message_ids if self.origin_in(tx, account_id, found) is None)

    def add_ids(self, tx: Tx, account_id: int, ref: int, ids: Sequence[str]) -> None:
        """A number that was told as a colleague's before we knew that it is ours becomes ours."""
        tx.sql.executemany(
            "INSERT INTO channel_message_ids (account_id, message_id, ref, number) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (account_id, message_id) DO UPDATE SET ref = excluded.ref, number = excluded.number",
            [(account_id, message_id, ref, number) for number, message_id in enumerate(ids)],
        )

    def ref_of(self, tx: Tx, account_id: int, message_id: str) -> tuple[int, str] | None:
        """(row, 'in' or 'out') of a message by its number in the messenger."""
        row = tx.sql.execute(
            "SELECT m.id, m.direction FROM channel_message_ids i JOIN channel_messages m ON m.id = i.ref"
            " WHERE i.account_id = ? AND i.message_id = ?",
            (account_id, message_id),
        ).fetchone()
        return (row[0], row[1]) if row else None

    def origin(self, account_id: int, message_id: str) -> Literal["line", "topics"] | None:
        """Where a message was written that we sent ourselves; None for everybody else's."""
        with self._storage.read() as tx:
            return self.origin_in(tx, account_id, message_id)

    def origin_in(self, tx: Tx, account_id: int, message_id: str) -> Literal["line", "topics"] | None:
        row = tx.sql.execute(
            "SELECT m.portal_message_id FROM channel_message_ids i JOIN channel_messages m ON m.id = i.ref"
            " WHERE i.account_id = ? AND i.message_id = ? AND m.direction = 'out'",
            (account_id, message_id),
        ).fetchone()
        return None if row is None else "line" if row[0] > 0 else "topics"

    def _out_row(self, tx: Tx, row: tuple[Any, ...]) -> OutRow:
        ref, account_id, chat_id, portal_chat_id, portal_message_id, part, kind, status, body, tried_at = row
        ids = tx.sql.execute("SELECT message_id FROM channel_message_ids WHERE ref = ? ORDER BY number", (ref,))
        return OutRow(
            ref,
            account_id,
            chat_id,
            portal_chat_id,
            portal_message_id,
            part,
            kind,
            status,
            json.loads(body) if body else {},
            tried_at,
            tuple(found[0] for found in ids),
        )


def _in_row(row: tuple[Any, ...]) -> InRow:
    ref, account_id, chat_id, status, body, at, tried_at, tries, *portal = row
    values = json.loads(body)
    values["sender"] = Person(**values["sender"])
    values["files"] = tuple(IncomingFile(**file) for file in values["files"])
    return InRow(ref, account_id, chat_id, status, Incoming(**values), at, tried_at, tries, *portal)
