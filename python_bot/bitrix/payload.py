"""Tolerant reading of one level of a payload, and the parts that events share: chats, authors, files. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from ..errors import BadEvent
from ..model import AuthorKind, FileRef
from .php_form import Tree

MAX_ID: Final = 2**62


class Node:
    """A tolerant view of one level of a payload: whatever is absent or of another shape reads as empty."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        if isinstance(raw, list):
            raw = {str(i): item for i, item in enumerate(raw)}
        self.raw: Tree = raw if isinstance(raw, dict) else {}

    def __bool__(self) -> bool:
        return bool(self.raw)

    def node(self, *names: str) -> Node:
        for name in names:
            value = self.raw.get(name)
            if isinstance(value, dict | list):
                return Node(value)
        return Node(None)

    def nodes(self) -> list[Node]:
        return [Node(value) for value in self.raw.values() if isinstance(value, dict | list)]

    def text(self, *names: str) -> str:
        for name in names:
            value = self.raw.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
        return ""

    def number(self, *names: str) -> int | None:
        for name in names:
            value = number(self.raw.get(name))
            if value is not None:
                return value
        return None

    def id(self, *names: str) -> int:
        value = self.number(*names)
        if not value:
            raise BadEvent(f"no {' or '.join(names)} in the event")
        return value

    def yes(self, name: str) -> bool:
        return self.raw.get(name) in ("Y", "y", "1", 1, True, "true")


def number(value: Any) -> int | None:
    """A non-negative integer that SQL can hold, from text or number; None for anything else."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < MAX_ID else None


def entity(entity_id: str) -> dict[str, Any]:
    """'telegrambot|3|209607941|744' -> connector, line, client. The third part is foreign and may hold '|'."""
    parts = entity_id.split("|")
    if len(parts) < 4:
        return {}
    return {
        "entity_id": entity_id,
        "connector_id": parts[0],
        "line_id": number(parts[1]),
        "client_id": number(parts[-1]) or None,
    }


def session_of(entity_data_1: str) -> dict[str, Any]:
    """Part 6 of ENTITY_DATA_1 is the session, part 7 its start; older builds have fewer parts."""
    parts = entity_data_1.split("|")
    return {
        "session_id": (number(parts[5]) or None) if len(parts) > 5 else None,
        "session_opened_at": (number(parts[6]) or None) if len(parts) > 6 else None,
    }


def session_line(entity_data_1: str) -> int | None:
    """Part 8 of ENTITY_DATA_1: the line that has the session now; absent in older builds."""
    parts = entity_data_1.split("|")
    return (number(parts[7]) or None) if len(parts) > 7 else None


def classify(author_id: int, *, system: bool, connector: bool, bot: bool, client_id: int | None) -> AuthorKind:
    """Who speaks in an open line. IS_EXTRANET says nothing: clients and guests both carry it."""
    if author_id == 0 or system:
        return "system"
    if connector or author_id == client_id:
        return "client"
    return "bot" if bot else "operator"


def read_file(node: Node) -> FileRef | None:
    file_id = node.number("id", "ID")
    if not file_id:
        return None
    return FileRef(
        id=file_id,
        name=node.text("name", "NAME"),
        size=node.number("size", "SIZE") or 0,
        type=node.text("type", "TYPE") or "file",
        url=node.text("urlDownload", "urldownload", "downloadLink", "link", "urlShow", "urlshow"),
    )


def read_files(params: Node) -> tuple[FileRef, ...]:
    """FILES holds objects in current builds, bare ids in some; PARAMS[FILE_ID] names the rest."""
    found: dict[int, FileRef] = {}
    for key, value in params.node("FILES").raw.items():
        file = read_file(Node(value)) if isinstance(value, dict) else None
        file_id = file.id if file else number(value) or number(key)
        if file_id:
            found[file_id] = file or FileRef(file_id, "", 0, "file", "")
    for value in params.node("PARAMS").node("FILE_ID", "fileId").raw.values():
        file_id = number(value)
        if file_id:
            found.setdefault(file_id, FileRef(file_id, "", 0, "file", ""))
    return tuple(found.values())


def external_ids(params: Node) -> tuple[str, ...]:
    """The messenger's numbers of a message from outside, as whoever brought it told the portal."""
    given = params.node("CONNECTOR_MID", "connectorMid", "connectormid").raw.values()
    return tuple(str(value) for value in given if isinstance(value, str | int))


def iso_seconds(text: str) -> int | None:
    """'2026-07-29T11:00:01+03:00' -> Unix seconds; None when it is no date with an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo else None
