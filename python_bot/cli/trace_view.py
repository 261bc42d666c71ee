"""What became of one trace: the request, what was stored, the jobs with their calls, the dialog; as data or a tree."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ..archive import RecordedEvent, SqliteArchive, recorded_events
from ..db import Storage
from ..model import BuriedJob, Job, time_text
from ..outbox import SqliteOutbox
from ..traffic import Entry, Question, SqliteTraffic
from ..values import dataclass

MOST: int = 1000


@dataclass(frozen=True, slots=True)
class DialogState:
    """Of the dialog's latest session; times are ISO 8601 UTC, None when it did not happen."""

    chat_id: int
    handover: str | None
    handed_over_at: str | None
    answered_at: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    trace_id: str
    requests: list[Entry]
    events: list[RecordedEvent]
    waiting: list[Job]
    buried: list[BuriedJob]
    dialogs: list[DialogState]

    @property
    def is_empty(self) -> bool:
        return not (self.requests or self.events or self.waiting or self.buried)


def read_trace(storage: Storage, trace_id: str) -> Trace:
    traffic, archive = SqliteTraffic(storage), SqliteArchive(storage)
    requests = traffic.page(Question(trace_id=trace_id), MOST)
    waiting, buried = SqliteOutbox(storage).of_trace(trace_id)
    began = min([*(entry.at for entry in requests), *(job.created_at for job in waiting)], default=None)
    events = recorded_events(storage, trace_id, began) if began is not None else []
    chats = {entry.chat_id for entry in requests}
    for entry in requests:
        if entry.chat_id is None:
            chats |= {chat_id for trace, chat_id in traffic.causes(entry.id) if trace == trace_id}
    dialogs = [found for chat_id in sorted(chats - {None}, key=str) if (found := _dialog(archive, chat_id or 0))]
    return Trace(trace_id, requests, events, waiting, buried, dialogs)


def _dialog(archive: SqliteArchive, chat_id: int) -> DialogState | None:
    text = archive.dialog(chat_id)
    if text is None:
        return None
    sessions: list[dict[str, Any]] = json.loads(text)["sessions"]
    latest = max(sessions, key=lambda session: str(session["opened_at"]), default={})
    return DialogState(chat_id, latest.get("handover"), latest.get("handed_over_at"), latest.get("answered_at"))


def as_data(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id,
        "requests": [row_of(entry) for entry in trace.requests],
        "archived": [{**asdict(event), "received_at": time_text(event.received_at)} for event in trace.events],
        "waiting": [_job_row(job) for job in trace.waiting],
        "buried": [{**_job_row(dead.job), "buried_at": time_text(dead.buried_at)} for dead in trace.buried],
        "dialogs": [asdict(dialog) for dialog in trace.dialogs],
    }


def _job_row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "attempts": job.attempts,
        "due_at": time_text(job.due_at),
        "last_error": job.last_error,
    }


def row_of(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "at": instant(entry.at)}


def instant(seconds: float) -> str:
    """Unix seconds -> 2026-07-29T11:00:00.123Z"""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


def line_of(entry: Entry, *, with_trace: bool = True) -> str:
    """One request for people."""
    status = entry.status if entry.status is not None else "no answer"
    parts = [f"{entry.direction:<3} {entry.kind:<10} {entry.method} {entry.path}  {status}  {entry.duration_ms:g} ms"]
    if entry.count > 1:
        parts.append(f"×{entry.count}")
    if entry.subject:
        parts.append(entry.subject)
    if entry.direction == "in" and entry.outcome:
        parts.append(f"{entry.authorization}: {entry.outcome}")
    if entry.error_code:
        parts.append(f"{entry.error_code}: {entry.error_text}" if entry.error_text else entry.error_code)
    if entry.chat_id is not None:
        parts.append(f"chat {entry.chat_id}")
    if with_trace and entry.trace_id:
        parts.append(f"[{entry.trace_id}]")
    return f"{instant(entry.at)} {'  '.join(parts)}"


# --- the tree


def tree(trace: Trace) -> Iterator[str]:
    yield f"trace {trace.trace_id}"
    branches = [*_inbound(trace), *_archived(trace), *_jobs(trace), *_dialogs(trace)]
    for index, (title, leaves) in enumerate(branches):
        is_last = index == len(branches) - 1
        yield f"{'└─' if is_last else '├─'} {title}"
        for number, leaf in enumerate(leaves):
            yield f"{'  ' if is_last else '│ '} {'└─' if number == len(leaves) - 1 else '├─'} {leaf}"


Branch = tuple[str, list[str]]


def _inbound(trace: Trace) -> Iterator[Branch]:
    own = [line_of(entry, with_trace=False) for entry in trace.requests if entry.direction == "out" and not entry.job]
    for entry in trace.requests:
        if entry.direction == "in":
            yield line_of(entry, with_trace=False), own
            own = []
    if own:
        yield "calls", own


def _archived(trace: Trace) -> Iterator[Branch]:
    for event in trace.events:
        yield f"archive: {event.event}, {event.outcome}", []


def _jobs(trace: Trace) -> Iterator[Branch]:
    calls: dict[str, list[Entry]] = {}
    for entry in trace.requests:
        if entry.job:
            calls.setdefault(entry.job, []).append(entry)
    states = {job.kind: _waits(job) for job in trace.waiting}
    states |= {dead.job.kind: f"given up: {dead.job.last_error}" for dead in trace.buried}
    for kind in (*calls, *(kind for kind in states if kind not in calls)):
        leaves = [line_of(entry, with_trace=False) for entry in calls.get(kind, [])]
        yield f"{kind}: {states.get(kind) or _ended(calls[kind])}", leaves


def _waits(job: Job) -> str:
    tried = f" after {job.attempts} tries: {job.last_error}" if job.attempts else ""
    return f"waits until {time_text(job.due_at)}{tried}"


def _ended(calls: Sequence[Entry]) -> str:
    return "called" if calls[-1].job == "botctl" else "done"


def _dialogs(trace: Trace) -> Iterator[Branch]:
    for dialog in trace.dialogs:
        handed = f"handed over {dialog.handed_over_at}" if dialog.handed_over_at else "not handed over"
        answered = f"answered {dialog.answered_at}" if dialog.answered_at else "no answer of an operator yet"
        yield f"dialog {dialog.chat_id} now: {handed}, {answered}", []
