"""Fixtures of the tests over one real instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import Stranger, adopt, wait_idle
from tests.support import Server


@pytest.fixture
def portal() -> Iterator[SimulatedPortal]:
    with SimulatedPortal() as portal:
        yield portal


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger() as stranger:
        yield stranger


@pytest.fixture
def server(portal: SimulatedPortal) -> Iterator[Server]:
    """An instance that is installed under the application_token of the recordings and begins its set-up."""
    server = Server(portal)
    adopt(portal, server)
    with server:
        yield server


@pytest.fixture
def idle_server(portal: SimulatedPortal, server: Server) -> Server:
    """The same, after its set-up."""
    wait_idle(server)
    portal.wait_quiet()
    return server
