"""One call over real sockets: TLS for the right name, no proxy, no redirect, an end in time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from python_bot.errors import DeliveryFailed
from python_bot.subscriptions.guard import Guard
from python_bot.subscriptions.sender import Sender

NAME = "crm.example.ru"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Listener:
    """Takes one connection after another; `answer` gets the connection after a request with the body {} was read."""

    def __init__(self, answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self._answer, self._tls = answer, tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                connection.settimeout(10)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                with connection:
                    head = b""
                    while not head.endswith(b"{}") and (part := connection.recv(65536)):
                        head += part
                    self.heads.append(head)
                    self._answer(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def listening(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    listener = Listener(answer, tls)
    try:
        yield listener
    finally:
        listener.close()


def says(content: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(content)


def sender(**more: object) -> Sender:
    """To this machine, under whatever name."""
    return Sender(Guard([NAME, "other.example.ru"], lambda host, port: ["127.0.0.1"]), **more)  # type: ignore[arg-type]  # passed through


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of its own authority for NAME, and its key."""
    home = tmp_path_factory.mktemp("tls")
    files = home / "cert.pem", home / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(command, check=True, capture_output=True)
    return files


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, list[str | None]]:
    """A server's context, and the names that it was asked for."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = lambda connection, name, own: names.append(name)
    return context, names


def test_a_certificate_must_be_good_for_the_name_although_an_address_is_called(
    server_tls: tuple[ssl.SSLContext, list[str | None]], certificate: tuple[Path, Path]
) -> None:
    context, names = server_tls
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with listening(says(OK), context) as listener:
        assert sender(tls=trusting).post(f"https://{NAME}:{listener.port}/a?b=c", b"{}", {"X-A": "1"}).status == 204
        assert names == [NAME]
        head = listener.heads[0].decode()
        assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
        assert f"Host: {NAME}:{listener.port}\r\n" in head
        assert head.count("Host:") == 1
        with pytest.raises(DeliveryFailed, match=r"other\.example\.ru is not to be trusted") as caught:
            sender(tls=trusting).post(f"https://other.example.ru:{listener.port}/", b"{}", {})
        assert caught.value.unreachable
        with pytest.raises(DeliveryFailed, match="not to be trusted"):
            sender().post(f"https://{NAME}:{listener.port}/", b"{}", {})
        assert len(listener.heads) == 1


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(says(OK)) as proxy, listening(says(OK)) as listener:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        sender().post(f"http://{NAME}:{listener.port}/", b"{}", {})
        assert (len(listener.heads), proxy.heads) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_that_is_explained(status: int) -> None:
    with listening(says(OK)) as elsewhere:
        location = f"Location: http://{NAME}:{elsewhere.port}/\r\n".encode()
        with listening(says(b"HTTP/1.1 %d Moved\r\nContent-Length: 0\r\n%s\r\n" % (status, location))) as listener:
            with pytest.raises(DeliveryFailed, match="redirects are not followed") as caught:
                sender().post(f"http://{NAME}:{listener.port}/", b"{}", {})
            assert (caught.value.status, caught.value.unreachable) == (status, False)
        assert elsewhere.heads == []


@pytest.mark.parametrize(
    ("answer", "words", "is_unreachable"),
    [
        (b"", "no HTTP", True),
        (b"hello\r\n\r\n", "no HTTP", True),
        (b"HTTP/1.1 abc\r\n\r\n", "no HTTP", True),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", "no HTTP", True),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "no HTTP", True),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP 500", False),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "HTTP 404", False),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "HTTP 503", True),
        (b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", "HTTP 429", True),
    ],
)
def test_an_answer_that_is_none_is_a_failure(answer: bytes, words: str, is_unreachable: bool) -> None:
    with listening(says(answer)) as listener, pytest.raises(DeliveryFailed, match=words) as caught:
        sender().post(f"http://{NAME}:{listener.port}/secret?key=word", b"{}", {})
    assert caught.value.unreachable == is_unreachable
    assert "secret" not in str(caught.value)
    assert caught.value.retry_after_s == (7.0 if b"429" in answer else None)


def test_gone_is_final() -> None:
    with listening(says(b"HTTP/1.1 410 Gone\r\n\r\n")) as listener, pytest.raises(DeliveryFailed) as caught:
        sender().post(f"http://{NAME}:{listener.port}/", b"{}", {})
    assert caught.value.final


def test_the_first_address_that_answers_is_taken() -> None:
    with listening(says(OK)) as listener:
        guard = Guard([NAME], lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert Sender(guard).post(f"http://{NAME}:{listener.port}/", b"{}", {}).status == 204


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("drips", [False, True])
def test_whoever_keeps_us_waiting_is_cut_off(part: bytes, drips: bool) -> None:
    over = threading.Event()

    def holds(connection: socket.socket) -> None:
        connection.sendall(part)
        while not over.wait(0.05):
            if drips:
                connection.sendall(b"x" if part.startswith(b"HTTP/1.1 200 OK") else part or b"H")

    with listening(holds) as listener:
        with pytest.raises(DeliveryFailed, match="in time"):
            sender(timeout_s=0.4).post(f"http://{NAME}:{listener.port}/", b"{}", {})
        over.set()


def test_a_handshake_that_hangs_is_cut_off() -> None:
    over = threading.Event()

    def holds(connection: socket.socket) -> None:
        over.wait(30)

    with listening(holds) as listener:
        with pytest.raises(DeliveryFailed, match="in time"):
            sender(timeout_s=0.4).post(f"https://{NAME}:{listener.port}/", b"{}", {})
        over.set()


def test_calls_under_way_are_cut_when_the_instance_ends() -> None:
    over, begun = threading.Event(), threading.Event()

    def holds(connection: socket.socket) -> None:
        begun.set()
        over.wait(30)

    with listening(holds) as listener:
        calling = sender()
        failures: list[str] = []

        def call() -> None:
            try:
                calling.post(f"http://{NAME}:{listener.port}/", b"{}", {})
            except DeliveryFailed as error:
                failures.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        assert begun.wait(10)
        calling.stop()
        thread.join(5)
        assert failures == ["no whole answer in time"]
        over.set()
