"""All SQL of jobs, in SQLite's dialect."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from ..db import Storage, Tx
from ..model import BuriedJob, Job, NewJob, OutboxDepth

_COLUMNS: Final = "id, kind, payload, lane, dedupe_key, trace_id, attempts, created_at, due_at, last_error"
_PUT: Final = (
    "INSERT INTO outbox (kind, payload, lane, dedupe_key, trace_id, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (dedupe_key) WHERE buried_at IS NULL AND claimed_until = 0 DO NOTHING"
)
# A job that was tried keeps its pause: whoever asks again knows nothing of what held it back.
_SOONER: Final = (
    "UPDATE outbox SET due_at = ?1, trace_id = ?2 WHERE dedupe_key = ?3 AND buried_at IS NULL AND claimed_until = 0"
    " AND attempts = 0 AND due_at > ?1"
)


# A job goes back to waiting, unless the same was asked for again meanwhile: then that one does.
_SUPERSEDED: Final = (
    " AND EXISTS (SELECT 1 FROM outbox newer WHERE newer.dedupe_key = outbox.dedupe_key AND newer.id > outbox.id"
    " AND newer.buried_at IS NULL AND newer.claimed_until = 0)"
)


# The first of the index that may go is enough: thousands of jobs may be planned for later.
_NEXT_DUE: Final = (
    "SELECT MIN(due_at) FROM (SELECT * FROM (SELECT due_at FROM outbox o WHERE buried_at IS NULL AND kind = ?1"
    "  AND claimed_until = 0 AND NOT EXISTS (SELECT 1 FROM outbox earlier WHERE earlier.lane = o.lane"
    "  AND earlier.id < o.id AND earlier.buried_at IS NULL) ORDER BY due_at, id LIMIT 1)"
    " UNION ALL SELECT MAX(due_at, claimed_until) FROM outbox o WHERE buried_at IS NULL AND kind = ?1"
    "  AND claimed_until > 0 AND NOT EXISTS (SELECT 1 FROM outbox earlier WHERE earlier.lane = o.lane"
    "  AND earlier.id < o.id AND earlier.buried_at IS NULL))"
)
_FORMER_GRAVES: Final = (
    "DELETE FROM outbox WHERE id < ?1 AND buried_at IS NOT NULL"
    " AND dedupe_key = (SELECT dedupe_key FROM outbox WHERE id = ?1)"
)
# Jobs planned for later and never tried do not wait: nothing holds them back.
_DEPTH: Final = (
    "SELECT kind, CASE WHEN buried_at IS NOT NULL THEN 'buried' WHEN attempts = 0 AND due_at > ? THEN 'planned'"
    " ELSE 'waiting' END, COUNT(*), MIN(CASE WHEN attempts = 0 THEN due_at ELSE created_at END)"
    " FROM outbox GROUP BY 1, 2"
)


class SqliteOutbox:
    """Implements `contract.Outbox` over one `Storage`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, tx: Tx, job: NewJob, now: float) -> bool:
        payload = json.dumps(job.payload, ensure_ascii=False)
        due_at = max(now, job.due_at)
        values = (job.kind, payload, job.lane, job.dedupe_key, job.trace_id, now, due_at)
        if tx.sql.execute(_PUT, values).rowcount == 1:
            return True
        tx.sql.execute(_SOONER, (due_at, job.trace_id, job.dedupe_key))
        return False

    def claim(self, tx: Tx, kinds: Collection[str], limit: int, now: float, lease_s: float) -> list[Job]:
        rows = tx.sql.execute(
            # What was planned for later is as old as the moment that it was planned for.
            "UPDATE outbox SET claimed_until = ?, attempts = attempts + 1,"
            " created_at = CASE WHEN attempts = 0 THEN MAX(created_at, due_at) ELSE created_at END WHERE id IN ("
            f" SELECT id FROM outbox o WHERE buried_at IS NULL AND kind IN ({_marks(kinds)})"
            " AND due_at <= ? AND claimed_until <= ? AND NOT EXISTS (SELECT 1 FROM outbox earlier"
            "  WHERE earlier.lane = o.lane AND earlier.id < o.id AND earlier.buried_at IS NULL)"
            f" ORDER BY due_at, id LIMIT ?) RETURNING {_COLUMNS}",
            (now + lease_s, *kinds, now, now, limit),
        ).fetchall()
        return sorted(map(_job, rows), key=lambda job: (job.due_at, job.id))

    def done(self, tx: Tx, job_ids: Collection[int]) -> None:
        tx.sql.execute(f"DELETE FROM outbox WHERE id IN ({_marks(job_ids)})", tuple(job_ids))

    def postpone(self, tx: Tx, job_id: int, due_at: float, reason: str) -> None:
        tx.sql.execute(f"DELETE FROM outbox WHERE id = ?{_SUPERSEDED}", (job_id,))
        tx.sql.execute(
            "UPDATE outbox SET due_at = ?, claimed_until = 0, last_error = ? WHERE id = ?", (due_at, reason, job_id)
        )

    def release(self, tx: Tx, job_ids: Collection[int]) -> None:
        tx.sql.execute(f"DELETE FROM outbox WHERE id IN ({_marks(job_ids)}){_SUPERSEDED}", tuple(job_ids))
        tx.sql.execute(
            f"UPDATE outbox SET claimed_until = 0, attempts = attempts - 1 WHERE id IN ({_marks(job_ids)})",
            tuple(job_ids),
        )

    def void_leases(self, tx: Tx) -> None:
        tx.sql.execute(f"DELETE FROM outbox WHERE claimed_until > 0 AND buried_at IS NULL{_SUPERSEDED}")
        tx.sql.execute("UPDATE outbox SET claimed_until = 0 WHERE claimed_until > 0")

    def bury(self, tx: Tx, job_id: int, now: float, reason: str) -> None:
        tx.sql.execute(
            "UPDATE outbox SET buried_at = ?, claimed_until = 0, last_error = ? WHERE id = ?", (now, reason, job_id)
        )

    def drop_former_graves(self, tx: Tx, job_id: int) -> None:
        tx.sql.execute(_FORMER_GRAVES, (job_id,))

    def hasten(self, tx: Tx, kinds: Collection[str], now: float) -> int:
        return tx.sql.execute(
            f"UPDATE outbox SET due_at = ? WHERE buried_at IS NULL AND kind IN ({_marks(kinds)})"
            " AND due_at > ? AND attempts > 0",
            (now, *kinds, now),
        ).rowcount

    def revive(self, tx: Tx, job_ids: Collection[int] | None, now: float) -> int:
        chosen = "" if job_ids is None else f" AND id IN ({_marks(job_ids)})"
        return tx.sql.execute(
            "UPDATE OR IGNORE outbox SET buried_at = NULL, attempts = 0, due_at = ?, created_at = ?"
            f" WHERE buried_at IS NOT NULL{chosen}",
            (now, now, *(job_ids or ())),
        ).rowcount

    def next_due(self, kinds: Collection[str]) -> float | None:
        with self._storage.read() as tx:
            rows = [tx.sql.execute(_NEXT_DUE, (kind,)).fetchone() for kind in kinds]
        return min((row[0] for row in rows if row[0] is not None), default=None)

    def waiting(self, limit: int) -> list[Job]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE buried_at IS NULL ORDER BY due_at, id LIMIT ?", (limit,)
            )
            return [_job(row) for row in rows]

    def of_lane(self, lane: str) -> list[Job]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE lane = ? AND buried_at IS NULL ORDER BY id", (lane,)
            )
            return [_job(row) for row in rows]

    def buried(self, limit: int) -> list[BuriedJob]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_COLUMNS}, buried_at FROM outbox WHERE buried_at IS NOT NULL ORDER BY id DESC LIMIT ?",
                (limit,),
            )
            return [BuriedJob(_job(row[:-1]), row[-1]) for row in rows]

    def depth(self, now: float) -> OutboxDepth:
        with self._storage.read() as tx:
            rows = tx.sql.execute(_DEPTH, (now,)).fetchall()
        counts: dict[str, dict[str, int]] = {"waiting": {}, "planned": {}, "buried": {}}
        for kind, state, count, _ in rows:
            counts[state][kind] = count
        oldest = {kind: since for kind, state, _, since in rows if state == "waiting"}
        return OutboxDepth(counts["waiting"], counts["planned"], counts["buried"], oldest)

    def of_trace(self, trace_id: str) -> tuple[list[Job], list[BuriedJob]]:
        with self._storage.read() as tx:
            rows = tx.sql.execute(
                f"SELECT {_COLUMNS}, buried_at FROM outbox WHERE trace_id = ? ORDER BY id", (trace_id,)
            ).fetchall()
        waiting = [_job(row[:-1]) for row in rows if row[-1] is None]
        return waiting, [BuriedJob(_job(row[:-1]), row[-1]) for row in rows if row[-1] is not None]

    def traced(self, trace_id: str) -> tuple[int, int]:
        with self._storage.read() as tx:
            row: tuple[int, int] = tx.sql.execute(
                "SELECT COALESCE(SUM(buried_at IS NULL), 0), COALESCE(SUM(buried_at IS NOT NULL), 0) FROM outbox"
                " WHERE trace_id = ?",
                (trace_id,),
            ).fetchone()
        return row


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))


def _job(row: tuple[Any, ...]) -> Job:
    job_id, kind, payload, lane, dedupe_key, trace_id, attempts, created_at, due_at, last_error = row
    return Job(
        id=job_id,
        kind=kind,
        payload=json.loads(payload),
        lane=lane,
        dedupe_key=dedupe_key,
        trace_id=trace_id,
        attempts=attempts,
        created_at=created_at,
        due_at=due_at,
        last_error=last_error,
    )


def renumber_sessions(tx: Tx, pairs: Mapping[int, int]) -> None:
    """Jobs were taken over from another archive, where our references of sessions were others."""
    rows = tx.sql.execute(
        "SELECT id, json_extract(payload, '$.session_ref') FROM outbox WHERE json_extract(payload, '$.session_ref') > 0"
    ).fetchall()
    moved = [(job_id, pairs[ref]) for job_id, ref in rows if pairs.get(ref, ref) != ref]
    for job_id, _ in moved:  # out of each other's way: their keys are unique
        tx.sql.execute("UPDATE outbox SET dedupe_key = 'moving:' || id WHERE id = ?", (job_id,))
    for job_id, ref in moved:
        tx.sql.execute(
            "UPDATE outbox SET payload = json_set(payload, '$.session_ref', ?1), dedupe_key = kind || ':' || ?1"
            " WHERE id = ?2",
            (ref, job_id),
        )
