"""Figures of reading: lists against Datasette over the same file, search against the bare query, and both as the
archive grows. `B24BOT_BENCH_MESSAGES` chooses the large archive: 1,000,000 by default, 5,000,000 takes minutes to make.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote
from urllib.request import urlopen

from python_bot.search.words import stem
from python_bot.web.api.params import write_cursor
from tests.support import free_port, until

from . import load, servers
from .archives import EACH, LARGE, SMALL, home, searched_home
from .figure import Figure

CONNECTIONS: Final = 8
SAMPLES: Final = 300

Requests = Callable[[], bytes]


def lists(seconds: float) -> Figure:
    """The first page, pages anywhere, filtered pages anywhere; the worst of the three ratios, each of medians of three
    rounds in turn. Datasette gives the same columns of the table, spared its counts and facet suggestions."""
    directory, dialogs, rng = home(LARGE), LARGE // EACH, random.Random(2)

    def anywhere() -> int:
        return rng.randint(200, dialogs)

    spared = "_size=100&_sort_desc=chat_id&_shape=array&_nocount=1&_nofacet=1&_nosuggest=1"
    kinds: dict[str, tuple[Requests, Requests]] = {
        "first": (lambda: _ours(""), lambda: _theirs(spared)),
        "deep": (
            lambda: _ours(f"&cursor={write_cursor('d.newest', (anywhere(),))}"),
            lambda: _theirs(f"{spared}&chat_id__lt={anywhere()}"),
        ),
        "filtered": (
            lambda: _ours(f"&operator_id=27&line_id=3&cursor={write_cursor('d.newest', (anywhere(),))}"),
            lambda: _theirs(f"{spared}&operator_id=27&line_id=3&chat_id__lt={anywhere()}"),
        ),
    }
    with servers.ours(home=directory) as server, _datasette(directory) as port:
        found = {kind: _in_turn(server.port, mine, port, other, seconds) for kind, (mine, other) in kinds.items()}
    return Figure(
        f"/api/dialogs?limit=100 over {LARGE:,} messages, worst of {', '.join(kinds)} / Datasette over the same file",
        ", ".join(f"{kind} {mine:.0f}/s" for kind, (mine, _) in found.items()),
        ", ".join(f"{kind} {other:.0f}/s" for kind, (_, other) in found.items()),
        min(mine / other for mine, other in found.values()),
        8.0,
        True,
    )


def lists_growth(seconds: float) -> Figure:
    """Pages anywhere of one operator by number, of one line by activity: medians of one connection, large / small."""

    def medians(messages: int) -> dict[str, float]:
        rng = random.Random(3)

        def anywhere() -> int:
            return rng.randint(101, messages // EACH)

        def by_activity() -> bytes:
            number = anywhere()
            return _ours(f"&line_id=3&sort=active&cursor={write_cursor('d.active', (1785312600 + number, number))}")

        kinds: dict[str, Requests] = {
            "by number": lambda: _ours(f"&operator_id=27&cursor={write_cursor('d.newest', (anywhere(),))}"),
            "by activity": by_activity,
        }
        found = {}
        with servers.ours(home=home(messages)) as server:
            for kind, request in kinds.items():
                load.run(server.port, request, connections=1, seconds=1)
                result = load.run(server.port, request, connections=1, seconds=seconds / 2)
                assert set(result.statuses) == {200}, result.statuses
                found[kind] = result.quantile(0.5)
        return found

    small, large = medians(SMALL), medians(LARGE)
    worst = max(large, key=lambda kind: large[kind] / small[kind])
    return Figure(
        f"the same, filtered page anywhere, median, the worse ({worst}), {LARGE:,} messages / {SMALL:,}",
        ", ".join(f"{kind} {1000 * median:.2f} ms" for kind, median in large.items()),
        ", ".join(f"{kind} {1000 * median:.2f} ms" for kind, median in small.items()),
        large[worst] / small[worst],
        1.5,
        False,
    )


def searching(seconds: float) -> Figure:
    """Newest 20, one connection: p95 over HTTP minus p95 of the bare FTS5 query, the worst kind of query, in ms."""
    http, bare = _searches(LARGE), _bare_searches(LARGE)
    worst = max(http, key=lambda kind: http[kind] - bare[kind])
    return Figure(
        f"/api/search over {LARGE:,} messages, p95, worst kind ({worst}) - the bare FTS5 query, ms",
        ", ".join(f"{kind} {1000 * p95:.2f} ms" for kind, p95 in http.items()),
        ", ".join(f"{kind} {1000 * p95:.2f} ms" for kind, p95 in bare.items()),
        1000 * (http[worst] - bare[worst]),
        3.0,
        False,
    )


def searching_growth(seconds: float) -> Figure:
    small, large = _searches(SMALL), _searches(LARGE)
    worst = max(large, key=lambda kind: large[kind] / small[kind])
    return Figure(
        f"the same p95, worst kind ({worst}), {LARGE:,} messages / {SMALL:,}",
        ", ".join(f"{kind} {1000 * p95:.2f} ms" for kind, p95 in large.items()),
        ", ".join(f"{kind} {1000 * p95:.2f} ms" for kind, p95 in small.items()),
        large[worst] / small[worst],
        1.5,
        False,
    )


def _queries(messages: int) -> dict[str, list[str]]:
    """Words as they occur in the archive, by rank of frequency."""
    from .russian import Speaker

    words = Speaker(random.Random(1)).words
    rng = random.Random(4)
    common, rare = words[30:400], words[2_000:20_000]
    pick = rng.choice
    return {
        "rare word": [pick(rare) for _ in range(SAMPLES)],
        "two words": [f"{pick(common)} {pick(common)}" for _ in range(SAMPLES)],
        "word form": [pick(common) for _ in range(SAMPLES)],
        "prefix": [f"{pick(common)[:5]}*" for _ in range(SAMPLES)],
        "substring": [f"*{pick(common)[1:6]}*" for _ in range(SAMPLES)],
    }


def _searches(messages: int) -> dict[str, float]:
    with servers.ours(home=searched_home(messages)) as server:
        found = {}
        for kind, queries in _queries(messages).items():
            requests = [servers.get_request(f"/api/search?limit=20&q={quote(query)}") for query in queries]
            load.run(server.port, iter(requests * 100).__next__, connections=1, seconds=0.5)
            found[kind] = load.run(server.port, iter(requests * 1000).__next__, connections=1, seconds=3).quantile(0.95)
        return found


def _bare_searches(messages: int) -> dict[str, float]:
    """What SQLite needs for the numbers of the newest 20 alone."""
    path = searched_home(messages) / "search.db"
    found = {}
    with closing(sqlite3.connect(path)) as database:
        for kind, queries in _queries(messages).items():
            times = []
            for query in queries * 2:
                table, match = _bare(kind, query)
                started = time.perf_counter()
                database.execute(
                    f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rowid DESC LIMIT 20", (match,)
                ).fetchall()
                times.append(time.perf_counter() - started)
            found[kind] = sorted(times)[int(0.95 * len(times))]
    return found


def _bare(kind: str, query: str) -> tuple[str, str]:
    if kind == "substring":
        part = query.strip("*")
        return "grams", " AND ".join(f'"{part[i : i + 3]}"' for i in range(len(part) - 2))
    if kind == "prefix":
        return "words", f'{{exact extra}} : "{query.strip("*")}" *'
    return "words", " AND ".join(f'{{stems extra}} : "{stem(word)}"' for word in query.split())


def _ours(more: str) -> bytes:
    return servers.get_request(f"/api/dialogs?limit=100{more}")


def _theirs(query: str) -> bytes:
    return servers.get_request(f"/dialogs/dialogs.json?{query}")


def _in_turn(mine: int, my: Requests, other: int, their: Requests, seconds: float) -> tuple[float, float]:
    rounds = [(_rate(mine, my, seconds / 2), _rate(other, their, seconds / 2)) for _ in range(3)]
    return statistics.median(rate for rate, _ in rounds), statistics.median(rate for _, rate in rounds)


def _rate(port: int, request: Requests, seconds: float) -> float:
    load.run(port, request, connections=CONNECTIONS, seconds=1)
    result = load.run(port, request, connections=CONNECTIONS, seconds=seconds)
    assert set(result.statuses) == {200}, result.statuses
    return result.rate


@contextmanager
def _datasette(directory: Path) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "datasette", "serve", "--port", str(port), str(directory / "dialogs.db")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _serves(port), timeout_s=30)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _serves(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/-/versions.json", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
