"""UFW, the firewall that Debian's servers usually have: does it let the portal reach a port, and opening one.

Its rules are read from the files that ufw itself keeps (`### tuple ###` lines, in the order in which they decide);
`ufw status` fails where sysctl is missing. They are changed by ufw alone. Our rules carry a comment: by it they are
known again, and a rule that somebody else has made or taken over is never removed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from ..errors import B24BotError
from ..values import dataclass

COMMENT: Final = "b24bot"
TIMEOUT_S: Final = 60

State = Literal["open", "closed", "refused"]
_TUPLE: Final = re.compile(r"^### tuple ### (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)(?: \S+ \S+)? (\S+)(?: comment=(\S+))?$")
_ANYWHERE: Final = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for what comes in from anywhere, on every interface. `ports`: '80', '80,443', '8000:8010' or 'any'."""

    allows: bool
    ports: str
    comment: str

    def concerns(self, port: int) -> bool:
        if self.ports == "any":
            return True
        spans = (part.partition(":") for part in self.ports.split(","))
        return any(int(first) <= port <= int(last or first) for first, _, last in spans)


@dataclass(frozen=True, slots=True)
class Ufw:
    """`etc`: /etc, or the same below a staging root."""

    etc: Path

    def is_active(self) -> bool:
        return bool(re.search(r"^ENABLED=yes", self._text("ufw/ufw.conf"), re.MULTILINE | re.IGNORECASE))

    def state(self, port: int) -> State:
        """For TCP from anywhere. 'closed': nobody has opened it; 'refused': a rule of somebody forbids it."""
        if not self.is_active():
            return "open"
        for rule in self._rules():
            if rule.concerns(port):
                return "open" if rule.allows else "refused"
        policy = re.search(r'^DEFAULT_INPUT_POLICY="?(\w+)', self._text("default/ufw"), re.MULTILINE)
        return "open" if policy and policy[1].upper() == "ACCEPT" else "closed"

    def is_ours(self, port: int) -> bool:
        """Whether we opened it, and nobody has made the rule his own since."""
        return any(rule.comment == COMMENT and rule.ports == str(port) for rule in self._rules())

    def open(self, port: int) -> None:
        _ufw("allow", f"{port}/tcp", "comment", COMMENT)

    def close(self, port: int) -> None:
        """Take our own rule back; none there is fine."""
        if self.is_ours(port):
            _ufw("delete", "allow", f"{port}/tcp")

    def _rules(self) -> Iterator[Rule]:
        for line in self._text("ufw/user.rules").splitlines():
            found = _TUPLE.match(line)
            if not found:
                continue
            action, protocol, ports, to, from_ports, source, direction, comment = found.groups(default="")
            is_general = direction == "in" and to in _ANYWHERE and source in _ANYWHERE and from_ports == "any"
            if is_general and protocol in ("tcp", "any"):
                yield Rule(action.partition("_")[0] in ("allow", "limit"), ports, _unhex(comment))

    def _text(self, name: str) -> str:
        try:
            return (self.etc / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _unhex(text: str) -> str:
    try:
        return bytes.fromhex(text).decode(errors="replace")
    except ValueError:
        return ""


def _ufw(*words: str) -> None:
    """Raises B24BotError with ufw's own words."""
    if not shutil.which("ufw"):
        raise B24BotError("the command ufw is missing", next_step="apt-get install ufw, or add --no-nginx")
    done = subprocess.run(
        ["ufw", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise B24BotError(f"ufw {' '.join(words)} failed: {said}", next_step=f"ufw {' '.join(words)}")
