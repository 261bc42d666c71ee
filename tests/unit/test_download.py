"""The downloader against a socket that says whatever a test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from python_bot.attachments.download import GRACE_S, MAX_REDIRECTS, Downloader
from python_bot.attachments.links import Link, LinkRefused
from python_bot.bitrix.hosts import HostPolicy
from python_bot.errors import FileUnavailable, PortalError, PortalUnavailable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Disposition: attachment\r\n"


@contextmanager
def portal(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Gives each connection the next answer and closes it. Its URL, and the requests that it read."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join(5)


def fetch(
    *answers: bytes, expected: int = 0, clock: Callable[[], float] = lambda: 0.0, path: str = "/x?token=SECRET"
) -> tuple[bytes | PortalError, list[bytes]]:
    """The content or the error, and what the portal heard."""
    with portal(*answers) as (url, heard):
        downloader = Downloader(HostPolicy(url), read_timeout_s=2.0, clock=clock)
        parts: list[bytes] = []
        try:
            size = downloader.fetch(Link("way", url + path), f"{url}/rest/", expected, parts.append)
            assert size == sum(map(len, parts))
            return b"".join(parts), heard
        except PortalError as error:
            assert "SECRET" not in f"{error} {error.next_step} {error!r}"
            return error, heard
        finally:
            downloader.close()


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_content_of_known_and_of_unknown_length() -> None:
    assert fetch(HEAD + b"Content-Length: 5\r\n\r\nhello", expected=5)[0] == b"hello"
    assert fetch(HEAD + b"\r\nhello")[0] == b"hello"
    assert (
        fetch(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", expected=5)[0] == b"hello"
    )


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 9\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_cut_content_is_noticed_also_when_its_size_is_unknown(answer: bytes) -> None:
    found, _ = fetch(answer)
    assert type(found) is FileUnavailable and "cut" in str(found) and not found.final


def test_another_length_than_the_portals_is_refused() -> None:
    for answer in (HEAD + b"\r\nhello", HEAD + b"Content-Length: 5\r\n\r\nhello"):
        found, _ = fetch(answer, expected=6)
        assert type(found) is FileUnavailable and "instead of 6" in str(found)


@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"application/json"])
@pytest.mark.parametrize("expected", [0, 500])
def test_a_page_under_200_is_no_file(kind: bytes, expected: int) -> None:
    found, _ = fetch(
        b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: 2\r\n\r\n{}", expected=expected
    )
    assert isinstance(found, LinkRefused)


def test_an_attached_page_of_the_right_size_is_a_file() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>"
    assert fetch(answer, expected=4)[0] == b"<p/>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, LinkRefused) for status in (401, 404, 206, 302)), (429, PortalUnavailable), (503, PortalUnavailable)],
)
def test_what_a_status_means(status: int, kind: type[PortalError]) -> None:
    found, _ = fetch(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
    assert type(found) is kind and str(status) in str(found)


def test_a_redirect_may_be_relative_and_is_bounded() -> None:
    found, heard = fetch(redirect("/there?token=2"), HEAD + b"Content-Length: 2\r\n\r\nok")
    assert found == b"ok" and heard[1].startswith(b"GET /there?token=2 ")
    found, heard = fetch(*[redirect("/again")] * (MAX_REDIRECTS + 1))
    assert isinstance(found, LinkRefused) and len(heard) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "location",
    ["http://10.0.0.1/x?token=SECRET", "http://169.254.169.254/", "https://evil.example/SECRET", "file:///etc/passwd",
     "http://localhost:1/", "//evil.example/", "https://user:SECRET@127.0.0.1/", "gopher://x"],
)  # fmt: skip
def test_a_redirect_elsewhere_is_not_followed(location: str) -> None:
    found, _ = fetch(redirect(location))
    assert isinstance(found, LinkRefused) and "not permitted" in str(found)


def test_whoever_trickles_is_left() -> None:
    moments = iter([0.0, GRACE_S + 1])
    found, _ = fetch(HEAD + b"Content-Length: 5\r\n\r\nhello", clock=lambda: next(moments))
    assert type(found) is FileUnavailable and "too slow" in str(found)


def test_nobody_there_is_the_portals_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(PortalUnavailable) as caught:
        Downloader(HostPolicy(url)).fetch(Link("way", f"{url}/SECRET"), url, 0, lambda part: None)
    assert "SECRET" not in str(caught.value)


def test_a_stopping_instance_ends_its_downloads() -> None:
    with portal(HEAD + b"Content-Length: 5\r\n\r\nhello") as (url, _):
        downloader = Downloader(HostPolicy(url))
        downloader.stop()
        with pytest.raises(PortalUnavailable, match="stopping"):
            downloader.fetch(Link("way", f"{url}/x"), url, 0, lambda part: None)
        downloader.close()
