"""What a machine needs for an instance, and what has to go with one: plain lists of steps. Pure but for reading nginx.

`botctl INSTANCE create --plan` shows them; `transaction` does them.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from . import duckdns, inventory, sites
from .envfile import write_env
from .paths import Layout
from .ports import write_ports
from .spec import InstanceSpec, write_spec
from .steps import (
    Absent,
    DaemonReload,
    Directory,
    EmptyDirectoryGone,
    File,
    FirewallPort,
    Link,
    NginxReload,
    Process,
    Step,
    SystemUser,
    UnitState,
)

UNIT_TEMPLATES: Final = Path(__file__).parent.parent.parent / "systemd"
# The portal and the authorization server are public: a private address is never one of theirs.
RESOLVERS: Final = Path("/etc/resolv.conf")
WEB_PORTS: Final = (80, 443)
PRIVATE_NETWORKS: Final = "169.254.0.0/16 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fe80::/10 fc00::/7"


def create(
    layout: Layout,
    spec: InstanceSpec,
    ports: dict[str, int],
    *,
    nginx_wanted: bool = True,
    address: duckdns.DuckDns | None = None,
) -> list[Step]:
    """Everything of a running instance, in an order in which nothing is served before it works.

    An instance that runs already gets its new address before its restart tells the portal about it.
    `address`: the name at DuckDNS that this server keeps leading to itself.
    """
    user = layout.user(spec.name)
    home = layout.home(spec.name)
    shared = _missing_directories(layout, sites.directories(layout, spec) if nginx_wanted else [])
    by_name = duckdns.files(layout, address) if address else []
    shared += [step for step in by_name if isinstance(step, Directory)]
    made = [*read_made_directories(layout), *(str(step.path) for step in shared)]
    first: list[Step] = [
        *shared,
        File(layout.made_directories, json.dumps(list(dict.fromkeys(made)), indent=1).encode()),
    ]
    instance: list[Step] = [
        SystemUser(user, home),
        Directory(home, 0o700, user, is_home=True),
        Directory(home / "files", 0o700, user),
        Link(home / ".venv", str(_on_machine(layout, layout.release(spec.release)) / ".venv")),
        File(layout.env_file(spec.name), write_env(spec.env), 0o600, "root", secret=True),
        File(layout.spec_file(spec.name), write_spec(spec)),
        File(layout.ports_map, write_ports({**ports, spec.name: spec.port})),
        *_flags(layout, spec, user),
        File(layout.units / layout.socket(spec.name), _unit(layout, spec, "socket")),
        File(layout.units / layout.service(spec.name), _unit(layout, spec, "service")),
        *(step for step in by_name if not isinstance(step, Directory)),
        *_former_name(layout, spec),
        DaemonReload(),
        *_running(layout, spec.name, spec.enabled),
        *([duckdns.running(layout, address.name)] if address else []),
    ]
    site = [*sites.served(layout, spec), *web_ports(spec)] if nginx_wanted else []
    is_new = not layout.spec_file(spec.name).exists()
    return [*first, *instance, *site] if is_new else [*first, *site, *instance]


def web_ports(spec: InstanceSpec) -> list[FirewallPort]:
    """What the portal must reach; HTTP stays open beside HTTPS."""
    return [FirewallPort(port) for port in WEB_PORTS if port == 80 or spec.scheme == "https"]


def _former_name(layout: Layout, spec: InstanceSpec) -> list[Step]:
    former = sites.moves_from(layout, spec)
    is_last = former and all(other.domain != former.domain for other in inventory.others(layout, spec.name))
    return _name_gone(layout, former) if former and is_last else []


def _name_gone(layout: Layout, spec: InstanceSpec) -> list[Step]:
    """Nobody refreshes a name at DuckDNS that no instance has any more."""
    name = duckdns.name_of(spec.domain)
    return duckdns.gone(layout, name) if name else []


def purge(layout: Layout, spec: InstanceSpec, ports: dict[str, int], others: list[InstanceSpec]) -> list[Step]:
    """Everything of the instance goes; what it shared goes with the last that shared it."""
    left = {name: port for name, port in ports.items() if name != spec.name}
    is_last_of_domain = all(other.domain != spec.domain for other in others)
    made = [Path(path) for path in read_made_directories(layout)]
    steps = sites.gone(layout, spec, others)
    if not others:
        steps += [
            Absent(layout.nginx / "b24bots.d/proxy.conf"),
            Absent(layout.nginx_common),
            *(FirewallPort(port, is_open=False) for port in WEB_PORTS),
        ]
    steps += [
        NginxReload(),
        *sites.certificate_gone(layout, spec, others),
        *(Absent(path) for path in (layout.web_logs(spec.domain) if is_last_of_domain else [])),
        *_running(layout, spec.name, False),
        Absent(layout.units / layout.socket(spec.name)),
        Absent(layout.units / layout.service(spec.name)),
        *(_name_gone(layout, spec) if is_last_of_domain else []),
        DaemonReload(),
        File(layout.ports_map, write_ports(left)) if left else Absent(layout.ports_map),
        Absent(layout.env_file(spec.name)),
        Absent(layout.spec_file(spec.name)),
        Absent(layout.home(spec.name)),
        SystemUser(layout.user(spec.name), layout.home(spec.name), present=False),
    ]
    if not others:
        steps += [
            Absent(layout.made_directories),
            *(EmptyDirectoryGone(path) for path in reversed(made)),
        ]
    return steps


def _running(layout: Layout, name: str, running: bool) -> list[Step]:
    socket, service = layout.units / layout.socket(name), layout.units / layout.service(name)
    made_from = (layout.env_file(name), layout.home(name) / ".venv")
    return [
        UnitState(layout.socket(name), running, (socket,)),
        UnitState(layout.service(name), running, (socket, service, *made_from)),
        Process(name, running, made_from),
    ]


def switch(layout: Layout, spec: InstanceSpec, *, running: bool) -> list[Step]:
    """On or off. Off takes the socket first: a live socket would wake the service again."""
    user = layout.user(spec.name)
    return [
        File(layout.spec_file(spec.name), write_spec(spec)),
        *_flags(layout, spec, user),
        *_running(layout, spec.name, running),
    ]


def _flags(layout: Layout, spec: InstanceSpec, user: str) -> list[Step]:
    home = layout.home(spec.name)
    on, off = home / "ENABLED", home / "DISABLED"
    if spec.enabled:
        return [File(on, b"", 0o600, user), Absent(off)]
    return [File(off, b"", 0o600, user), Absent(on)]


def allowed_addresses(hosts: Sequence[str], resolvers: Path, former: Sequence[str] = ()) -> list[str]:
    """Loopback, the machine's name servers, and what the settings name in the local network.

    `hosts`: with or without a scheme and a port. `former`: those of the present unit; they stay while a name cannot
    be looked up.
    """
    found = ["127.0.0.0/8", "::1/128"]
    with suppress(OSError):
        for line in resolvers.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver" and _address(words[1]):
                found.append(words[1])
    for text in hosts:
        try:
            host = urlsplit(text if "://" in text else f"https://{text}").hostname or ""
            found += [host] if _address(host) else _private_addresses(host)
        except (OSError, ValueError):
            found += former
    return list(dict.fromkeys(found))


def _hosts(env: Mapping[str, str]) -> list[str]:
    """Every host that the settings let an instance call."""
    values = (env.get(name, "") for name in ("B24BOT_PORTAL", "B24BOT_FILE_HOSTS", "B24BOT_WEBHOOK_HOSTS"))
    return [host for value in values for host in value.replace(",", " ").split()]


def _private_addresses(host: str) -> list[str]:
    """A machine of one's own may have a name that leads into the local network; a cloud portal never does."""
    if not host or ".bitrix24." in f".{host}":
        return []
    addresses = {str(row[4][0]).partition("%")[0] for row in socket.getaddrinfo(host, None)}
    return sorted(address for address in addresses if ipaddress.ip_address(address).is_private)


def _former_addresses(unit: Path) -> list[str]:
    """What an instance's present unit lets through."""
    with suppress(OSError):
        rows = re.findall(r"^IPAddressAllow=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        return [address for row in rows for address in row.split()]
    return []


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def read_made_directories(layout: Layout) -> list[str]:
    try:
        found: list[str] = json.loads(layout.made_directories.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found


def _missing_directories(layout: Layout, further: list[Path]) -> list[Directory]:
    """Shared directories that do not exist yet, outermost first; those that exist are left as they are."""
    wanted = [layout.etc / "env", layout.etc / "instances", layout.homes, layout.units, *further]
    missing: dict[Path, None] = {}
    for path in wanted:
        for part in (*reversed(path.relative_to(layout.root).parents), path.relative_to(layout.root)):
            if not (layout.root / part).is_dir():
                missing[layout.root / part] = None
    return [Directory(path) for path in missing]


def _on_machine(layout: Layout, path: Path) -> Path:
    """A path as the machine itself will see it, without the staging root."""
    return Path("/") / path.relative_to(layout.root)


def _unit(layout: Layout, spec: InstanceSpec, kind: str) -> bytes:
    former = _former_addresses(layout.units / layout.service(spec.name))
    values = {
        "INSTANCE": spec.name,
        "PORT": str(spec.port),
        "USER": layout.user(spec.name),
        "RELEASE": str(_on_machine(layout, layout.release(spec.release))),
        "ENV": str(_on_machine(layout, layout.env_file(spec.name))),
        "HOME": str(_on_machine(layout, layout.home(spec.name))),
        "HOLD": str(_on_machine(layout, layout.hold(spec.name))),
        "HOMES": str(_on_machine(layout, layout.homes)),
        "DENIED_NETWORKS": PRIVATE_NETWORKS,
        "ALLOWED_ADDRESSES": " ".join(allowed_addresses(_hosts(spec.env), RESOLVERS, former)),
    }
    text = (UNIT_TEMPLATES / f"gunicorn-b24bot.{kind}").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text.encode()
