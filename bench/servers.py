"""Servers under measurement: our instance and the yardsticks, each a real Gunicorn in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from tests.support import TOKEN, Server, free_port, until, vector

ROOT = Path(__file__).parent.parent


class Yardstick:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port


@contextmanager
def yardstick(factory: str, home: Path, env: Mapping[str, str] | None = None) -> Iterator[Yardstick]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "python_bot/gunicorn_conf.py", f"bench.yardstick:{factory}()"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), "B24BOT_HOME": str(home), **(env or {})},
        start_new_session=True,
    )
    try:
        until(lambda: _answers(port), what=factory)
        yield Yardstick(process, port)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def ours(env: Mapping[str, str] | None = None, home: Path | None = None) -> Iterator[Server]:
    """An installed instance that calls nobody: the recorded portal is switched off by the DISABLED flag."""
    server = Server(env={"PYTHONWARNINGS": "", **(env or {})}, home=home)
    server.pretend_installed()
    (server.home / "DISABLED").touch()
    with server:
        yield server


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def event_requests(port: int, chats: int = 200) -> Iterator[bytes]:
    """The recorded 5 kB message event with a new message id each time, spread over `chats` dialogs."""
    body = vector("V4")
    head = (
        "POST /python_bot/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "User-Agent: Bitrix24 Webhook Engine\r\nContent-Length: {}\r\n\r\n"
    )
    number = 0
    while True:
        number += 1
        chat = str(100000 + number % chats).encode()
        payload = body.replace(b"=85833&", b"=%d&" % (1_000_000 + number)).replace(b"%5D=1763&", b"%%5D=%s&" % chat)
        payload = payload.replace(b"=chat1763&", b"=chat%s&" % chat).replace(b"%7C321%7C", b"%%7C%s%%7C" % chat)
        yield head.format(len(payload)).encode() + payload


def get_request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


def pss_mib(pid: int) -> float:
    """Proportional memory of a process and all its descendants, MiB."""
    total = 0
    for current in process_tree(pid):
        for line in Path(f"/proc/{current}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        for task in Path(f"/proc/{current}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return found
