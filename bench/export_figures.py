"""Exports: how fast against SQLite's own shell, in how much memory, and what events notice of them."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.support import TOKEN, Server, until

from . import load, servers
from .archive_maker import make_archive
from .figure import Figure, Skipped

DIALOGS: Final = 50_000
SMALL: Final = 5_000  # dialogs beside which events come: their search index is built in this time
EACH: Final = 20
PIECE: Final = 1 << 20
EVENTS: Final = 100  # a second
SEARCHES: Final = 20  # a second
# The columns of a message in /api/messages, the two inner objects flat.
QUERY: Final = """SELECT m.message_id, m.chat_id, s.session_id, m.author_id, COALESCE(u.name, '') AS author_name,
    m.author_kind, m.text, COALESCE(m.text_plain, m.text) AS text_plain,
    strftime('%Y-%m-%dT%H:%M:%SZ', m.sent_at, 'unixepoch') AS sent_at, m.sent_at_exact,
    strftime('%Y-%m-%dT%H:%M:%SZ', m.edited_at, 'unixepoch') AS edited_at,
    strftime('%Y-%m-%dT%H:%M:%SZ', m.deleted_at, 'unixepoch') AS deleted_at,
    (SELECT json_group_array(json_object('id', f.file_id, 'name', f.name, 'size', f.size, 'type', f.type,
        'url', NULLIF(f.url, ''), 'state', f.state, 'problem', NULLIF(f.problem, '')))
        FROM files f WHERE f.message_id = m.message_id) AS files
    FROM messages m LEFT JOIN sessions s ON s.id = m.session_ref LEFT JOIN users u ON u.user_id = m.author_id
    ORDER BY m.message_id"""


def export_rows(seconds: float) -> Figure:
    """1,000,000 messages as JSON lines over HTTP, and the same columns by `sqlite3 -json`, in turn."""
    mine, other, _ = _exports()
    rows = DIALOGS * EACH
    return Figure(
        "messages/s of an export of 1,000,000 as JSON lines over HTTP / `sqlite3 -json` of the same columns",
        f"{rows / mine:.0f}/s",
        f"{rows / other:.0f}/s",
        other / mine,
        0.5,
        True,
    )


def export_memory(seconds: float) -> Figure:
    _, _, peak = _exports()
    return Figure(
        "peak memory of the instance's process that exports 1,000,000 messages (VmHWM), MiB",
        f"{peak:.1f} MiB",
        "–",
        peak,
        80.0,
        False,
    )


@cache
def _exports() -> tuple[float, float, float]:
    """Medians of three: seconds over HTTP and of the shell; the peak of the worker, MiB. One measurement for both."""
    if shutil.which("sqlite3") is None:
        raise Skipped("the sqlite3 shell is not installed")
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        make_archive(home / "dialogs.db", dialogs=DIALOGS, messages_each=EACH, rng=random.Random(1))
        (home / "search.db").mkdir()  # no index is built meanwhile
        mine, other = [], []
        with servers.ours(home=home) as server:
            for _ in range(3):
                started = time.perf_counter()
                assert _export(server.port) == DIALOGS * EACH
                mine.append(time.perf_counter() - started)
                started = time.perf_counter()
                command = ["sqlite3", "-json", f"file:{home}/dialogs.db?mode=ro", QUERY]
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                other.append(time.perf_counter() - started)
            assert server.process is not None
            peak = max(_peak_mib(pid) for pid in servers.process_tree(server.process.pid))
    return statistics.median(mine), statistics.median(other), peak


def _export(port: int) -> int:
    """How many lines came."""
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", "/api/export?format=jsonl", headers={"X-API-Token": TOKEN})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    lines = 0
    while piece := answer.read(PIECE):
        lines += piece.count(b"\n")
    connection.close()
    return lines


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def intake_beside_export(seconds: float) -> Figure:
    """p99 of 100 events/s, alone and while an export is always running and 20 searches/s come, in turn."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        make_archive(home / "dialogs.db", dialogs=SMALL, messages_each=EACH, rng=random.Random(1))
        with servers.ours(home=home) as server:
            until(lambda: _is_indexed(server), timeout_s=600, what="the search index is built")
            requests = servers.event_requests(server.port)
            alone, beside = [], []
            _events(server.port, requests, min(1.0, seconds))
            for _ in range(3):
                alone.append(_events(server.port, requests, seconds))
                with _readers(server.port):
                    beside.append(_events(server.port, requests, seconds))
    mine, other = statistics.median(beside), statistics.median(alone)
    return Figure(
        f"p99 of {EVENTS} events/s while an export runs and {SEARCHES} searches/s come / the events alone",
        f"{1000 * mine:.2f} ms",
        f"{1000 * other:.2f} ms",
        mine / other,
        2.0,
        False,
    )


def _is_indexed(server: Server) -> bool:
    return len(server.api(f"/api/search?limit=1&q={quote('курьер')}")["messages"]) == 1 and (
        server.metric("b24bot_search_backlog") == 0
    )


def _events(port: int, requests: Iterator[bytes], seconds: float) -> float:
    result = load.run(port, lambda: next(requests), connections=16, seconds=seconds, rate=EVENTS)
    assert set(result.statuses) == {200}, result.statuses
    return result.quantile(0.99)


@contextmanager
def _readers(port: int) -> Iterator[None]:
    """Two processes of their own, so that what they do is not measured as waiting."""
    context = multiprocessing.get_context("spawn")
    end, ready = context.Event(), [context.Event(), context.Event()]
    readers = [
        context.Process(target=target, args=(port, ready[i], end), daemon=True)
        for i, target in enumerate((_export_always, _search_always))
    ]
    for reader in readers:
        reader.start()
    try:
        assert all(each.wait(30) for each in ready)
        yield
    finally:
        end.set()
        for reader in readers:
            reader.join(60)


def _export_always(port: int, ready: Event, end: Event) -> None:
    while not end.is_set():
        _export(port)
        ready.set()


def _search_always(port: int, ready: Event, end: Event) -> None:
    queries = ["курьер", "курьер скидка", "курьер*", "*урье*", "курьер -скидка"]
    requests = itertools.cycle([servers.get_request(f"/api/search?limit=20&q={quote(query)}") for query in queries])
    while not end.is_set():
        load.run(port, lambda: next(requests), connections=4, seconds=0.5, rate=SEARCHES)
        ready.set()
