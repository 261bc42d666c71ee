"""All SQL of subscriptions, happenings and deliveries, in SQLite's dialect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ..archive.pages import IS_COMPLETE
from ..db import Storage, Tx
from .contract import PING, PING_CHAT, Backlog, Delivery, Lane, Shown, Subscription
from .dealing import Happening, worth_telling

CHUNK: Final = 1000  # rows of one transaction: a few milliseconds, so that no event waits

_SUBSCRIPTION: Final = "id, url, events, line_id, secret, active, created_at, disabled_at, disabled_reason"
_DELIVERY: Final = (
    "id, subscription_id, event, chat_id, message_id, created_at, state, tries, tried_at, ended_at, response_status,"
    " last_error"
)
_PUT: Final = (
    "INSERT INTO deliveries (id, subscription_id, event, chat_id, message_id, created_at) VALUES (?, ?, ?, ?, ?, ?)"
)
_LANE: Final = (
    "INSERT INTO delivery_lanes (subscription_id, chat_id, due_at) VALUES (?, ?, ?)"
    " ON CONFLICT (subscription_id, chat_id) DO NOTHING"
)
_LAST_ID: Final = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'), 0)"
_NEXT_HAPPENINGS: Final = "SELECT id, event, chat_id, message_id, at FROM happenings ORDER BY id LIMIT ?"
_DIALOG: Final = f"SELECT d.line_id, {IS_COMPLETE} FROM dialogs d WHERE d.chat_id = ?"
_HEAD: Final = (
    f"SELECT {_DELIVERY} FROM deliveries WHERE subscription_id = ? AND chat_id = ? AND state = 'waiting'"
    " ORDER BY id LIMIT 1"
)
_DUE: Final = (
    "SELECT subscription_id, chat_id FROM delivery_lanes WHERE subscription_id = ?1 AND due_at <= ?2"
    " AND (chat_id = 0 OR (SELECT active FROM subscriptions WHERE id = ?1)) ORDER BY due_at, chat_id LIMIT ?3"
)
_NEXT_DUE: Final = (
    "SELECT MIN(due_at) FROM delivery_lanes WHERE subscription_id = ?1"
    " AND (chat_id = 0 OR (SELECT active FROM subscriptions WHERE id = ?1))"
)
_END: Final = (
    "UPDATE deliveries SET state = ?, ended_at = ?, response_status = ?, last_error = ?, tries = tries + ?,"
    " tried_at = COALESCE(tried_at, ?) WHERE id = ? AND state = 'waiting'"
)
_AGAIN: Final = (
    "UPDATE deliveries SET tries = tries + 1, tried_at = COALESCE(tried_at, ?), response_status = ?, last_error = ?"
    " WHERE id = ? AND state = 'waiting'"
)
_HAPPENINGS: Final = "SELECT COUNT(*) FROM (SELECT 1 FROM happenings LIMIT 10000)"
_STATES: Final[dict[Shown, str]] = {
    "waiting": "state = 'waiting' AND tries = 0",
    "failing": "state = 'waiting' AND tries > 0",
    "delivered": "state = 'delivered'",
    "failed": "state = 'failed'",
    "dropped": "state = 'dropped'",
}
_BACKLOG: Final = (
    "SELECT s.id, COUNT(d.id), COALESCE(SUM(d.tries > 0), 0), MIN(d.created_at), COALESCE((SELECT last_error"
    "  FROM deliveries f WHERE f.subscription_id = s.id AND f.state = 'waiting' AND f.tries > 0 ORDER BY f.id LIMIT 1),"
    " '') FROM subscriptions s LEFT JOIN deliveries d ON d.subscription_id = s.id AND d.state = 'waiting' GROUP BY s.id"
)


class SqliteSubscriptions:
    """Implements `contract.Subscriptions` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    # --- subscriptions

    def add(self, tx: Tx, url: str, events: Sequence[str], line_id: int | None, secret: str, now: float) -> int:
        # What happened while somebody else was there to be told is nothing to whoever comes now.
        tx.sql.execute("DELETE FROM happenings WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE active)")
        row = tx.sql.execute(
            "INSERT INTO subscriptions (url, events, line_id, secret, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (url, json.dumps(events), line_id, secret, int(now)),
        ).fetchone()
        return int(row[0])

    def all(self) -> list[Subscription]:
        with self._storage.read() as tx:
            return _subscriptions(tx)

    def one(self, subscription_id: int) -> Subscription | None:
        with self._storage.read() as tx:
            return next(iter(_subscriptions(tx, subscription_id)), None)

    def change(
        self,
        tx: Tx,
        subscription_id: int,
        now: float,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> bool:
        found = tx.sql.execute(
            "UPDATE subscriptions SET url = COALESCE(?1, url), events = COALESCE(?2, events),"
            " active = COALESCE(?3, active), disabled_at = CASE WHEN ?3 THEN NULL ELSE disabled_at END,"
            " disabled_reason = CASE WHEN ?3 THEN '' ELSE disabled_reason END WHERE id = ?4",
            (url, None if events is None else json.dumps(events), active, subscription_id),
        ).rowcount
        if found and (active or url is not None):
            tx.sql.execute(
                "UPDATE deliveries SET tries = 0, tried_at = NULL"
                " WHERE subscription_id = ? AND state = 'waiting' AND tries > 0",
                (subscription_id,),
            )
            self.hasten(tx, subscription_id, now)
        return bool(found)

    def disable(self, tx: Tx, subscription_id: int, now: float, reason: str) -> None:
        tx.sql.execute(
            "UPDATE subscriptions SET active = 0, disabled_at = ?, disabled_reason = ? WHERE id = ? AND active",
            (int(now), reason, subscription_id),
        )

    def remove(self, subscription_id: int) -> bool:
        found = self._storage.write(lambda tx: self.change(tx, subscription_id, 0.0, active=False))
        while found and self._storage.write(lambda tx: _remove_deliveries(tx, subscription_id, CHUNK)):
            pass

        def rest(tx: Tx) -> None:
            _remove_deliveries(tx, subscription_id, -1)  # a ping that came in between
            tx.sql.execute("DELETE FROM delivery_lanes WHERE subscription_id = ?", (subscription_id,))
            tx.sql.execute("DELETE FROM subscriptions WHERE id = ?", (subscription_id,))

        self._storage.write(rest)
        return found

    # --- from happenings to deliveries

    def deal(self, tx: Tx, limit: int, now: float) -> int:
        wanting = [subscription for subscription in _subscriptions(tx) if subscription.active]
        few = max(1, limit // max(1, len(wanting)))
        rows = [Happening(*row) for row in tx.sql.execute(_NEXT_HAPPENINGS, (few,))]
        if not rows:
            return 0
        dialogs = {chat_id: tx.sql.execute(_DIALOG, (chat_id,)).fetchone() for chat_id in {row.chat_id for row in rows}}
        dealt: list[tuple[int, Happening]] = []
        for subscription in wanting:
            for row in worth_telling(rows, subscription.events):
                if dialogs[row.chat_id] is None:
                    continue  # erased meanwhile
                line_id, is_complete = dialogs[row.chat_id]
                # A line that nobody told yet is looked at again when the delivery is sent.
                is_its_line = subscription.line_id in (None, line_id) or line_id is None
                if is_its_line and (is_complete or row.event != "dialog.complete"):
                    dealt.append((subscription.id, row))
        _put(tx, dealt, now)
        tx.sql.execute("DELETE FROM happenings WHERE id <= ?", (rows[-1].id,))
        return len(rows)

    def ping(self, tx: Tx, subscription_id: int, now: float) -> int:
        return _put(tx, [(subscription_id, Happening(0, PING, PING_CHAT, None, int(now)))], now)

    # --- sending

    def due(self, subscription_id: int, now: float, limit: int) -> list[Lane]:
        with self._storage.read() as tx:
            return [(row[0], row[1]) for row in tx.sql.execute(_DUE, (subscription_id, now, limit))]

    def next_due(self, subscription_id: int) -> float | None:
        with self._storage.read() as tx:
            found: float | None = tx.sql.execute(_NEXT_DUE, (subscription_id,)).fetchone()[0]
        return found

    def head(self, lane: Lane) -> Delivery | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(_HEAD, lane).fetchone()
        return Delivery(*row) if row else None

    def delivered(self, tx: Tx, delivery: Delivery, status: int, now: float) -> None:
        self._end(tx, delivery, "delivered", status, "", now)

    def dropped(self, tx: Tx, delivery: Delivery, reason: str, now: float) -> None:
        self._end(tx, delivery, "dropped", None, reason, now)

    def failed(self, tx: Tx, delivery: Delivery, error: str, status: int | None, due_at: float, now: float) -> None:
        if delivery.event == PING:
            self._end(tx, delivery, "failed", status, error, now)
            return
        tx.sql.execute(_AGAIN, (now, status, error, delivery.id))
        self.put_off(tx, (delivery.subscription_id, delivery.chat_id), due_at)

    def _end(self, tx: Tx, delivery: Delivery, state: str, status: int | None, error: str, now: float) -> None:
        was_tried = state != "dropped"
        tx.sql.execute(_END, (state, int(now), status, error, was_tried, now if was_tried else None, delivery.id))
        lane = (delivery.subscription_id, delivery.chat_id)
        if tx.sql.execute(_HEAD, lane).fetchone():
            self.put_off(tx, lane, now)
        else:
            tx.sql.execute("DELETE FROM delivery_lanes WHERE subscription_id = ? AND chat_id = ?", lane)

    def put_off(self, tx: Tx, lane: Lane, due_at: float) -> None:
        tx.sql.execute(
            "UPDATE delivery_lanes SET due_at = ? WHERE subscription_id = ? AND chat_id = ?", (due_at, *lane)
        )

    def hasten(self, tx: Tx, subscription_id: int, now: float) -> None:
        tx.sql.execute(
            "UPDATE delivery_lanes SET due_at = ?1 WHERE subscription_id = ?2 AND due_at > ?1", (now, subscription_id)
        )

    # --- looking and cleaning up

    def deliveries(self, subscription_id: int, state: Shown | None, before: int | None, limit: int) -> list[Delivery]:
        chosen = f" AND {_STATES[state]}" if state else ""
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_DELIVERY} FROM deliveries WHERE subscription_id = ? AND id < ?{chosen}"
                " ORDER BY id DESC LIMIT ?",
                (subscription_id, 2**63 - 1 if before is None else before, limit),
            )
            return [Delivery(*row) for row in rows]

    def delivery(self, subscription_id: int, delivery_id: int) -> Delivery | None:
        with self._storage.read() as tx:
            row = tx.sql.execute(
                f"SELECT {_DELIVERY} FROM deliveries WHERE subscription_id = ? AND id = ?",
                (subscription_id, delivery_id),
            ).fetchone()
        return Delivery(*row) if row else None

    def replay(self, tx: Tx, subscription_id: int, delivery_id: int, now: float) -> bool:
        row = tx.sql.execute(
            "UPDATE deliveries SET state = 'waiting', tries = 0, tried_at = NULL, ended_at = NULL"
            " WHERE subscription_id = ? AND id = ? RETURNING chat_id",
            (subscription_id, delivery_id),
        ).fetchone()
        if row is None:
            return False
        tx.sql.execute(_LANE, (subscription_id, row[0], now))
        self.put_off(tx, (subscription_id, row[0]), now)
        return True

    def backlog(self) -> dict[int, Backlog]:
        with self._storage.read() as tx:
            return {row[0]: Backlog(*row[1:]) for row in tx.sql.execute(_BACKLOG)}

    def happenings(self) -> int:
        with self._storage.read() as tx:
            return int(tx.sql.execute(_HAPPENINGS).fetchone()[0])

    def drop_ended(self, tx: Tx, before: float, limit: int) -> int:
        return tx.sql.execute(
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE ended_at < ? LIMIT ?)",
            (int(before), limit),
        ).rowcount


def _put(tx: Tx, dealt: Sequence[tuple[int, Happening]], now: float) -> int:
    """A delivery for each pair of subscription and happening, in this order; the number of the first one."""
    # Microseconds, so that a restored backup never gives the same number to something else.
    first = max(int(tx.sql.execute(_LAST_ID).fetchone()[0]) + 1, int(now * 1_000_000))
    tx.sql.executemany(
        _PUT,
        [
            (first + i, subscription_id, row.event, row.chat_id, row.message_id, row.at)
            for i, (subscription_id, row) in enumerate(dealt)
        ],
    )
    lanes = dict.fromkeys((subscription_id, row.chat_id) for subscription_id, row in dealt)
    tx.sql.executemany(_LANE, [(*lane, now) for lane in lanes])
    return first


def _remove_deliveries(tx: Tx, subscription_id: int, limit: int) -> int:
    return tx.sql.execute(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE subscription_id = ? LIMIT ?)",
        (subscription_id, limit),
    ).rowcount


def _subscriptions(tx: Tx, subscription_id: int | None = None) -> list[Subscription]:
    rows = tx.sql.execute(
        f"SELECT {_SUBSCRIPTION} FROM subscriptions WHERE ?1 IS NULL OR id = ?1 ORDER BY id", (subscription_id,)
    )
    return [
        Subscription(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4], bool(row[5]), *row[6:]) for row in rows
    ]
