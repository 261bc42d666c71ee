"""What the tests of one instance share: recorded events with other ids, raw requests, a host that nobody may call."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from python_bot.simulator import App, SimulatedPortal
from python_bot.simulator.tokens import Grant
from tests.support import TOKEN, Server, until, vector
from tests.support.payloads import APPLICATION_TOKEN, CLIENT_ID, MEMBER_ID
from tests.support.server import CLIENT_SECRET, Answer

FOREVER = 4102444800  # Unix seconds
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TABLES = ("dialogs", "sessions", "messages", "message_versions", "files", "users", "participants", "journal", "outbox")

# --- events ---------------------------------------------------------------------------------------------------


def altered(body: bytes, changes: Mapping[str, str], *, without: tuple[str, ...] = ()) -> bytes:
    """A recorded request with other values; `without` names keys (or their beginnings) to leave out."""
    pairs = dict(parse_qsl(body.decode().strip(), keep_blank_values=True)) | dict(changes)
    return urlencode([(key, value) for key, value in pairs.items() if not key.startswith(without or ("\0",))]).encode()


def client_message(
    message_id: int,
    chat_id: int = 1763,
    session_id: int = 321,
    text: str = "Добрый день!",
    **more: str,
) -> bytes:
    """ONIMBOTMESSAGEADD of a client, as recorded, with these ids. `more`: other top-level pairs, such as ts.

    Its session began 40 s before it.
    """
    began = int(more.get("ts", "1785312000")) - 40
    ids = {"CHAT_ID": chat_id, "TO_CHAT_ID": chat_id, "DIALOG_ID": f"chat{chat_id}", "MESSAGE_ID": message_id}
    ids |= {"CHAT_ENTITY_ID": f"telegrambot|3|ext{chat_id}|744"}
    ids |= {"CHAT_ENTITY_DATA_1": f"Y|LEAD|1205|N|N|{session_id}|{began}|3|0|0"}
    changes = {f"data[PARAMS][{key}]": str(value) for key, value in ids.items()}
    changes |= {"data[PARAMS][MESSAGE]": text, "data[PARAMS][MESSAGE_ORIGINAL]": text}
    return altered(vector("V4"), changes | more)


def join(chat_id: int = 1763, **more: str) -> bytes:
    """ONIMBOTJOINCHAT, as recorded, of this chat."""
    changes = {"CHAT_ID": str(chat_id), "DIALOG_ID": f"chat{chat_id}"}
    changes["CHAT_ENTITY_ID"] = f"telegrambot|3|ext{chat_id}|744"
    return altered(vector("V3"), {f"data[PARAMS][{key}]": value for key, value in changes.items()} | more)


def install_event(
    portal: SimulatedPortal,
    access_token: str,
    application_token: str = APPLICATION_TOKEN,
    **auth: str,
) -> bytes:
    """ONAPPINSTALL, as recorded, in the name of the simulated portal; `auth`: other members of the auth block."""
    block = {
        "access_token": access_token,
        "application_token": application_token,
        "domain": portal.host,
        "client_endpoint": portal.rest_url,
        "server_endpoint": f"{portal.oauth_url}/rest/",
        "member_id": portal.member_id,
    }
    return altered(vector("V1"), {f"auth[{key}]": value for key, value in (block | auth).items()})


# --- the portal -----------------------------------------------------------------------------------------------


def add_app(portal: SimulatedPortal, server: Server, **changes: Any) -> App:
    """Our application in the portal, whose events carry the application_token of the recordings; nothing is sent."""
    options: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "send": False, **changes}
    app = portal.install_app(server.handler_url, **options)
    if app.client_id == CLIENT_ID:
        app.application_token = APPLICATION_TOKEN
        portal.core.member_id = MEMBER_ID
    return app


def know_token(portal: SimulatedPortal, token: str, user_id: int = 1, refresh_token: str = "") -> None:
    """The portal believes that it issued this token to our application."""
    portal.core.tokens.access[token] = Grant(CLIENT_ID, user_id, FOREVER)
    if refresh_token:
        portal.core.tokens.refresh[refresh_token] = Grant(CLIENT_ID, user_id, FOREVER)


def adopt(portal: SimulatedPortal, server: Server, **changes: Any) -> App:
    """The instance, not started yet, finds itself installed in the simulated portal with tokens that work."""
    app = add_app(portal, server)
    pair = app.tokens()
    tokens = {"access_token": pair.access_token, "refresh_token": pair.refresh_token}
    server.pretend_installed(**(tokens | changes))
    return app


def attach_by_hand(portal: SimulatedPortal, line_id: int = 3) -> None:
    """The newest bot greets on a line, as an administrator sets it in the portal."""
    fields = {"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": str(max(portal.core.bots)), "WELCOME_BOT_LEFT": "close"}
    portal.line(line_id).fields.update(fields)


@contextmanager
def at_work(
    portal: SimulatedPortal | None = None,
    *,
    env: Mapping[str, str] | None = None,
    set_lines: bool = False,
    home: Path | None = None,
) -> Iterator[tuple[SimulatedPortal, Server]]:
    """An installed, idle instance with its bot on line 3, and its portal; both end with the block.

    `set_lines`: the instance attaches the bot itself, which takes its pace a second longer.
    """
    with contextlib.ExitStack() as stack:
        if portal is None:
            portal = stack.enter_context(SimulatedPortal())
        server = Server(portal, home=home, env={"B24BOT_LINES": "all" if set_lines else "none", **(env or {})})
        adopt(portal, server)
        stack.enter_context(server)
        until(lambda: (status(server)["portal"] or {}).get("bot_id"), what="the bot is registered")
        wait_idle(server)
        if not set_lines:
            attach_by_hand(portal)
        portal.wait_quiet()
        yield portal, server


def wait_idle(server: Server, timeout_s: float = 15.0) -> None:
    """Until nothing waits in the outbox: but for what was given up, and the later looks into history."""
    until(lambda: not status(server)["outbox"]["waiting"], timeout_s, what="the outbox is empty")


def handover_calls(portal: SimulatedPortal, chat_id: int | None = None) -> list[dict[str, Any]]:
    """Parameters of every hand-over call, refused ones too."""
    calls = portal.calls_of("imopenlines.bot.session.operator") + portal.calls_of("imopenlines.bot.session.transfer")
    wanted = (None, str(chat_id))
    return [call.params for call in calls if chat_id is None or str(call.params.get("CHAT_ID")) in wanted]


# --- the instance ---------------------------------------------------------------------------------------------


def status(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.api("/api/admin/status")
    return found


def auth_file(server: Server) -> dict[str, Any]:
    """auth.json; empty before the first installation."""
    path = server.home / "auth.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def row_counts(server: Server) -> dict[str, int]:
    return {table: server.sql(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES}


def integrity(server: Server) -> str:
    with contextlib.closing(sqlite3.connect(server.home / "dialogs.db", timeout=30)) as db:
        found: str = db.execute("PRAGMA integrity_check").fetchone()[0]
        return found


def error_code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


def log_text(server: Server) -> str:
    return (server.home / "bot.log").read_text(encoding="utf-8")


def raw(server: Server, request: bytes, timeout_s: float = 30.0) -> tuple[int, dict[str, str], bytes]:
    """Bytes as they are over a connection of their own; status, headers (lower case) and body of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(body) < length:
            part = connection.recv(65536)
            if not part:
                break
            body += part
    return int(first.split()[1]) if first else 0, headers, body


def chunked(body: bytes, size: int = 8000) -> bytes:
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


# --- strangers ------------------------------------------------------------------------------------------------


class Stranger:
    """A host that must never be called: it takes every connection, keeps what it was told, and answers 200."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(1)
                self.heard.append(b"")
                self.heard[-1] = connection.recv(65536)
                body = b'{"result":{"ID":"1","ADMIN":true,"CODE":"' + CLIENT_ID.encode() + b'"}}'
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                connection.sendall(head + str(len(body)).encode() + b"\r\n\r\n" + body)

    def __enter__(self) -> Stranger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
