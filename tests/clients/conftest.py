"""A messenger, a bot and its client; and programs that other people's libraries run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from python_bot.simulator.telegram import Bot, Client, TelegramServer

FOLDER = Path(__file__).parent
PYTHON = Path(sys.prefix) / "clients" / "bin" / "python"


class Program:
    """One that goes on until a message of the client, or the end of its input, stops it."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), str(FOLDER / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def ask(self, told: Any) -> Any:
        """A line for a line, both JSON."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def finish(self) -> Any:
        """What it printed until its end, as JSON."""
        out, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, errors[-3000:]
        return json.loads(out)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if not PYTHON.exists():
        pytest.skip("./test.sh installs these libraries, into .venv/clients")


@pytest.fixture(scope="module")
def judge() -> Iterator[Any]:
    """aiogram's models: `judge({"updates": …, "calls": …})` gives the complaints."""
    program = Program("judge.py")
    yield program.ask
    program.kill()


@pytest.fixture
def run() -> Iterator[Any]:
    """`run("with_ptb.py", …)` starts a program of this folder."""
    started: list[Program] = []

    def start(name: str, *arguments: str) -> Program:
        started.append(Program(name, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    with TelegramServer(limits=False, retry_scale=0.01) as running:
        yield running


@pytest.fixture
def bot(telegram: TelegramServer) -> Bot:
    return telegram.add_bot("Bridge")


@pytest.fixture
def olga(telegram: TelegramServer, bot: Bot) -> Client:
    return telegram.client(bot, "Ольга", last_name="Тест", username="olga_t")
