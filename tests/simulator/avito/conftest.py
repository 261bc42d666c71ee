"""An Avito per test, a shop on it, a plain caller of its API, and somebody who takes webhooks."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from python_bot.simulator.avito import AvitoServer, Buyer, Seller


class Reply(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def ok(self) -> Any:
        assert self.status == 200, self
        return self.body


class Api:
    """`api("GET", "/core/v1/accounts/self")`; `{u}` in a path is the shop's number. `body`: bytes, or JSON."""

    def __init__(self, avito: AvitoServer, shop: Seller) -> None:
        self.avito, self.shop = avito, shop
        self.token = self.ask_token().ok["access_token"]

    def ask_token(self, **changes: str) -> Reply:
        client_id, client_secret = self.shop.secrets
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret} | changes
        return self.send("POST", "/token", urlencode(form).encode(), "application/x-www-form-urlencoded", False)

    def __call__(self, verb: str, path: str, body: Any = None, **query: Any) -> Reply:
        path = path.replace("{u}", str(self.shop.user_id)) + (f"?{urlencode(query, True)}" if query else "")
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self.send(verb, path, raw)

    def upload(self, content: bytes, name: str = "uploadfile[]") -> Reply:
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'.encode()
        path = f"/messenger/v1/accounts/{self.shop.user_id}/uploadImages"
        return self.send("POST", path, head + content + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")

    def send(
        self, verb: str, path: str, body: bytes | None = None, kind: str = "application/json", auth: bool = True
    ) -> Reply:
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if auth else {})
        connection = http.client.HTTPConnection(self.avito.url.removeprefix("http://"), timeout=20)
        try:
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
            is_json = answer.headers.get_content_type() == "application/json" and raw
            return Reply(answer.status, json.loads(raw) if is_json else raw, dict(answer.headers.items()))
        finally:
            connection.close()


class Hook:
    """Takes webhooks; `status` and `sleep_s` are what it answers with and how long that takes."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status, self.sleep_s = 200, 0.0
        self.busy = self.most_at_once = 0
        self.lock = threading.Lock()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with hook.lock:
                    hook.bodies.append(body)
                    hook.busy += 1
                    hook.most_at_once = max(hook.busy, hook.most_at_once)
                time.sleep(hook.sleep_s)
                with hook.lock:
                    hook.busy -= 1
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/webhooks/avito/messages/7/secret"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def texts(self) -> list[str]:
        values = [body.get("payload", body).get("value", body.get("message")) for body in self.bodies]
        return [value["content"].get("text", value["type"]) for value in values]


@pytest.fixture
def avito() -> Iterator[AvitoServer]:
    with AvitoServer() as running:
        running.hooks.pause_s = 0.01
        yield running


@pytest.fixture
def shop(avito: AvitoServer) -> Seller:
    return avito.add_shop()


@pytest.fixture
def api(avito: AvitoServer, shop: Seller) -> Api:
    return Api(avito, shop)


@pytest.fixture
def ivan(shop: Seller) -> Buyer:
    return shop.buyer("Иван", shop.item("Велосипед горный"))


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()
