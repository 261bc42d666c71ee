"""What nginx and certbot need for an instance, and what has to go with one: lists of steps, parts of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import B24BotError
from . import acme, inventory, nginx
from .paths import Layout
from .spec import InstanceSpec, write_spec
from .steps import Absent, AcmeCertificate, EmptyDirectoryGone, File, Link, NginxReload, Step


def directories(layout: Layout, spec: InstanceSpec) -> list[Path]:
    """Shared ones that have to exist."""
    wanted = [layout.nginx_common.parent, layout.vhost("x").parent, layout.vhost_link("x").parent]
    return [*wanted, layout.includes(spec.domain), *([layout.acme_webroot] if spec.acme_server else [])]


def served(layout: Layout, spec: InstanceSpec) -> list[Step]:
    """The domain's certificate, its virtual host and the instance's part of it."""
    tls = nginx.Certificate(spec.certificate, spec.key) if spec.certificate else None
    vhost = nginx.vhost(layout, spec.domain, spec.unicode_domain, single=spec.single, tls=tls)
    target = Path("/") / layout.vhost(spec.domain).relative_to(layout.root)
    return [
        *_certificate(layout, spec),
        File(layout.nginx_common, nginx.common(layout)),
        File(layout.nginx / "b24bots.d/proxy.conf", nginx.render("proxy.conf")),
        File(
            layout.include(spec.domain, spec.name),
            nginx.instance_include(layout, spec.name, spec.prefix, spec.port),
        ),
        File(layout.vhost(spec.domain), vhost),
        Link(layout.vhost_link(spec.domain), str(target)),
        *_former_site(layout, spec),
        NginxReload(),
        *_former_certificate(layout, spec),
        *_neighbours(layout, spec),
    ]


def _certificate(layout: Layout, spec: InstanceSpec) -> list[Step]:
    if not spec.acme_server:
        return []
    made = dict.fromkeys([*_read_made(layout), *acme.missing_now(layout, spec.acme_server)])
    record = json.dumps([str(path) for path in made], indent=1).encode()
    return [File(layout.certbot_made, record), AcmeCertificate(spec.domain, spec.acme_server, spec.acme_email)]


def _read_made(layout: Layout) -> list[Path]:
    try:
        return [Path(path) for path in json.loads(layout.certbot_made.read_text(encoding="utf-8"))]
    except (OSError, ValueError):
        return []


def _neighbours(layout: Layout, spec: InstanceSpec) -> list[Step]:
    """The other instances of the domain know its certificate; what they are reached by is their own affair."""
    facts = {name: getattr(spec, name) for name in ("certificate", "key", "acme_server", "acme_email")}
    return [
        File(layout.spec_file(other.name), write_spec(replace(other, **facts)))
        for other in inventory.others(layout, spec.name)
        if other.domain == spec.domain
    ]


def _former_site(layout: Layout, spec: InstanceSpec) -> list[Step]:
    """What an instance leaves behind that moves to another domain."""
    former = moves_from(layout, spec)
    return gone(layout, former, inventory.others(layout, spec.name)) if former else []


def _former_certificate(layout: Layout, spec: InstanceSpec) -> list[Step]:
    """certbot's, when the domain has another one now or the instance another domain."""
    former = _former(layout, spec)
    if former is None or not former.acme_server or (former.domain == spec.domain and spec.acme_server):
        return []
    others = inventory.others(layout, spec.name)
    if former.domain == spec.domain:
        others = [other for other in others if other.domain != spec.domain]
    return certificate_gone(layout, former, [*others, spec])


def moves_from(layout: Layout, spec: InstanceSpec) -> InstanceSpec | None:
    """The instance on its former domain; None when it stays, or is new."""
    former = _former(layout, spec)
    return former if former and former.domain != spec.domain else None


def _former(layout: Layout, spec: InstanceSpec) -> InstanceSpec | None:
    with suppress(B24BotError):
        return inventory.spec(layout, spec.name)
    return None


def gone(layout: Layout, spec: InstanceSpec, others: Iterable[InstanceSpec]) -> list[Step]:
    """The instance's part of the virtual host goes, and the host itself with the last instance."""
    steps: list[Step] = [Absent(layout.include(spec.domain, spec.name))]
    if all(other.domain != spec.domain for other in others):
        steps += [
            Absent(layout.vhost_link(spec.domain)),
            Absent(layout.vhost(spec.domain)),
            EmptyDirectoryGone(layout.includes(spec.domain)),
        ]
    return steps


def certificate_gone(layout: Layout, spec: InstanceSpec, others: Iterable[InstanceSpec]) -> list[Step]:
    """After the reload of nginx: certbot's certificate goes with the domain's last instance."""
    others = list(others)
    if not spec.acme_server or any(other.domain == spec.domain and other.acme_server for other in others):
        return []
    steps = acme.gone(layout, spec.domain)
    if not any(other.acme_server for other in others):
        steps += [*acme.leftovers_gone(layout, spec.domain, _read_made(layout)), Absent(layout.certbot_made)]
    return steps
