"""A simulated DuckDNS, as strict as https://www.duckdns.org/spec.jsp: in a test's own process, or as a program.

As a program: `duckdns.py PORT ACCOUNTS LOG`. It reads the accounts anew for each request, and writes each to the log.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ADDRESS = "203.0.113.7"


class SimulatedDuckDns:
    """`accounts`: token by name. `answer`: (status, body) said whatever is asked, while it is set."""

    def __init__(self, accounts: Callable[[], dict[str, str]], port: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: tuple[int, bytes] | None = None
        self._accounts = accounts
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = outer.reply(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, target: str) -> tuple[int, bytes]:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.asked.append(query)
        if self.answer:
            return self.answer
        if parts.path != "/update":
            return 404, b"<html>not found</html>"
        names = query.get("domains", "").split(",")
        if any(self._accounts().get(name, None) != query.get("token") for name in names):
            return 200, b"KO"
        return 200, f"OK\n{ADDRESS}\n\nUPDATED".encode() if query.get("verbose") == "true" else b"OK"

    def __enter__(self) -> SimulatedDuckDns:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def main(port: int, accounts: Path, log: Path) -> None:
    server = SimulatedDuckDns(lambda: dict(json.loads(accounts.read_text())), port)

    def reply(target: str) -> tuple[int, bytes]:
        answer = SimulatedDuckDns.reply(server, target)
        with log.open("a") as file:
            file.write(json.dumps({**server.asked[-1], "said": answer[1].decode()[:2]}) + "\n")
        return answer

    server.reply = reply  # type: ignore[method-assign]  # the same server, and a log beside it
    with server:
        print("up", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
