"""Machines for the tests in a booted Debian. Without root, debootstrap or systemd-nspawn they are skipped."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from . import trees
from .debian import Machine

MISSING = trees.what_is_missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if MISSING and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def installed() -> Iterator[Callable[[str], list[Path]]]:
    """Layers of a Debian with the product installed and no instance yet; made once a session and release."""
    made: dict[str, list[Path]] = {}
    directory = Path(tempfile.mkdtemp(prefix="b24bot-e2e-", dir="/var/tmp"))

    def layers(codename: str) -> list[Path]:
        if codename not in made:
            made[codename] = trees.with_product(codename, directory / codename)
        return made[codename]

    yield layers
    shutil.rmtree(directory, ignore_errors=True)


def _ready(machine: Machine) -> Machine:
    machine.write("/etc/hosts", "127.0.0.1 localhost bots.example.ru other.example.ru xn--e1afmkfd.xn--p1ai\n")
    return machine


@pytest.fixture
def machine(installed: Callable[[str], list[Path]]) -> Iterator[Machine]:
    """A booted Debian 12 with the product and no instance."""
    with Machine(installed("bookworm")) as booted:
        yield _ready(booted)


@pytest.fixture
def boot(installed: Callable[[str], list[Path]]) -> Iterator[Callable[..., Machine]]:
    """For tests that choose the Debian or change something before the boot."""
    running: list[Machine] = []

    def booted(
        codename: str = "bookworm",
        options: Sequence[str] = (),
        packages: bool = True,
        product: bool = True,
        systemd: bool = True,
        ufw: bool = False,
        authority: bool = False,
    ) -> Machine:
        layers = installed(codename) if packages and product else [trees.bare(codename)]
        if packages and not product:
            layers = trees.with_packages(codename)
        if ufw:
            layers = [layers[0], trees.with_ufw(codename), *layers[1:]]
        if authority:
            layers = [layers[0], trees.with_authority(codename), *layers[1:]]
        running.append(Machine(layers, options=options, systemd=systemd).__enter__())
        return _ready(running[-1])

    yield booted
    for each in reversed(running):
        each.__exit__(None, None, None)
