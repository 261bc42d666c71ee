"""A portal per test, somebody who receives its events, and a plain HTTP caller."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import pytest
from b24pysdk.credentials import OAuthEventData

from python_bot.simulator import App, Message, SimulatedPortal


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    raw: str
    form: dict[str, str]  # flat: "data[PARAMS][MESSAGE]" -> text

    @property
    def event(self) -> str:
        return self.form.get("event", "")

    @property
    def keys(self) -> set[str]:
        return set(self.form)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # the queue opens many connections at once


class Receiver:
    """The application's handler: takes every POST and answers 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.before_answer = lambda received: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(parse_qsl(raw, keep_blank_values=True))
                received = Received(self.path, dict(self.headers.items()), raw, form)
                receiver.before_answer(received)
                receiver.received.append(received)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                body = "файл".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/acme/python_bot/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, event: str) -> list[Received]:
        return [received for received in self.received if received.event == event]


class Reply(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def result(self) -> Any:
        assert self.status == 200, self.body
        return self.body["result"]

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.body["error"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def http(url: str, body: bytes | None = None, kind: str = "application/x-www-form-urlencoded", **headers: str) -> Reply:
    sent = {"Content-Type": kind} if body is not None else {}
    request = urllib.request.Request(url, body, sent | headers)
    try:
        with _opener.open(request, timeout=10) as response:
            status, raw, got = response.status, response.read(), dict(response.headers.items())
    except urllib.error.HTTPError as error:
        with error:
            status, raw, got = error.code, error.read(), dict(error.headers.items())
    is_json = got.get("Content-Type", "").startswith("application/json")
    return Reply(status, json.loads(raw) if is_json else raw, got)


class Bitrix:
    """Calls of one application in the name of one user."""

    def __init__(self, portal: SimulatedPortal, app: App, user_id: int = 1) -> None:
        self.portal, self.app, self.user_id = portal, app, user_id
        self.token = app.access_token(user_id)

    def __call__(self, method: str, **params: Any) -> Reply:
        body = json.dumps({"auth": self.token, **params}).encode()
        return http(self.portal.rest_url + method, body, "application/json")

    def register(self, **changes: Any) -> Reply:
        params = {
            "CODE": "archive_acme",
            "TYPE": "O",
            "EVENT_HANDLER": self.app.handler_url,
            "PROPERTIES": {"NAME": "Архивариус"},
        }
        return self("imbot.register", **(params | changes))

    def attach(self, bot_id: int, **changes: Any) -> None:
        fields = {
            "WELCOME_BOT_ENABLE": "Y",
            "WELCOME_BOT_ID": bot_id,
            "WELCOME_BOT_JOIN": "always",
            "WELCOME_BOT_TIME": 60,
            "WELCOME_BOT_LEFT": "close",
        }
        assert self("imopenlines.config.update", CONFIG_ID=3, PARAMS=fields | changes).result is True

    def hand_over(self, message: Message) -> Reply:
        return self("imopenlines.bot.session.operator", CHAT_ID=message.chat_id)


def form(**params: Any) -> bytes:
    return urlencode(params).encode()


@pytest.fixture
def portal() -> Iterator[SimulatedPortal]:
    with SimulatedPortal() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes the events of a test; afterwards the parser of the official SDK must have accepted every one of them."""
    receiver = Receiver()
    yield receiver
    receiver.close()
    for received in receiver.received:
        assert OAuthEventData.from_dict(received.form).event == received.event


@pytest.fixture
def app(portal: SimulatedPortal, receiver: Receiver) -> App:
    return portal.install_app(receiver.url, scopes=("imbot", "imopenlines", "im", "disk", "user"), send=False)


@pytest.fixture
def b24(portal: SimulatedPortal, app: App) -> Bitrix:
    """The application in the name of the administrator."""
    return Bitrix(portal, app)


@pytest.fixture
def bot(b24: Bitrix) -> int:
    """A registered bot, attached to line 3, that stays until the session ends."""
    bot_id = b24.register().result
    b24.attach(bot_id)
    return int(bot_id)


@pytest.fixture
def helpers() -> Any:
    """`helpers.http`, `helpers.form`, `helpers.Bitrix`, `helpers.Receiver` for the tests."""

    class Helpers:
        pass

    found = Helpers()
    found.__dict__.update(http=http, form=form, Bitrix=Bitrix, Receiver=Receiver)
    return found
