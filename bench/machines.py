"""Figures of a server: a booted Debian 12 with systemd and nginx, as the tests in `tests/e2e` boot it.

Packages and wheels are there before the clock starts, and there is no network: only our own work is measured.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from tests.e2e import trees
from tests.e2e.acting import create, get, setup, until
from tests.e2e.debian import Machine
from tests.e2e.trees import WHEELS

from .figure import Figure, Skipped

COUNTS: Final = (1, 10, 50)

# Everyone's processes whose command line holds the word given, in KiB of PSS.
PSS: Final = """
import pathlib, sys
total = 0
for process in pathlib.Path('/proc').glob('[0-9]*'):
    try:
        if sys.argv[1] in (process / 'cmdline').read_text() and process.name != str(__import__('os').getpid()):
            rows = (process / 'smaps_rollup').read_text().splitlines()
            total += sum(int(row.split()[1]) for row in rows if row.startswith('Pss:'))
    except OSError:
        pass
print(total)
"""
BARE: Final = """
from flask import Flask

app = Flask(__name__)


@app.get("/healthz")
def healthz() -> str:
    return "hello"
"""
BARE_PORT: Final = 30000
RELEASE: Final = "/opt/b24bot/current"
PLACES: Final = ("/opt/b24bot", "/var/www", "/etc/b24bot", "/etc/nginx", "/etc/systemd")


def first_instance(seconds: float) -> Figure:
    """From the checkout to the first answer, three rounds on fresh machines; in turn, what pip alone takes there."""
    mine, other = [], []
    with _layers() as (packages, _):
        for _ in range(3):
            with Machine(packages) as machine:
                trees.put_checkout(machine.root)
                flags = ("--instance", "shop-1", "--domain", "bots.example.ru", "--yes")
                mine.append(setup(machine, *flags, env=WHEELS).seconds)
                _answers(machine, "shop-1")
            with Machine(packages) as machine:
                other.append(_venv(machine, "/opt/bare"))
    ours, bare = statistics.median(mine), statistics.median(other)
    what = "setup_multi.sh from the checkout to the first instance that answers / venv + pip install of the same wheels"
    return Figure(what, f"{ours:.1f} s", f"{bare:.1f} s", ours / bare, 2.0, False)


def next_instance(seconds: float) -> Figure:
    """The median of five further instances on a server that has one."""
    with _layers() as (_, product), Machine(product) as machine:
        created = [create(machine, f"shop-{number}").seconds for number in range(1, 7)]
        _answers(machine, "shop-6")
        bare = _venv(machine, "/opt/bare")
    value = statistics.median(created[1:])
    what = "`botctl … create` of a further instance until it answers, seconds"
    return Figure(what, f"{value:.2f} s", f"a venv of its own, with pip: {bare:.1f} s", value, 5.0, False)


def many_memory(seconds: float) -> Figure:
    """Created and asked once, installed in no portal. The yardstick is as many processes, of the same interpreter."""
    with _layers() as (_, product):
        with Machine(product) as machine:
            mine = {count: _pss(machine, "python_bot.app") for count in _grow(machine)}
        with Machine(product) as machine:
            bare = {count: _pss(machine, "bare:app") for count in _grow_bare(machine)}
    what = f"memory of {_list(COUNTS)} idle instances, PSS of all their processes / as many bare Flask + Gunicorn"
    worst = max(mine[count] / bare[count] for count in COUNTS)
    return Figure(what, _mib(mine), _mib(bare), worst, 1.4, False)


def many_disk(seconds: float) -> Figure:
    """All that is on the disk because of us. The yardstick is a venv with the requirements for each instance."""
    with _layers() as (packages, product):
        with Machine(packages) as machine:
            before = _disk(machine, *PLACES)
            _venv(machine, "/opt/bare")
            bare = _disk(machine, "/opt/bare")
        with Machine(product) as machine:
            mine = {count: _disk(machine, *PLACES) - before for count in _grow(machine)}
    what = f"disk of {_list(COUNTS)} idle instances / a venv with the requirements for each of {COUNTS[-1]}"
    each = (mine[COUNTS[-1]] - mine[COUNTS[0]]) / (COUNTS[-1] - COUNTS[0])
    ours = f"{_mib(mine)}; {1024 * each:.0f} KiB for each further one"
    return Figure(what, ours, f"{bare:.1f} MiB each", mine[COUNTS[-1]] / (COUNTS[-1] * bare), 0.05, False)


# --- machines ----------------------------------------------------------------------------------------------------


@contextmanager
def _layers() -> Iterator[tuple[list[Path], list[Path]]]:
    """A Debian with the packages, and one with the product as well."""
    if missing := trees.what_is_missing():
        raise Skipped(missing)
    with tempfile.TemporaryDirectory(prefix="b24bot-bench-", dir="/var/tmp") as directory:
        product = trees.with_product("bookworm", Path(directory) / "product")
        yield product[1:], product


def _grow(machine: Machine) -> Iterator[int]:
    """Yields each of COUNTS when so many instances run and have answered."""
    running = 0
    for count in COUNTS:
        for number in range(running, count):
            create(machine, f"shop-{number}")
            _answers(machine, f"shop-{number}")
        running = count
        yield count


def _grow_bare(machine: Machine) -> Iterator[int]:
    machine.write("/opt/bare.py", BARE)
    running = 0
    for count in COUNTS:
        for port in range(BARE_PORT + running, BARE_PORT + count):
            options = (f"--unit=bare-{port}", "--working-directory=/opt", f"--setenv=PORT={port}", "--quiet")
            settings = f"{RELEASE}/python_bot/gunicorn_conf.py"
            machine(
                "systemd-run", *options, f"{RELEASE}/.venv/bin/python", "-m", "gunicorn", "-c", settings, "bare:app"
            )
        for port in range(BARE_PORT + running, BARE_PORT + count):
            until(partial(_bare_answers, machine, port), what="the bare server")
        running = count
        yield count


def _answers(machine: Machine, name: str) -> None:
    status, body = get(machine, f"/{name}/healthz")
    assert status == 200, body


def _bare_answers(machine: Machine, port: int) -> bool:
    script = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/healthz', timeout=5).read()"
    return machine("python3", "-c", script, check=False).code == 0


def _venv(machine: Machine, path: str) -> float:
    """Seconds that a venv with the requirements takes."""
    pip = f"{path}/bin/pip -q install --disable-pip-version-check --require-hashes --only-binary=:all: -r"
    requirements = f"{trees.CHECKOUT}/requirements.txt"
    if not machine.path(requirements).exists():
        trees.put_checkout(machine.root)
    return machine("sh", "-c", f"python3 -m venv {path} && {pip} {requirements}", env=WHEELS).seconds


def _pss(machine: Machine, word: str) -> float:
    return int(machine("python3", "-c", PSS, word).out) / 1024


def _disk(machine: Machine, *places: str) -> float:
    """MiB of the blocks below the places that exist."""
    found = machine("sh", "-c", f"du -skc {' '.join(places)} 2>/dev/null | tail -n 1").out
    return int(found.split()[0]) / 1024


def _list(counts: tuple[int, ...]) -> str:
    return f"{', '.join(str(count) for count in counts[:-1])} and {counts[-1]}"


def _mib(found: dict[int, float]) -> str:
    return ", ".join(f"{count}: {mib:.1f} MiB" for count, mib in found.items())
