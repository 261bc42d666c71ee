"""One file over HTTP, in parts of constant size. No URL ever reaches an error or a log: it carries a token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, IncompleteRead, ProtocolError, ReadTimeoutError

from ..bitrix.hosts import HostPolicy, origin
from ..errors import FileUnavailable, PortalUnavailable
from ..values import dataclass
from .links import Link, LinkRefused

PART_BYTES: Final = 128 * 1024
MAX_REDIRECTS: Final = 5
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
SLOWEST_BYTES_PER_S: Final = 16 * 1024  # whoever sends less, after a while, only holds the thread
GRACE_S: Final = 60.0

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PAGES: Final = ("text/html", "application/json")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One request for a content, until its answer began. `status`: None when none came; `failure` names the reason."""

    url: str
    status: int | None
    failure: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A content on its way. `size`: in bytes, None when nobody says. `parts` raises as `Downloader.fetch` does."""

    size: int | None
    parts: Iterator[bytes]
    close: Callable[[], None]


class Downloader:
    """Safe for several threads. `stop` ends what runs at its next part. `observe`: told of every request."""

    def __init__(
        self,
        policy: HostPolicy,
        *,
        read_timeout_s: float = READ_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[Fetched], None] = lambda fetched: None,
    ) -> None:
        self._policy = policy
        self._observe = observe
        self._clock = clock
        self._stopped = threading.Event()
        self._pool = urllib3.PoolManager(
            maxsize=2,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
            headers={"User-Agent": "b24bot", "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._pool.clear()

    def fetch(self, link: Link, portal_url: str, expected: int, write: Callable[[bytes], None]) -> int:
        """Hand the content to `write`, part by part; returns its length. `expected`: in bytes, 0 when unknown.

        Raises LinkRefused (another way may do), FileUnavailable (cut, or another length), PortalUnavailable.
        """
        received = 0
        with closing(self.open(link, portal_url, expected)) as opened:
            for part in opened.parts:
                received += len(part)
                write(part)
        if expected and received != expected:
            raise FileUnavailable(f"{received} bytes came instead of {expected}")
        return received

    def open(self, link: Link, portal_url: str, expected: int) -> Opened:
        """The content, to be read part by part and closed. Raises as `fetch` does."""
        response = self._open(link.url, portal_url)
        try:
            length = _length(response)
            if expected and length not in (None, expected):
                raise _page_or(response, f"the portal announces {length} bytes instead of {expected}")
            if not expected and _is_page(response):
                raise _page_or(response, "")
        except BaseException:
            response.close()
            raise
        return Opened(length, self._parts(response), response.close)

    def _open(self, url: str, portal_url: str) -> urllib3.BaseHTTPResponse:
        """The answer that holds the content, after redirects to permitted hosts."""
        current = urljoin(portal_url, url)
        for _ in range(MAX_REDIRECTS + 1):
            permitted = self._policy.download_url(current, portal_url)
            if not permitted:
                raise LinkRefused(
                    f"the file lies on {_host(current)}, which is not permitted",
                    next_step="add the host to B24BOT_FILE_HOSTS if it is the portal's",
                )
            response = self._ask(permitted)
            location = response.headers.get("Location", "")
            if response.status == 200:
                return response
            response.close()
            if response.status in _REDIRECTS and location:
                current = urljoin(permitted, location)
                continue
            if response.status == 429 or response.status >= 500:
                raise PortalUnavailable(f"a download was answered HTTP {response.status}")
            raise LinkRefused(f"the link was answered HTTP {response.status}")
        raise LinkRefused(f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: str) -> urllib3.BaseHTTPResponse:
        began = time.monotonic()
        try:
            response = self._pool.request("GET", url, redirect=False, preload_content=False)
        except (HTTPError, OSError) as error:
            self._observe(Fetched(url, None, type(error).__name__, time.monotonic() - began))
            raise PortalUnavailable(f"no answer to a download ({type(error).__name__})") from None
        self._observe(Fetched(url, response.status, "", time.monotonic() - began))
        return response

    def _parts(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        began, received = self._clock(), 0
        try:
            # read1 hands over what has come; to fill a part could take for ever.
            while part := response.read1(PART_BYTES, decode_content=True):
                if self._stopped.is_set():
                    raise PortalUnavailable("the instance is stopping")
                received += len(part)
                yield part
                took = self._clock() - began
                if took > GRACE_S and received < took * SLOWEST_BYTES_PER_S:
                    raise FileUnavailable(f"too slow: {received} bytes in {took:.0f} s")
        except (HTTPError, OSError) as error:
            raise _broken(error) from None
        finally:
            response.close()


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    is_encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and not is_encoded else None


def _is_page(response: urllib3.BaseHTTPResponse) -> bool:
    """An error page under 200: a portal names what it sends as a file in Content-Disposition."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in _PAGES and "Content-Disposition" not in response.headers


def _page_or(response: urllib3.BaseHTTPResponse, otherwise: str) -> FileUnavailable:
    if _is_page(response):
        return LinkRefused("the portal answered a page instead of the file")
    return FileUnavailable(otherwise)


def _broken(error: Exception) -> FileUnavailable:
    if isinstance(error, ReadTimeoutError):
        return FileUnavailable("the download stood still")
    if isinstance(error, IncompleteRead | ProtocolError):
        return FileUnavailable("the download was cut")
    return FileUnavailable(f"the download broke ({type(error).__name__})")


def _host(url: str) -> str:
    """For people; never more than the host."""
    return urlsplit(origin(url)).netloc or "an address that is none"
