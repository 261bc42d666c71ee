"""What tests do with a machine: make instances, play the portal, look into the archive, send requests."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from .debian import Machine, Ran
from .trees import CHECKOUT

DOMAIN: Final = "bots.example.ru"
PYTHON: Final = "/opt/b24bot/current/.venv/bin/python"
CLIENT_ID: Final = "local.e2e"
CLIENT_SECRET: Final = "client-secret-of-the-tests-0123456789"
TOKEN: Final = "api-secret-token-of-the-tests-0123456789"


def create(machine: Machine, name: str, *flags: str, domain: str = DOMAIN, check: bool = True) -> Ran:
    command = ("botctl", name, "create", "--domain", domain, "--yes", *flags)
    return machine(*command, check=check, env={"API_SECRET_TOKEN": TOKEN})


def setup(machine: Machine, *flags: str, check: bool = True, env: Mapping[str, str] | None = None) -> Ran:
    settings = {"API_SECRET_TOKEN": TOKEN, **(env or {})}
    return machine(f"{CHECKOUT}/setup_multi.sh", *flags, check=check, timeout=300, env=settings)


OFFLINE: Final = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/root/wheels"}
RELEASES: Final = "/opt/b24bot/releases"


def install_release(machine: Machine, version: str) -> None:
    """As a sysadmin does: setup_multi.sh of a checkout of that version. It becomes the server's default."""
    machine("cp", "-a", CHECKOUT, f"/root/{version}")
    machine("sed", "-i", f's/^__version__ = .*/__version__ = "{version}"/', f"/root/{version}/python_bot/__init__.py")
    machine(f"/root/{version}/setup_multi.sh", "--no-instance", env=OFFLINE, timeout=300)


def copy_release(machine: Machine, version: str, change: str = "") -> None:
    """A release as the present one, with another version, after `change` (a shell script) in its directory."""
    present = machine("readlink", "/opt/b24bot/current").out.strip()
    machine("cp", "-a", f"/opt/b24bot/{present}", f"{RELEASES}/{version}")
    edit = f"""sed -i 's/^__version__ = .*/__version__ = "{version}"/' python_bot/__init__.py"""
    machine("sh", "-ec", f"{edit}\n{change}", cwd=f"{RELEASES}/{version}")


def until(probe: Callable[[], Any], timeout_s: float = 20.0, what: str = "it") -> Any:
    end = time.monotonic() + timeout_s
    while not (found := probe()):
        assert time.monotonic() < end, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.1)
    return found


class Portal:
    """The simulated portal inside the machine."""

    def __init__(self, machine: Machine, port: int = 9000) -> None:
        self._process: subprocess.Popen[str] = machine.start(
            PYTHON, "-I", "/root/portal.py", str(port), str(port + 100)
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read() if self._process.stderr else ""
        self.url = json.loads(line)["url"]

    def __call__(self, do: str, **order: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def install(self, handler: str) -> None:
        self("install", handler=handler, client_id=CLIENT_ID, secret=CLIENT_SECRET)


def status(machine: Machine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine("botctl", name, "status", "--json", check=False).out)
    return found


def get(machine: Machine, path: str, host: str = DOMAIN, *, method: str = "GET", token: str = TOKEN) -> tuple[int, str]:
    """(status, body) through the machine's nginx."""
    script = (
        "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 80, timeout=20); "
        "c.request(sys.argv[1], sys.argv[2], headers={'Host': sys.argv[3], 'Authorization': 'Bearer ' + sys.argv[4]}); "
        "r = c.getresponse(); print(r.status); print(r.read().decode())"
    )
    lines = machine("python3", "-c", script, method, path, host, token).out.split("\n", 1)
    return int(lines[0]), lines[1]


def has_archived(machine: Machine, name: str, chat_id: int, text: str, host: str = DOMAIN, prefix: str = "") -> bool:
    code, body = get(machine, f"{prefix or '/' + name}/api/dialogs/{chat_id}", host)
    return code == 200 and any(row["text"] == text for row in json.loads(body)["messages"])


def play(machine: Machine, portal: Portal, name: str, handler: str, host: str = DOMAIN, prefix: str = "") -> int:
    """The portal installs the application, a client writes; returns when it is archived and handed over."""
    portal.install(handler)
    until(lambda: ((status(machine, name)["status"] or {}).get("portal") or {}).get("bot_id"), what="registration")
    text = f"Здравствуйте! Это {name} 👍"
    chat_id: int = portal("client", name=f"client of {name}", text=text)["chat_id"]
    until(lambda: portal("handed_over", chat_id=chat_id)["is"], what="the hand-over")
    until(lambda: has_archived(machine, name, chat_id, text, host, prefix), what="the message in the archive")
    return chat_id
