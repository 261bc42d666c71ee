"""One instance as it really runs: Gunicorn in a process of its own, a directory of its own, a loopback port."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from python_bot.simulator import SimulatedPortal

from .payloads import APPLICATION_TOKEN, CLIENT_ID, MEMBER_ID
from .waiting import until

TOKEN: Final = "api-secret-token-of-the-tests-0123456789"
CLIENT_SECRET: Final = "client-secret-of-the-tests-0123456789"
ROOT: Final = Path(__file__).parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Answer:
    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`with Server(portal) as server:`; `portal` gives the permitted host, or pass `env` alone.

    `server.install()` lets the simulated portal install the application and waits until the bot is set up.
    """

    def __init__(
        self, portal: SimulatedPortal | None = None, *, home: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.portal = portal
        self._temporary = None if home else tempfile.TemporaryDirectory(prefix="b24bot-test-")
        self.home = home or Path(self._temporary.name if self._temporary else "")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.handler_url = f"{self.url}/python_bot/"
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "B24BOT_HOME": str(self.home),
            "B24BOT_INSTANCE": "acme",
            "API_SECRET_TOKEN": TOKEN,
            "B24BOT_PUBLIC_URL": self.handler_url,
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": CLIENT_SECRET,
            "PORT": str(self.port),
            "PYTHONWARNINGS": "error",
        }
        if portal is not None:
            self.env |= {"B24BOT_PORTAL": portal.url, "B24BOT_OAUTH_URL": portal.oauth_url}
        self.env |= env or {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._temporary:
            self._temporary.cleanup()
            self.output_path.unlink(missing_ok=True)

    # --- the process

    @property
    def output_path(self) -> Path:
        """What gunicorn writes to its standard output and error."""
        return self.home.parent / f"{self.home.name}.out"

    def start(self, *, wait: bool = True) -> None:
        with self.output_path.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python_bot/gunicorn_conf.py", "python_bot.app:create_app()"],
                cwd=ROOT,
                env=self.env,
                start_new_session=True,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if wait:
            until(self.is_up, what=f"the instance answers; see {self.output_path}")

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/healthz").status == 200
        return False

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL to the master and its worker at once, as a power cut would."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    # --- requests

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """`headers`: X_Api_Token="…" is sent as X-Api-Token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), dict(answer.headers.items()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), dict(error.headers.items()))

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, **headers)

    def api(self, path: str, method: str = "GET") -> Any:
        """JSON of an API call with the token; fails when the status is not 200."""
        answer = self.request(method, path, b"" if method == "POST" else None, Authorization=f"Bearer {TOKEN}")
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json

    def post_event(self, body: bytes, path: str = "/python_bot/") -> Answer:
        return self.request("POST", path, body, Content_Type="application/x-www-form-urlencoded")

    # --- states

    def install(self) -> None:
        """The simulated portal installs the application; returns when the bot is registered and lines are set."""
        assert self.portal is not None
        self.portal.install_app(self.handler_url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        until(lambda: (self.api("/api/admin/status")["portal"] or {}).get("bot_id"), what="the bot is registered")
        until(lambda: self.api("/api/admin/status")["outbox"]["waiting"] == {}, what="the set-up is over")

    def pretend_installed(self, application_token: str = APPLICATION_TOKEN, **changes: Any) -> None:
        """An auth.json as an installation of the recorded requests' portal leaves it, without any call."""
        base = f"{self.portal.url}/rest/" if self.portal else "https://acme.bitrix24.ru/rest/"
        stored = {
            "access_token": "access-token-of-the-tests-0123456789",
            "refresh_token": "refresh-token-of-the-tests-0123456789",
            "expires_at": 4102444800,
            "client_endpoint": base,
            "oauth_base": self.portal.oauth_url if self.portal else "https://oauth.bitrix24.tech",
            "member_id": MEMBER_ID,
            "application_token": application_token,
            **changes,
        }
        path = self.home / "auth.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(stored))

    def messages(self, chat_id: int = 1763) -> list[dict[str, Any]]:
        answer = self.get(f"/api/dialogs/{chat_id}?limit=500", Authorization=f"Bearer {TOKEN}")
        found: list[dict[str, Any]] = answer.json["messages"] if answer.status == 200 else []
        return found

    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Look into the database file; for what no address shows."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home}/dialogs.db?mode=ro", uri=True)) as db:
            return db.execute(query, params).fetchall()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "bot.log").read_text(encoding="utf-8").splitlines()]

    def metric(self, name: str) -> float:
        """A line of /metrics by its full name with labels; 0 when absent."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0
