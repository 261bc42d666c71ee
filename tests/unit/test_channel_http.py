"""HTTP to messengers over real sockets: what streams, what ends in time, and that no error holds a secret."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes

import pytest

from python_bot.channels.base import Content
from python_bot.channels.http import Call, Http
from python_bot.channels.multipart import Upload
from python_bot.errors import DeliveryFailed

TOKEN = "7000000001:AAsecretsecretsecret"


class _Messenger(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self._body()
        what = self.path.rsplit("/", 1)[-1]
        if what == "echo":
            seen = {"body": body.decode(), "type": self.headers["Content-Type"], "peer": self.client_address[1]}
            self._answer(200, json.dumps(seen).encode())
        elif what == "flood":
            self._answer(429, b'{"ok":false}', Retry_After="17")
        elif what == "page":
            self._answer(502, b"<html>")
        elif what == "silence":
            time.sleep(3)
        elif what == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            while not self.wfile.closed:
                self.wfile.write(b" ")
                time.sleep(0.1)
        elif what == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            self.close_connection = True

    def do_GET(self) -> None:
        if self.path.endswith("gone"):
            self._answer(404, b"")
        elif self.path.endswith("short"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            self.close_connection = True
        else:
            self._answer(200, b"x" * 300_000, Content_Type="image/png; q=1")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave in the middle are what this is for


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Messenger)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/bot{TOKEN}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def messenger(calls: list[Call]) -> Iterator[Http]:
    client = Http("Telegram", timeout_s=1.0, observe=calls.append)
    yield client
    client.close()


def test_a_call_has_its_answer_and_the_connection_is_kept(messenger: Http, base: str, calls: list[Call]) -> None:
    first = messenger.request("POST", f"{base}/echo", method="echo", payload={"text": "Привет"})
    second = messenger.request("POST", f"{base}/echo", method="echo", form={"a": "б"})
    assert (first.status, first.json["body"]) == (200, '{"text":"Привет"}')
    assert second.json["body"] == "a=%D0%B1"
    assert first.json["peer"] == second.json["peer"]
    assert [(call.method, call.host, call.status) for call in calls] == [("echo", "127.0.0.1", 200)] * 2


def test_lone_surrogates_are_no_reason_to_fail(messenger: Http, base: str) -> None:
    assert messenger.request("POST", f"{base}/echo", method="echo", payload={"text": "\ud83d"}).status == 200


@pytest.mark.parametrize(("what", "status", "pause"), [("flood", 429, 17.0), ("page", 502, None)])
def test_refusals_are_answers(messenger: Http, base: str, what: str, status: int, pause: float | None) -> None:
    answer = messenger.request("POST", f"{base}/{what}", method="sendMessage", payload={})
    assert (answer.status, answer.retry_after_s) == (status, pause)


@pytest.mark.parametrize("what", ["silence", "drip", "cut"])
def test_what_is_no_whole_answer_in_time_is_unreachable_and_tells_no_secret(
    messenger: Http, base: str, what: str, calls: list[Call]
) -> None:
    began = time.monotonic()
    with pytest.raises(DeliveryFailed) as caught:
        messenger.request("POST", f"{base}/{what}", method="sendMessage", payload={})
    assert time.monotonic() - began < 2
    assert caught.value.unreachable and not caught.value.final
    assert "secret" not in repr(caught.value) and caught.value.__cause__ is None and caught.value.__suppress_context__
    assert calls[-1].status is None and "secret" not in repr(calls)


def test_nobody_there_and_no_address_are_unreachable(messenger: Http) -> None:
    for url in (
        f"http://127.0.0.1:1/bot{TOKEN}/x",
        f"http://no-such-host.invalid/bot{TOKEN}/x",
        "http://127.0.0.1/a b",
    ):
        with pytest.raises(DeliveryFailed) as caught:
            messenger.request("GET", url, method="getMe")
        assert caught.value.unreachable and "secret" not in str(caught.value)


def test_a_long_poll_is_left_when_the_program_ends(messenger: Http, base: str) -> None:
    ending = threading.Event()
    timer = threading.Timer(0.2, ending.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match="the program ends"):
        messenger.request("POST", f"{base}/silence", method="p", payload={}, timeout_s=30, is_stopping=ending.is_set)
    assert time.monotonic() - began < 1
    timer.join()


@pytest.mark.parametrize("size", [4, None])
def test_files_are_uploaded_with_their_names_and_closed(messenger: Http, base: str, size: int | None) -> None:
    closed = []

    def blocks() -> Iterator[bytes]:
        try:
            yield b"\x01\x02"
            yield b"\x03\x04"
        finally:
            closed.append(True)

    file = Upload("photo", 'фото "1"\r\n.jpg', Content("image/jpeg", size, blocks()))
    answer = messenger.upload(f"{base}/echo", method="sendPhoto", fields={"caption": "это"}, files=[file])
    message = message_from_bytes(f"Content-Type: {answer.json['type']}\r\n\r\n{answer.json['body']}".encode())
    caption, photo = message.get_payload()
    assert caption.get_payload(decode=True).decode() == "это"
    assert photo.get_payload(decode=True) == b"\x01\x02\x03\x04"
    assert 'name="photo"; filename="фото %221%22  .jpg"' in answer.json["body"]
    assert photo.get_content_type() == "image/jpeg" and closed == [True]


@pytest.mark.parametrize("size", [3, 5])
def test_a_file_that_is_not_as_long_as_it_said_is_not_sent_half(messenger: Http, base: str, size: int) -> None:
    file = Upload("document", "a", Content("a/b", size, iter([b"1234"])))
    with pytest.raises(DeliveryFailed):
        messenger.upload(f"{base}/echo", method="sendDocument", fields={}, files=[file])


def test_what_the_source_of_a_file_raises_is_raised(messenger: Http, base: str) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"12"
        raise DeliveryFailed("the portal has no such file", final=True)

    file = Upload("document", "a", Content("a/b", None, blocks()))
    with pytest.raises(DeliveryFailed, match="no such file"):
        messenger.upload(f"{base}/echo", method="sendDocument", fields={}, files=[file])


def test_a_download_streams_and_says_what_it_is(messenger: Http, base: str) -> None:
    content = messenger.download(f"{base}/file", method="getFile")
    assert (content.type, content.size) == ("image/png", 300_000)
    blocks = list(content.blocks)
    assert sum(map(len, blocks)) == 300_000 and max(map(len, blocks)) <= 65_536


def test_a_download_that_fails_says_whether_it_ever_will_succeed(messenger: Http, base: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        messenger.download(f"{base}/gone", method="getFile")
    assert caught.value.final and caught.value.status == 404
    content = messenger.download(f"{base}/short", method="getFile")
    with pytest.raises(DeliveryFailed) as caught:
        list(content.blocks)
    assert caught.value.unreachable and "secret" not in str(caught.value)
