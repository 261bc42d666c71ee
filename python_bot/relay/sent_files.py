"""Files of the team that a messenger takes from no bot: what a client's link opens.

The archived content when there is one, else the portal's, fetched with a link that lives for a moment and that nobody
sees. A message that was taken back, or erased, opens nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..archive import Archive
from ..attachments import ContentStore
from ..attachments.download import Downloader, Opened
from ..attachments.links import Link, LinkRefused, links
from ..bitrix.client import BitrixClient
from ..bitrix.payload import Node
from ..channels.base import OutgoingFile
from ..channels.messages import SqliteChannelMessages
from ..errors import FileUnavailable
from ..model import StoredFile
from ..values import dataclass
from .links import SentLink


def files_in(message: Node, link: Callable[[int], str]) -> tuple[OutgoingFile, ...]:
    """The files of an operator's message, as the portal's event names them. `link`: to the one at this place."""
    found: list[OutgoingFile] = []
    for node in message.node("files").nodes():
        url = node.text("downloadLink", "link")
        if url:
            name, kind, size = node.text("name") or "file", node.text("mime") or node.text("type"), node.number("size")
            found.append(OutgoingFile(name, kind, size or 0, url, link=partial(link, len(found))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SentFile:
    """`path`, `hash`: of the archived content; None and '' when only the portal has it. `url` is the portal's."""

    name: str
    size: int
    url: str
    path: Path | None
    hash: str
    known: StoredFile | None


class SentFiles:
    def __init__(
        self,
        messages: SqliteChannelMessages,
        archive: Archive,
        contents: ContentStore,
        client: BitrixClient,
        downloader: Downloader,
    ) -> None:
        self._messages = messages
        self._archive = archive
        self._contents = contents
        self._client = client
        self._downloader = downloader

    def find(self, link: SentLink) -> SentFile | None:
        """None when the message is not there any more."""
        rows = self._messages.parts(link.account_id, link.portal_message_id)
        if not rows or any(row.status == "deleted" for row in rows):
            return None
        files = files_in(Node(rows[0].body).node("message"), lambda place: "")
        if link.place >= len(files):
            return None
        file = files[link.place]
        known = _same(file, link.place, self._archive.files_of(link.portal_message_id))
        path = self._contents.path_of(known.hash) if known is not None and known.state == "stored" else None
        if path is not None and not path.is_file():
            path = None
        return SentFile(file.name, file.size, file.url, path, known.hash if path and known else "", known)

    def open(self, file: SentFile) -> Opened:
        """The portal's content. Raises FileUnavailable, PortalUnavailable or NotAuthorized."""
        portal_url = self._client.authorizer.current().client_endpoint
        refusal = FileUnavailable("the portal gives no link to the file")
        for way in self._ways(file):
            try:
                if isinstance(way, LinkRefused):
                    raise way
                return self._downloader.open(way, portal_url, file.size)
            except LinkRefused as error:
                refusal = error
        raise refusal

    def _ways(self, file: SentFile) -> Iterator[Link | LinkRefused]:
        yield Link("connector", file.url)
        if file.known is not None:
            yield from links(self._client, file.known, (self._archive.fact("portal") or {}).get("bot_id") or 0)


def _same(file: OutgoingFile, place: int, archived: Sequence[StoredFile]) -> StoredFile | None:
    """The event of a connector names no ids: the one of this name and size, or the one at this place."""
    alike = [each for each in archived if (each.name, each.size) == (file.name, file.size)]
    if alike:
        return alike[0]
    return archived[place] if place < len(archived) and archived[place].size in (0, file.size) else None
