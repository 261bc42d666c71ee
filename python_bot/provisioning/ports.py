"""`ports.map`: which loopback port belongs to which instance. Changed only under the machine's lock."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import B24BotError

FIRST_PORT: Final = 18080
LAST_PORT: Final = 32767  # above begins the range from which the kernel takes ports for outgoing connections


def read_ports(path: Path) -> dict[str, int]:
    """'<instance>:<port>' a line -> mapping; a missing file is an empty one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {name: int(port) for name, _, port in (line.strip().partition(":") for line in lines) if port.isdigit()}


def write_ports(ports: dict[str, int]) -> bytes:
    return "".join(f"{name}:{port}\n" for name, port in sorted(ports.items(), key=lambda item: item[1])).encode()


def choose_port(taken: dict[str, int], instance: str) -> int:
    """The instance's own port, else the lowest that neither the map nor any program has. Raises B24BotError."""
    if instance in taken:
        return taken[instance]
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if port not in taken.values() and is_free(port):
            return port
    raise B24BotError(f"no port from {FIRST_PORT} to {LAST_PORT} is free")


def is_free(port: int) -> bool:
    """Nothing listens there, on whatever address."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def holder_of(port: int) -> str:
    """Who listens there, as 'apache2 (pid 12)'; '' when nobody does."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[1].endswith(f":{port:04X}") and words[3] == "0A":
                    inodes.add(f"socket:[{words[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for handle in (process / "fd").iterdir():
                if str(handle.readlink()) in inodes:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return "another program"
