"""Files that clients send: how they get into an instance that downloads them, and what it tells of them."""

from __future__ import annotations

import hashlib
import os
from itertools import count
from typing import Any

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import (
    BEARER,
)
from tests.support import Server, until

DOWNLOAD = {"B24BOT_FILES": "download", "B24BOT_DISK_RESERVE_MB": "0"}
CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()

senders = count()

Scene = tuple[SimulatedPortal, Server]


def sends(portal: SimulatedPortal, content: bytes = CONTENT, name: str = "чек №7.jpg") -> int:
    """A new client sends a file; its id in Bitrix24 Disk."""
    message = portal.client("Анна", external_id=f"sender{next(senders)}").writes(
        "Вот", files=[portal.file(name, content)]
    )
    portal.wait_quiet()
    file_id: int = message.files[0].file_id
    return file_id


def shown(server: Server, file_id: int) -> dict[str, Any]:
    """The file as the API shows it in its message; empty before the message is archived."""
    dialogs = server.api("/api/dialogs")["dialogs"]
    rows = (f for d in dialogs for m in server.messages(d["chat_id"]) for f in m["files"] if f["id"] == file_id)
    return next(rows, {})


def reaches(server: Server, file_id: int, state: str, timeout_s: float = 20.0) -> dict[str, Any]:
    return until(lambda: (f := shown(server, file_id)).get("state") == state and f, timeout_s, f"the file is {state}")


def content(server: Server, file_id: int, **headers: str) -> Any:
    return server.get(f"/api/files/{file_id}", **(BEARER | headers))


def place(digest: str) -> str:
    return f"{digest[:2]}/{digest}"
