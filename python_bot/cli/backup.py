"""`botctl <instance> backup FILE` and `restore FILE`: everything of an instance in one file, and back again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import click

from .. import __version__
from ..db import inspect
from ..errors import B24BotError
from ..migrations import STEPS
from ..provisioning import backup as archive
from ..provisioning import health, inventory, releases
from ..provisioning import restore as restoring
from ..provisioning import transaction as tx
from ..provisioning.backup import BadBackup, Contents
from ..provisioning.domain import Domain, read_domain
from ..provisioning.paths import Layout
from ..provisioning.ports import choose_port, read_ports
from ..provisioning.spec import InstanceSpec
from ..settings import INSTANCE_NAME
from . import certificates
from .env_change import check
from .instances import check_name, need_root
from .output import echo_json, json_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def backup(instance: str, file: Path, as_json: bool) -> None:
    """Write everything of the instance to one file, while it runs: archive, files, settings, tokens.

    The file holds secrets: only its owner can read it. In a directory it gets a name with the date.

    \b
    Examples:
      botctl shop-1 backup /root/shop-1.tar.gz
      botctl shop-1 backup /var/backups/
    """
    layout = inventory.layout()
    spec = inventory.spec(layout, instance)
    need_root(layout)
    if file.is_dir():
        file /= f"b24bot-{instance}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz"
    size = archive.write(layout, spec, file, __version__)
    if as_json:
        echo_json({"instance": instance, "file": str(file), "bytes": size})
    else:
        click.echo(f"{file} ({size / 1024 / 1024:.1f} MiB). It holds secrets: keep it where only you can read it.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "new_name", metavar="NAME", help="Restore under another name.")
@click.option("--domain", help="Serve it on another domain than before.")
@click.option("--replace", "may_replace", is_flag=True, help="Take the place of an instance that exists.")
@click.option("--check", "check_only", is_flag=True, help="Only say whether the file is whole, and what it holds.")
@json_option
@click.pass_obj
def restore(
    instance: str,
    file: Path,
    new_name: str | None,
    domain: str | None,
    may_replace: bool,
    check_only: bool,
    as_json: bool,
) -> None:
    """Make the instance that a backup holds, on this server or another; INSTANCE is its name in the backup.

    Everything is verified before anything changes. With --replace the present home is kept aside until the restored
    instance works.

    \b
    Examples:
      botctl shop-1 restore /root/shop-1.tar.gz
      botctl shop-1 restore shop-1.tar.gz --as shop-2 --domain bots.example.ru
      botctl shop-1 restore shop-1.tar.gz --check
    """
    layout = inventory.layout()
    name = new_name or instance
    if not INSTANCE_NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name for an instance")
    if as_json and not check_only:
        raise click.UsageError("--json goes with --check")
    if not check_only:
        need_root(layout)
        _refuse_existing(layout, name, may_replace)
    with _directory(layout) as directory:
        contents = archive.unpack(file, directory)
        found = contents.spec.name
        if found != instance:
            raise BadBackup(
                f"{file} is a backup of {found}, not of {instance}; nothing was changed",
                next_step=f"botctl {found} restore {file}" + f" --as {name}",
            )
        copy = inspect(contents.home / archive.DATABASE)
        what = f"{found} of {contents.made_at}: {copy.dialogs} dialogs, {copy.messages} messages"
        if copy.schema > len(STEPS):
            raise BadBackup(
                f"{file} has schema {copy.schema}, this release knows {len(STEPS)}; nothing was changed",
                next_step="install the release that made it, or a newer one",
            )
        if as_json:
            echo_json({"instance": found, "made_at": contents.made_at, **asdict(copy)})
            return
        if check_only:
            click.echo(f"The backup is whole: {what}.")
            return
        spec = _put_in_place(layout, contents, name, domain, may_replace=may_replace, schema=copy.schema)
    click.echo(f"{name} is restored: {what}.")
    _farewell(layout, contents.spec, spec)


def _put_in_place(
    layout: Layout, contents: Contents, name: str, domain: str | None, *, may_replace: bool, schema: int
) -> InstanceSpec:
    machine = restoring.RestoringMachine(layout)
    with tx.exclusive(layout, lambda text: click.echo(text, err=True)):
        tx.recover(layout, machine)
        _refuse_existing(layout, name, may_replace)
        former = inventory.spec(layout, name) if layout.spec_file(name).exists() else None
        ports = read_ports(layout.ports_map)
        spec = _wanted(layout, contents.spec, name, domain, choose_port(ports, name))
        _check_place(layout, spec, former, schema)
        steps = restoring.steps(layout, contents, spec, ports, silent=_has_twin(layout, contents.spec, name))

        def verify() -> None:
            if spec.enabled and not layout.is_staging:
                health.wait_until_ready(spec, through_nginx=True)

        try:
            tx.Transaction(layout, machine, f"restore {name}").carry_out(steps, verify)
        except BaseException:
            if former is not None and former.enabled:
                with suppress(B24BotError):
                    machine.restart(name)
            raise
    return spec


def _wanted(layout: Layout, stored: InstanceSpec, name: str, domain: str | None, port: int) -> InstanceSpec:
    served = read_domain(domain) if domain else Domain(stored.domain, stored.unicode_domain)
    release = stored.release
    if release not in releases.installed(layout):
        release = releases.default(layout) or __version__
    moved = replace(stored, name=name, domain=served.ascii, unicode_domain=served.unicode, port=port, release=release)
    has_moved = served.ascii != stored.domain
    if has_moved or (stored.acme_server and not Path(stored.certificate).is_file()):
        moved = certificates.without(moved)
    env = {
        **stored.env,
        "B24BOT_INSTANCE": name,
        "B24BOT_HOME": str(Path("/") / layout.home(name).relative_to(layout.root)),
        "PORT": str(port),
    }
    if (name, moved.scheme) != (stored.name, stored.scheme) or has_moved:
        env["B24BOT_PUBLIC_URL"] = moved.public_url
    check(env)
    return replace(moved, env=env)


def _refuse_existing(layout: Layout, name: str, may_replace: bool) -> None:
    exists = layout.spec_file(name).exists() or layout.home(name).exists() or layout.env_file(name).exists()
    if exists and not may_replace:
        raise B24BotError(
            f"{name} exists on this server; nothing was changed",
            next_step=f"give --as NAME for another name, or --replace: it takes the place of {name}",
        )


def _check_place(layout: Layout, spec: InstanceSpec, former: InstanceSpec | None, schema: int) -> None:
    """What can be known to fail before anything changes."""
    known = releases.schema(layout, spec.release)
    if known and schema > known:
        raise B24BotError(
            f"the backup has schema {schema}, release {spec.release} of this server knows {known}; nothing was changed",
            next_step="run setup_multi.sh of a newer release first",
        )
    check_name(layout, spec)
    for path in filter(None, (spec.certificate, spec.key)):
        if not Path(path).is_file():
            raise B24BotError(
                f"the certificate {path} is not on this server; nothing was changed",
                next_step="copy it there first, or give --domain for plain HTTP under another name",
            )
    if former is not None and former.domain != spec.domain:
        raise B24BotError(
            f"{spec.name} is served on {former.unicode_domain} now, and the backup on {spec.unicode_domain}",
            next_step=f"give --domain {former.unicode_domain}, or purge {spec.name} first",
        )


def _has_twin(layout: Layout, stored: InstanceSpec, name: str) -> bool:
    """The original lives on this server under its own name: two of them would take each other's tokens."""
    return name != stored.name and layout.spec_file(stored.name).exists()


def _farewell(layout: Layout, stored: InstanceSpec, spec: InstanceSpec) -> None:
    click.echo(f"Handler URL: {spec.public_url}")
    if stored.acme_server and not spec.acme_server:
        click.echo(f"Its certificate stayed where it was; a new one: botctl {spec.name} create --tls acme")
    if _has_twin(layout, stored, spec.name):
        click.echo(
            f"{stored.name} lives here too and has the same tokens of the portal: {spec.name} shows its archive and"
            " calls nobody."
        )
        click.echo(f"Next step: botctl {stored.name} off, then botctl {spec.name} enable, if it is to take over")
    elif spec.env["B24BOT_PUBLIC_URL"] != stored.env.get("B24BOT_PUBLIC_URL"):
        click.echo("Next step: write the new URL into the local application in the portal (both paths)")
    else:
        click.echo("Next step: see to it that the former instance is off, wherever it ran: both have the same tokens")


@contextmanager
def _directory(layout: Layout) -> Iterator[Path]:
    """A directory of ours on the file system of the homes, so that what is unpacked only has to be renamed."""
    place = layout.homes
    while not place.is_dir():
        place = place.parent
    if not os.access(place, os.W_OK):
        place = Path(tempfile.gettempdir())  # only a check: nothing will be renamed from there
    directory = Path(tempfile.mkdtemp(prefix=".b24bot-restore-", dir=place))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
