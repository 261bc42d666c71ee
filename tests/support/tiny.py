"""A tiny channel, written by docs/adding-a-channel.md alone: a messenger of plain HTTP with one mailbox.

`Postbox` is the messenger itself; `create` gives the channel of this program that talks to it. The server under test
finds it by its setting: B24BOT_CHANNELS=tiny=tests.support.tiny
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from python_bot.channels.base import (
    Account,
    ChatChanged,
    Content,
    Doubt,
    Happened,
    Identity,
    Incoming,
    IncomingFile,
    Outgoing,
    Part,
    Person,
    Polled,
    ReadUpTo,
    Setup,
)
from python_bot.errors import BadEvent, DeliveryFailed

SECRETS = ("address",)

# --- the channel --------------------------------------------------------------------------------------------


class Tiny:
    name = "tiny"
    title = "Tiny"

    def identify(self, secrets: Mapping[str, str]) -> Identity:
        found = _ask(secrets, "/whoami")
        return Identity(found["id"], found["name"])

    def parts(self, message: Outgoing) -> Sequence[Part]:
        texts = [line for line in message.text.replace("[br]", "\n").split("\n---\n") if line]
        parts = [Part(number, "text", text) for number, text in enumerate(texts)]
        return [*parts, *(Part(len(parts) + i, "file", file.name, (file,)) for i, file in enumerate(message.files))]

    def deliver(self, account: Account, chat_id: str, part: Part) -> tuple[str, ...]:
        return (_ask(account.secrets, "/send", {"chat": chat_id, "text": part.text})["id"],)

    def edit(self, account: Account, chat_id: str, message_id: str, part: Part) -> None:
        _ask(account.secrets, "/edit", {"id": message_id, "text": part.text})

    def delete(self, account: Account, chat_id: str, message_id: str) -> None:
        _ask(account.secrets, "/delete", {"id": message_id})

    def mark_read(self, account: Account, chat_id: str) -> None:
        _ask(account.secrets, "/read", {"chat": chat_id})

    def find_sent(self, account: Account, chat_id: str, part: Part, doubt: Doubt) -> tuple[str, ...]:
        found = _ask(account.secrets, "/find", {"chat": chat_id, "text": part.text})
        return tuple(found["ids"][-1:])

    def open_file(self, account: Account, ref: str) -> Content:
        data = str(_ask(account.secrets, "/file", {"ref": ref})["content"]).encode()
        return Content("text/plain", len(data), iter([data]))

    def poll(self, account: Account, cursor: str, is_stopping: Callable[[], bool]) -> Polled:
        after = int(cursor or "0")
        rows = _ask(account.secrets, f"/updates?after={after}")["updates"]
        return Polled(tuple(map(read, rows)), str(max([after, *(row["number"] for row in rows)])), 0.05)

    def read_hook(self, account: Account, body: bytes) -> Sequence[Happened]:
        try:
            return [read(row) for row in json.loads(body).get("updates", [])]
        except (ValueError, KeyError, AttributeError):
            raise BadEvent("this is no call of the tiny messenger") from None


def create(setup: Setup) -> Tiny:
    return Tiny()


def read(row: Mapping[str, Any]) -> Happened:
    key, chat, at = str(row["number"]), f"tiny:{row['chat']}", row["at"]
    if row["what"] == "read":
        return ReadUpTo(key, chat, at)
    if row["what"] in ("blocked", "open"):
        return ChatChanged(key, chat, row["what"], at)
    files = tuple(IncomingFile(name, name, "text/plain") for name in row.get("files", ()))
    return Incoming(
        key=key,
        change=row["what"],
        chat_id=chat,
        message_id=row["id"],
        sent_at=at,
        sender=Person(f"tiny:{row['chat']}", row["name"]),
        text=row.get("text", ""),
        files=files,
        by=row.get("by", "client"),
        album=row.get("album", ""),
    )


def _ask(secrets: Mapping[str, str], path: str, body: Mapping[str, str] | None = None) -> Any:
    url, _, token = secrets["address"].partition("#")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Authorization": token})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode()
        raise DeliveryFailed(f"Tiny: {text}", status=error.code, final=error.code in (400, 401, 403)) from None
    except OSError as error:
        raise DeliveryFailed(f"Tiny cannot be reached: {type(error).__name__}", unreachable=True) from None


# --- the messenger --------------------------------------------------------------------------------------------


class Postbox:
    """The messenger: what clients do in it, and what it was told. `refuse`: status -> how often still."""

    token = "tiny-secret-token-0123456789abcdef"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.updates: list[dict[str, Any]] = []
        self.sent: list[dict[str, str]] = []
        self.edits: list[dict[str, str]] = []
        self.deleted: list[str] = []
        self.read: list[str] = []
        self.refuse: list[int] = []
        self.drop_after: int = 0  # answers that get lost although the message arrived
        self.files: dict[str, str] = {}
        self._numbers = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def secrets(self) -> dict[str, str]:
        return {"address": f"{self.url}#{self.token}"}

    def __enter__(self) -> Postbox:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def happens(self, chat: str, text: str = "", what: str = "message", **more: Any) -> dict[str, Any]:
        """A client writes, edits, deletes, reads, blocks; the update as the channel gets it."""
        with self.lock:
            self._numbers += 1
            number = self._numbers
            row = {"number": number, "what": what, "chat": chat, "id": f"{chat}:m{number}", "at": 1785312000 + number}
            row |= {"name": f"Client {chat}", "text": text, **more}
            self.updates.append(row)
            return row

    def texts(self, chat: str) -> list[str]:
        with self.lock:
            return [row["text"] for row in self.sent if row["chat"] == f"tiny:{chat}"]

    def answer(self, path: str, query: dict[str, list[str]], body: dict[str, str]) -> tuple[int, Any]:
        with self.lock:
            if path == "/whoami":
                return 200, {"id": "box-1", "name": "Our box"}
            if path == "/updates":
                return 200, {"updates": [row for row in self.updates if row["number"] > int(query["after"][0])]}
            if path == "/find":
                mine = [row for row in self.sent if row["chat"] == body["chat"] and row["text"] == body["text"]]
                return 200, {"ids": [row["id"] for row in mine]}
            if path == "/file":
                return 200, {"content": self.files[body["ref"]]}
            if self.refuse:
                return self.refuse.pop(0), "not now"
            if path == "/send":
                self._numbers += 1
                self.sent.append({**body, "id": f"{body['chat'].removeprefix('tiny:')}:m{self._numbers}"})
                return 200, {"id": self.sent[-1]["id"]}
            if path == "/edit":
                self.edits.append(body)
            else:
                {"/delete": self.deleted, "/read": self.read}[path].append(next(iter(body.values())))
            return 200, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        box = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                parts = urlsplit(self.path)
                if self.headers.get("Authorization") != box.token:
                    status, answer = 401, "unknown token"
                else:
                    status, answer = box.answer(parts.path, parse_qs(parts.query), body)
                with box.lock:
                    is_lost = parts.path == "/send" and status == 200 and box.drop_after > 0
                    box.drop_after -= is_lost
                if is_lost:
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode() if status == 200 else str(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
