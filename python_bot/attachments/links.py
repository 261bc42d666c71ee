"""The ways to a link from which a file can be downloaded with our token; the links live for a short time.

https://apidocs.bitrix24.com/api-reference/disk/file/disk-file-get.html (DOWNLOAD_URL, scope disk),
…/chats/im.v2/files/file-download.html and …/chat-bots/chat-bots-v2/imbot.v2/files/file-download.html (downloadUrl,
good for one download).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from ..bitrix.client import BitrixClient
from ..bitrix.payload import Node
from ..errors import CallRefused, FileUnavailable
from ..model import StoredFile
from ..values import dataclass


class LinkRefused(FileUnavailable):
    """This way leads nowhere; another one may."""


@dataclass(frozen=True, slots=True)
class Link:
    """`size` in bytes, 0 when the portal did not say. The URL holds a token: it is neither kept nor shown."""

    way: str
    url: str = field(repr=False)
    size: int = 0
    name: str = ""


def links(client: BitrixClient, file: StoredFile, bot_id: int) -> Iterator[Link | LinkRefused]:
    """One link, or why there is none, for each way. Raises PortalUnavailable and NotAuthorized."""
    yield _ask(client, "disk.file.get", {"ID": file.id}, "DOWNLOAD_URL")
    yield _ask(client, "im.v2.File.download", {"dialogId": f"chat{file.chat_id}", "fileId": file.id}, "downloadUrl")
    if bot_id:
        yield _ask(client, "imbot.v2.File.download", {"botId": bot_id, "fileId": file.id}, "downloadUrl")


def _ask(client: BitrixClient, method: str, params: dict[str, Any], key: str) -> Link | LinkRefused:
    try:
        answer = Node(client.call(method, params))
    except CallRefused as refusal:
        return LinkRefused(f"{method}: {refusal.code}")
    url = answer.text(key)
    if not url:
        return LinkRefused(f"{method}: the answer holds no link")
    return Link(method, url, answer.number("SIZE") or 0, answer.text("NAME"))
