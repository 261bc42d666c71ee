"""Which certificate an instance is to have, from what was asked for and what its domain has already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from ..errors import B24BotError
from ..provisioning import acme, inventory
from ..provisioning.domain import is_address
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from ..provisioning.steps import AcmeCertificate

OPTIONS: Final = ("tls", "tls_cert", "tls_key", "acme_email", "acme_server")
KINDS: Final = ("acme", "off")


def options(command: Any) -> Any:
    """The flags of `create` that concern HTTPS."""
    for flag, text in (
        ("--acme-server", "Address of its directory, when it is not Let's Encrypt."),
        ("--acme-email", "Your address for a new account with the authority."),
        ("--tls-key", "The certificate's key."),
        ("--tls-cert", "HTTPS with your own certificate: its full chain."),
    ):
        command = click.option(flag, help=text)(command)
    text = "acme: HTTPS with a certificate that certbot gets and renews; off: plain HTTP again."
    return click.option("--tls", type=click.Choice(KINDS), help=text)(command)


def with_certificate(layout: Layout, spec: InstanceSpec, given: dict[str, str], former: str) -> InstanceSpec:
    """`former`: the domain of the instance until now, '' for a new one."""
    _check(given)
    others = [other for other in inventory.others(layout, spec.name) if other.domain == spec.domain]
    is_https_here = any(other.scheme == "https" for other in others)
    shared = next((other for other in others if other.certificate), None)
    if given.get("tls_cert"):
        return _own(spec, given["tls_cert"], given["tls_key"])
    if given.get("tls") == "acme":
        server = given.get("acme_server") or spec.acme_server or acme.LETS_ENCRYPT
        return _from_authority(layout, spec, server, given.get("acme_email") or spec.acme_email)
    if given.get("tls") == "off":
        return replace(spec, scheme="http") if is_https_here else without(spec)
    if shared is not None:
        arrives = former != spec.domain
        return replace(_like(spec, shared), scheme="https" if arrives and is_https_here else spec.scheme)
    if spec.acme_server and former != spec.domain:
        return _from_authority(layout, spec, spec.acme_server, spec.acme_email)
    return spec


def until_issued(layout: Layout, spec: InstanceSpec, options: dict[str, Any]) -> InstanceSpec | None:
    """The instance as it is while the authority is asked; None when there is nothing to ask for. Raises B24BotError.

    It stays so when the authority refuses: served over HTTP, or with the certificate that the domain had.
    """
    if spec.acme_server and options["no_nginx"]:
        raise click.UsageError("--tls acme needs our nginx: with --no-nginx the other proxy has the certificate")
    step = AcmeCertificate(spec.domain, spec.acme_server, spec.acme_email)
    if not spec.acme_server or layout.is_staging or acme.is_issued(layout, step):
        return None
    if not options["plan_only"]:
        acme.need_certbot()
    here = [other for name in inventory.names(layout) if (other := inventory.spec(layout, name)).domain == spec.domain]
    before = next((other for other in here if other.name == spec.name), None)
    shared = next((other for other in here if other.certificate), None)
    found = replace(_like(spec, shared) if shared else without(spec), scheme=before.scheme if before else "http")
    return replace(found, env={**spec.env, "B24BOT_PUBLIC_URL": found.public_url})


def point_to_neighbours(layout: Layout, spec: InstanceSpec, say: dict[str, str]) -> None:
    """Each portal has its own handler URL; which others could have an https one now is told, not changed."""
    flags = "--tls acme" if spec.acme_server else f"--tls-cert {spec.certificate} --tls-key {spec.key}"
    for other in inventory.others(layout, spec.name):
        if spec.scheme == "https" and other.domain == spec.domain and other.scheme == "http":
            click.echo(say["neighbour"].format(name=other.name, flags=flags))


def _check(given: dict[str, str]) -> None:
    if bool(given.get("tls_cert")) != bool(given.get("tls_key")):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    if given.get("tls") and given["tls"] not in KINDS:
        raise click.UsageError(f"TLS={given['tls']}: it is one of {', '.join(KINDS)}")
    if given.get("tls") and given.get("tls_cert"):
        raise click.UsageError("--tls and --tls-cert exclude each other")
    if given.get("tls") != "acme" and (given.get("acme_server") or given.get("acme_email")):
        raise click.UsageError("--acme-server and --acme-email belong to --tls acme")


def _own(spec: InstanceSpec, certificate: str, key: str) -> InstanceSpec:
    for path in (certificate, key):
        if not Path(path).is_file():
            raise B24BotError(f"{path} is no file", next_step="give the full path of a PEM file")
    certificate, key = str(Path(certificate).resolve()), str(Path(key).resolve())
    return replace(without(spec), scheme="https", certificate=certificate, key=key)


def _from_authority(layout: Layout, spec: InstanceSpec, server: str, email: str) -> InstanceSpec:
    if is_address(spec.domain):
        raise B24BotError(f"an authority certifies names, and {spec.domain} is an address", next_step="give --domain")
    if urlsplit(server).scheme != "https" or not urlsplit(server).hostname:
        raise click.UsageError(f"--acme-server {server}: give the https address of the authority's directory")
    certificate, key = acme.certificate_files(layout, spec.domain)
    return replace(spec, scheme="https", certificate=certificate, key=key, acme_server=server, acme_email=email)


def without(spec: InstanceSpec) -> InstanceSpec:
    """Over plain HTTP."""
    return replace(spec, scheme="http", certificate="", key="", acme_server="", acme_email="")


def _like(spec: InstanceSpec, other: InstanceSpec) -> InstanceSpec:
    return replace(
        spec,
        certificate=other.certificate,
        key=other.key,
        acme_server=other.acme_server,
        acme_email=other.acme_email,
    )
