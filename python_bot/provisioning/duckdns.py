"""DuckDNS: a name for a server whose address changes. Asked once when an instance is made, then every five minutes.

Wire facts: https://www.duckdns.org/spec.jsp. The answer is the first word of the body, OK or KO; the HTTP status says
nothing. The token travels in the URL, so no URL is ever in an error, a log or an argument; `http.client` writes none.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from ..errors import B24BotError
from ..values import dataclass
from .domain import host_of
from .files import write_file
from .paths import Layout
from .steps import Absent, Directory, File, Step, UnitState

SUFFIX: Final = ".duckdns.org"
BASE_URL: Final = "https://www.duckdns.org"
BASE_URL_VARIABLE: Final = "B24BOT_DUCKDNS_URL"  # for tests: another server that speaks the same
TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 4096
UNIT_TEMPLATES: Final = Path(__file__).parent.parent.parent / "systemd"


@dataclass(frozen=True, slots=True)
class DuckDns:
    """`name` without .duckdns.org; `token`: of the account at duckdns.org."""

    name: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Last:
    """How the last refresh went. `at`: Unix seconds; `problem`: '' when DuckDNS said OK."""

    at: float
    address: str
    problem: str


def read_name(pasted: str) -> str:
    """'https://MyBots.duckdns.org/' or 'mybots' -> 'mybots'. Raises B24BotError."""
    name = host_of(pasted.strip()).lower().removesuffix(SUFFIX)
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise B24BotError(
            f"{pasted!r} is no name at DuckDNS: a-z, 0-9 and '-', without dots",
            next_step="give the name as https://www.duckdns.org lists it, such as mybots",
        )
    return name


def name_of(domain: str) -> str:
    """'mybots.duckdns.org' -> 'mybots'; '' for a domain that is no name at DuckDNS."""
    name = domain.removesuffix(SUFFIX)
    return "" if name == domain or "." in name else name


# --- what a server needs for it ----------------------------------------------------------------------------------


def timer(name: str) -> str:
    return f"b24bot-duckdns-{name}.timer"


def known_token(layout: Layout, name: str) -> str:
    """The token that stands on this server for the name; '' when we do not refresh it."""
    try:
        return layout.duckdns_token(name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except PermissionError:
        raise B24BotError(f"{layout.duckdns_token(name)} cannot be read", next_step="run botctl as root") from None


def names(layout: Layout) -> list[str]:
    return sorted(path.name.removeprefix("duckdns-").removesuffix(".token") for path in layout.duckdns_tokens())


def files(layout: Layout, wanted: DuckDns) -> list[Step]:
    """Token, units, and a line for cron that is idle where systemd runs: WSL can be switched from one to the other."""
    folder = layout.cron_file(wanted.name).parent
    service, timer_file = _units(layout, wanted.name)
    return [
        *([] if folder.is_dir() else [Directory(folder)]),
        File(layout.duckdns_token(wanted.name), f"{wanted.token}\n".encode(), 0o600, "root", secret=True),
        File(service, _render(layout, "service", wanted.name)),
        File(timer_file, _render(layout, "timer", wanted.name)),
        File(layout.cron_file(wanted.name), _render(layout, "cron", wanted.name)),
    ]


def running(layout: Layout, name: str) -> Step:
    return UnitState(timer(name), True, _units(layout, name))


def gone(layout: Layout, name: str) -> list[Step]:
    """Everything that `files` and `running` made, and what the refreshes left."""
    return [
        UnitState(timer(name), False),
        *(Absent(path) for path in _units(layout, name)),
        Absent(layout.cron_file(name)),
        Absent(layout.duckdns_token(name)),
        *(Absent(path) for path in layout.duckdns_states(name)),
    ]


def _units(layout: Layout, name: str) -> tuple[Path, Path]:
    return layout.units / f"b24bot-duckdns-{name}.service", layout.units / timer(name)


def _render(layout: Layout, kind: str, name: str) -> bytes:
    text = (UNIT_TEMPLATES / f"b24bot-duckdns.{kind}").read_text(encoding="utf-8")
    botctl, token = (Path("/") / path.relative_to(layout.root) for path in (layout.botctl, layout.duckdns_token(name)))
    return text.replace("@NAME@", name).replace("@BOTCTL@", str(botctl)).replace("@TOKEN@", str(token)).encode()


# --- asking --------------------------------------------------------------------------------------------------------


def update(wanted: DuckDns, base_url: str) -> str:
    """Let the name lead to the address that this request comes from; returns that address as DuckDNS names it.

    Raises B24BotError when DuckDNS refuses, or does not answer.
    """
    target = urlsplit(base_url)
    kind = http.client.HTTPConnection if target.scheme == "http" else http.client.HTTPSConnection
    connection = kind(target.hostname or "", target.port, timeout=TIMEOUT_S)
    query = urlencode({"domains": wanted.name, "token": wanted.token, "ip": "", "verbose": "true"})
    try:
        connection.request("GET", f"/update?{query}", headers={"User-Agent": "b24bot"})
        answer = connection.getresponse()
        lines = answer.read(MAX_ANSWER_BYTES).decode("ascii", errors="replace").split("\n")
    except (OSError, http.client.HTTPException) as error:
        # Only its kind: its text may hold the URL.
        raise _no_answer(wanted, type(error).__name__) from None
    finally:
        connection.close()
    word = lines[0].strip()
    if word == "KO":
        raise B24BotError(
            f"DuckDNS refuses {wanted.name}{SUFFIX}: it is not in the account that the token belongs to",
            next_step=f"compare name and token with {BASE_URL}, then give the right --duckdns-token-file",
        )
    if word != "OK":
        raise _no_answer(wanted, f"HTTP {answer.status} and neither OK nor KO")
    return lines[1].strip() if len(lines) > 1 and _is_address(lines[1].strip()) else ""


def _no_answer(wanted: DuckDns, what: str) -> B24BotError:
    return B24BotError(
        f"no answer from DuckDNS for {wanted.name}{SUFFIX} ({what})",
        next_step="check the network, then run it again in a minute",
    )


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(text))
    return False


def refresh(layout: Layout, name: str, base_url: str) -> str:
    """`update` with the token of this server, and a note of how it went. Raises B24BotError."""
    try:
        address = update(DuckDns(name, _token(layout, name)), base_url)
    except B24BotError as error:
        note(layout, name, Last(time.time(), "", str(error)))
        raise
    note(layout, name, Last(time.time(), address, ""))
    return address


def _token(layout: Layout, name: str) -> str:
    """In its unit the process is nobody and gets the token from systemd; elsewhere it is root and reads the file."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    token = (Path(given) / "token").read_text(encoding="utf-8").strip() if given else known_token(layout, name)
    if not token:
        raise B24BotError(
            f"this server does not refresh {name}{SUFFIX}",
            next_step=f"botctl INSTANCE create --duckdns-domain {name} --duckdns-token-file FILE",
        )
    return token


def note(layout: Layout, name: str, last: Last) -> None:
    path = layout.duckdns_states(name)[0] / "last.json"
    with suppress(OSError):  # a note that cannot be written must not fail a refresh that went well
        path.parent.mkdir(mode=0o755, exist_ok=True)
        write_file(path, json.dumps(asdict(last)).encode(), 0o644, None)


def last(layout: Layout, name: str) -> Last | None:
    """How the last refresh went; None when there was none since the boot."""
    with suppress(OSError, ValueError, TypeError):
        return Last(**json.loads((layout.duckdns_states(name)[0] / "last.json").read_text(encoding="utf-8")))
    return None
