"""The figures. Each takes the length of a measurement in seconds and returns what was seen."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from python_bot.simulator import SimulatedPortal
from tests.support import Server, until

from . import (
    channel_figures,
    disk,
    export_figures,
    load,
    machines,
    page_figures,
    reading_figures,
    servers,
    sync_figures,
)
from .figure import Figure

CONNECTIONS: Final = 16


def acknowledgements(seconds: float) -> Figure:
    mine, other = _paired(seconds, "nothing", {})
    return Figure(
        "durable acknowledgements/s, 16 connections, 5 kB body / Flask that parses and does nothing",
        f"{mine.rate:.0f}/s, p99 {1000 * mine.quantile(0.99):.0f} ms",
        f"{other.rate:.0f}/s, p99 {1000 * other.quantile(0.99):.0f} ms",
        mine.rate / other.rate,
        0.6,
        True,
    )


def slow_disk(seconds: float) -> Figure:
    with _slow_fsync() as env:
        mine, other = _paired(seconds, "one_commit", env)
    return Figure(
        "the same with 10 ms added to every fsync / one commit per request",
        f"{mine.rate:.0f}/s",
        f"{other.rate:.0f}/s",
        mine.rate / other.rate,
        5.0,
        True,
    )


def calm_tail(seconds: float) -> Figure:
    mine, other = _paired(seconds, "nothing", {}, rate=100)
    return Figure(
        "p99 of the acknowledgement at 100 events/s / Flask that does nothing",
        f"{1000 * mine.quantile(0.99):.2f} ms",
        f"{1000 * other.quantile(0.99):.2f} ms",
        mine.quantile(0.99) / other.quantile(0.99),
        3.0,
        False,
    )


def _paired(seconds: float, factory: str, env: dict[str, str], rate: float = 0) -> tuple[load.Result, load.Result]:
    """Ours and the yardstick in turn, three rounds each; the round with the median rate (or tail) of each."""
    mine: list[load.Result] = []
    other: list[load.Result] = []
    for _ in range(3):
        with servers.ours(env) as server:
            mine.append(_load_events(server.port, seconds, rate))
        with tempfile.TemporaryDirectory() as home, servers.yardstick(factory, Path(home), env) as stick:
            other.append(_load_events(stick.port, seconds, rate))
    key: Callable[[load.Result], float] = (lambda r: r.quantile(0.99)) if rate else (lambda r: r.rate)
    return sorted(mine, key=key)[1], sorted(other, key=key)[1]


def _load_events(port: int, seconds: float, rate: float) -> load.Result:
    requests = servers.event_requests(port)
    load.run(port, lambda: next(requests), connections=CONNECTIONS, seconds=min(1.0, seconds / 3), rate=rate)
    result = load.run(port, lambda: next(requests), connections=CONNECTIONS, seconds=seconds, rate=rate)
    assert set(result.statuses) == {200}, result.statuses
    return result


@contextmanager
def _slow_fsync() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "slow_fsync.so"
        source = Path(__file__).parent / "slow_fsync.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        yield {"LD_PRELOAD": str(library)}


def handover_leaves(seconds: float) -> Figure:
    """Dialogs one after the other, slower than the pace: from the portal's sending of the event, which is before
    our 200, to the arrival of the call there."""
    with SimulatedPortal(limits=True) as portal, Server(portal) as server:
        server.install()
        delays: list[float] = []
        for number in range(max(10, int(seconds * 2))):
            client = portal.client(f"Клиент {number}", connector="telegrambot", line=3, external_id=str(1000 + number))
            chat_id = client.writes("Добрый день!").chat_id
            until(lambda c=chat_id: portal.handed_over(c))  # type: ignore[misc]  # no type is inferred for a lambda's default
            portal.wait_quiet()
            sent = min(d.at for d in portal.deliveries if d.chat_id == chat_id)
            left = portal.calls_of("imopenlines.bot.session.operator")[-1].at
            delays.append(left - sent)
            time.sleep(0.55)
    value = 1000 * statistics.median(delays)
    return Figure("event accepted → hand-over call leaves, median ms", f"{value:.1f} ms", "–", value, 30.0, False)


def burst(seconds: float) -> Figure:
    """200 dialogs within one second, portal answers after 150 ms, its real limits."""
    with SimulatedPortal(limits=True, latency_s=0.15) as portal, Server(portal) as server:
        server.install()
        time.sleep(5)  # the pace's burst is whole again after the set-up
        clients = [
            portal.client(f"Клиент {i}", connector="telegrambot", line=3, external_id=str(i)) for i in range(200)
        ]
        started = time.monotonic()
        chats = []
        for client in clients:
            chats.append(client.writes("Добрый день!").chat_id)
            time.sleep(0.002)
        until(lambda: all(portal.handed_over(c) for c in chats), timeout_s=120)
        took = time.monotonic() - started
        refused = sum(1 for call in portal.calls if call.status == 503)
        naive = _naive_seconds_per_dialog(portal)
    return Figure(
        f"200 dialogs in one second handed over, seconds (refused requests: {refused})",
        f"{took:.1f} s",
        f"one call per dialog at 2/s: {200 * naive:.0f} s",
        took if not refused else float("inf"),
        8.0,
        False,
    )


def _naive_seconds_per_dialog(portal: SimulatedPortal) -> float:
    """One call after the other at 2/s against the same portal, over 10 calls."""
    from urllib.request import Request, urlopen

    app = next(iter(portal.core.apps.values()))
    token = portal.issue_tokens(app, 1).access_token
    started = time.monotonic()
    for number in range(10):
        turn = started + number * 0.5
        time.sleep(max(0.0, turn - time.monotonic()))
        request = Request(f"{portal.rest_url}server.time", data=f"auth={token}".encode())
        with urlopen(request, timeout=10) as answer:
            answer.read()
    return max(0.5, (time.monotonic() - started) / 10)


def idle_memory(seconds: float) -> Figure:
    with tempfile.TemporaryDirectory() as home, servers.yardstick("hello", Path(home)) as stick:
        time.sleep(2)
        bare = servers.pss_mib(stick.process.pid)
    with SimulatedPortal() as portal, Server(portal, env={"PYTHONWARNINGS": ""}) as server:
        server.install()
        portal.client("Анна", connector="telegrambot", line=3, external_id="1").writes("Добрый день!")
        until(lambda: server.messages(), what="the message is archived")
        time.sleep(3)
        assert server.process is not None
        mine = servers.pss_mib(server.process.pid)
    return Figure(
        "memory of an idle instance, PSS of all its processes / bare Flask + Gunicorn",
        f"{mine:.1f} MiB",
        f"{bare:.1f} MiB",
        mine / bare,
        1.4,
        False,
    )


FIGURES: Final[dict[str, Callable[[float], Figure]]] = {
    "acknowledgements": acknowledgements,
    "slow_disk": slow_disk,
    "calm_tail": calm_tail,
    "handover_leaves": handover_leaves,
    "burst": burst,
    "idle_memory": idle_memory,
    "lists": reading_figures.lists,
    "lists_growth": reading_figures.lists_growth,
    "searching": reading_figures.searching,
    "searching_growth": reading_figures.searching_growth,
    "pages": page_figures.pages,
    "reconciling": sync_figures.reconciling,
    "catch_up": sync_figures.catch_up,
    "export_rows": export_figures.export_rows,
    "export_memory": export_figures.export_memory,
    "intake_beside_export": export_figures.intake_beside_export,
    "disk": disk.disk,
    "telegram_in": channel_figures.telegram_in,
    "telegram_out": channel_figures.telegram_out,
    "telegram_memory": channel_figures.telegram_memory,
    "first_instance": machines.first_instance,
    "next_instance": machines.next_instance,
    "many_memory": machines.many_memory,
    "many_disk": machines.many_disk,
}
