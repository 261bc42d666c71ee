"""What the doctor's tests examine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from python_bot.simulator import SimulatedPortal
from tests.cli.faults import Shop
from tests.cli.tools import StagedServer
from tests.instance.tools import wait_idle
from tests.support import until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An installed instance at rest: one client wrote and was handed over."""
    with SimulatedPortal(limits=False) as portal, StagedServer(tmp_path, portal) as server:
        server.install()
        message = portal.client("Анна Смирнова").writes("Добрый день!")
        until(lambda: portal.handed_over(message.chat_id), what="the hand-over")
        wait_idle(server)
        portal.wait_quiet()
        journaled = "SELECT 1 FROM http_journal WHERE kind = 'event' AND outcome = 'ok'"
        until(lambda: server.sql(journaled), what="its journal, written once a second, has the events")
        yield Shop(tmp_path, portal, server)
