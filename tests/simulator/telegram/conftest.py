"""A messenger per test, a bot in it, and a plain caller of the Bot API."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from python_bot.simulator.telegram import Bot, Client, TelegramServer


class Reply(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def result(self) -> Any:
        assert self.status == 200, self.body
        return self.body["result"]

    @property
    def refusal(self) -> tuple[int, str]:
        assert self.status == self.body["error_code"], self.body
        return self.status, self.body["description"]


class Api:
    """`api("sendMessage", chat_id=1, text="x")`: parameters as JSON; `files` make it multipart."""

    def __init__(self, telegram: TelegramServer, token: str) -> None:
        self.telegram, self.token = telegram, token

    def __call__(self, method: str, /, files: dict[str, tuple[str, bytes, str]] | None = None, **params: Any) -> Reply:
        if files is None:
            return self.send(method, json.dumps(params).encode(), "application/json")
        mark = "boundary42"
        body = b""
        for name, value in params.items():
            text = value if isinstance(value, str) else json.dumps(value)
            body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, (file_name, content, kind) in files.items():
            head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
            body += f"{head}Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
        return self.send(method, body + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}")

    def send(self, method: str, body: bytes | None = None, kind: str = "", verb: str = "POST") -> Reply:
        status, raw, headers = self.get(f"/bot{self.token}/{method}", body, kind, verb)
        return Reply(status, json.loads(raw), headers)

    def get(
        self, path: str, body: bytes | None = None, kind: str = "", verb: str = "GET"
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.telegram.url.removeprefix("http://"), timeout=20)
        try:
            connection.request(verb, path, body, {"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.headers.items())
        finally:
            connection.close()


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    with TelegramServer(retry_scale=0.01) as running:
        yield running


@pytest.fixture
def still(telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands, but for `telegram.clock.advance`: a slow machine changes no count."""
    clock, began = telegram.clock, time.time()
    monkeypatch.setattr(clock, "now", lambda: began + clock._ahead_s)


@pytest.fixture
def bot(telegram: TelegramServer) -> Bot:
    return telegram.add_bot("Bridge")


@pytest.fixture
def api(telegram: TelegramServer, bot: Bot) -> Api:
    return Api(telegram, bot.token)


@pytest.fixture
def olga(telegram: TelegramServer, bot: Bot) -> Client:
    return telegram.client(bot, "Ольга", last_name="Тест", username="olga_t")
