"""An account that was mended is tried at once, whatever the worker does in the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from python_bot.db import Storage
from python_bot.outbox import SqliteOutbox
from python_bot.relay.accounts import Accounts
from python_bot.relay.kinds import CHANNEL_ATTACH, attach_job


class Meanwhile:
    """A storage; after so many writes of others the worker writes that its try has failed."""

    def __init__(self, storage: Storage, fails: Callable[[], None], after: int) -> None:
        self._storage, self._fails, self._left = storage, fails, after

    def write(self, work: Any) -> Any:
        if self._left == 0:
            self._fails()
        self._left -= 1
        return self._storage.write(work)


@pytest.mark.parametrize("after", [0, 1])
def test_a_try_that_fails_while_the_account_is_changed_takes_the_next_one_not_with_it(
    after: int, tmp_path: Path
) -> None:
    storage, now = Storage(tmp_path / "dialogs.db"), time.time()
    storage.open()
    outbox = SqliteOutbox(storage)
    storage.write(lambda tx: outbox.put(tx, attach_job(1), now))
    (running,) = storage.write(lambda tx: outbox.claim(tx, (CHANNEL_ATTACH,), 1, now, 60.0))

    def fails() -> None:
        storage.write(lambda tx: outbox.postpone(tx, running.id, now + 600, "402"))

    parts = Mock(storage=Meanwhile(storage, fails, after), outbox=outbox)
    parts.intake.hurry.side_effect = lambda job: parts.storage.write(lambda tx: outbox.put(tx, job, now))
    Accounts(parts, "acme")._changed(1)
    if after:
        fails()
    due = outbox.next_due((CHANNEL_ATTACH,))
    storage.close()
    assert due is not None
    assert due <= time.time()
