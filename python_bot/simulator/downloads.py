"""Links to the contents of files: short-lived, some good for one download, and what can go wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from . import wire
from .faults import Answer
from .model import DiskFile
from .php import as_int, as_text, parse_str

if TYPE_CHECKING:
    from .core import Core

DISK_LINK_S = 3600
CHAT_LINK_S = 300
HTML = "text/html; charset=utf-8"


@dataclass(slots=True)
class Link:
    file_id: int
    expires: float
    auth: str = ""  # the access token that has to stand in the link beside its own
    once: bool = True
    used: bool = False


class Downloads:
    """`issue` makes a link, `answer` serves it. The faults concern the next downloads, whatever way they came."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._links: dict[str, Link] = {}
        self._planned: list[Callable[[DiskFile], Answer]] = []
        self._go_on = threading.Event()
        self.served = 0  # whole contents handed out

    # links

    @property
    def tokens(self) -> list[str]:
        """Of every link that was given out."""
        return list(self._links)

    def disk_link(self, file: DiskFile, access_token: str) -> str:
        """As disk.file.get gives it: any number of downloads while both tokens live."""
        token = self._issue("disk", Link(file.file_id, self._core.clock.now() + DISK_LINK_S, access_token, once=False))
        query = {"auth": access_token, "token": token} if access_token else {"token": token}
        return f"{self._core.url}/rest/download.json?{urlencode(query)}"

    def chat_link(self, kind: str, file: DiskFile) -> str:
        """As im.v2.File.download and imbot.v2.File.download give it."""
        token = self._issue(kind, Link(file.file_id, self._core.clock.now() + CHAT_LINK_S))
        return f"{self._core.url}/rest/download.json?{urlencode({'token': token})}"

    def _issue(self, kind: str, link: Link) -> str:
        token = f"{kind}|{self._core.tokens.random_hex(32)}"
        self._links[token] = link
        return token

    # faults

    def clear(self) -> None:
        """The next downloads are well again; those that hang are cut."""
        self._planned.clear()
        self._go_on.set()

    def cut(self, after: int, times: int = 1) -> None:
        """The connection ends after so many bytes, though more were announced."""
        self._plan(times, lambda file: _content(file, stop_after=after))

    def hang(self, after: int, times: int = 1) -> None:
        """Nothing comes after so many bytes, until `clear`."""
        self._go_on.clear()
        self._plan(times, lambda file: _content(file, stop_after=after, hang=self._go_on))

    def wrong_size(self, missing: int, times: int = 1) -> None:
        """A whole answer that is so many bytes shorter than the file."""
        self._plan(times, lambda file: _answer(file, file.content[: len(file.content) - missing]))

    def status(self, status: int, times: int = 1) -> None:
        self._plan(times, lambda file: Answer(status, b"<html><body>Error</body></html>", HTML))

    def error_page(self, times: int = 1) -> None:
        """200 with a page."""
        self.status(200, times)

    def redirect(self, times: int = 1, to: str = "") -> None:
        """To `to`, or to another address of the portal where the content lies."""
        self._plan(times, lambda file: Answer(302, b"", HTML, {"Location": to or self._elsewhere(file)}))

    def _plan(self, times: int, answer: Callable[[DiskFile], Answer]) -> None:
        self._planned += [answer] * times

    def _elsewhere(self, file: DiskFile) -> str:
        return self.chat_link("cdn", file)

    # serving

    def answer(self, query: str) -> Answer:
        params = parse_str(query)
        with self._core.lock:
            link = self._links.get(as_text(params.get("token")))
            if link is None or not self._opens(link, as_text(params.get("auth"))):
                return Answer(403, b'{"error":"ACCESS_DENIED","error_description":"Access denied"}')
            link.used = True
            file = self._core.files.get(link.file_id)
            if file is None:
                return Answer(404, b'{"error":"ERROR_NOT_FOUND","error_description":"Could not find the file"}')
            if self._planned:
                return self._planned.pop(0)(file)
            self.served += 1
            return _content(file)

    def public(self, query: str) -> Answer:
        """A signed link that opens one file to anybody."""
        params = parse_str(query)
        file = self._core.files.get(as_int(params.get("FILE_ID")))
        if file is None or as_text(params.get("SIGN")) != wire.public_sign(self._core, file):
            return Answer(403, b"", HTML)
        return self._planned.pop(0)(file) if self._planned else _content(file)

    def _opens(self, link: Link, auth: str) -> bool:
        now = self._core.clock.now()
        if link.expires <= now or (link.once and link.used):
            return False
        grant = self._core.tokens.access.get(auth) if link.auth else None
        return not link.auth or (auth == link.auth and grant is not None and grant.expires > now)


def _content(file: DiskFile, stop_after: int | None = None, hang: threading.Event | None = None) -> Answer:
    return _answer(file, file.content, stop_after, hang)


def _answer(
    file: DiskFile, content: bytes, stop_after: int | None = None, hang: threading.Event | None = None
) -> Answer:
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{quote(file.name)}"}
    return Answer(200, content, "application/octet-stream", headers, stop_after, hang)
