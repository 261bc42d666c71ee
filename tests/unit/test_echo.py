"""Our own words that a messenger tells us as a colleague's: between two looks they may get their number."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from python_bot.channels.base import Identity, Incoming, Person
from python_bot.channels.messages import SqliteChannelMessages
from python_bot.channels.store import SqliteChannels
from python_bot.db import Storage
from python_bot.metrics import Metrics
from python_bot.model import Job
from python_bot.relay.incoming import Arrivals
from python_bot.relay.kinds import in_job

T = 1_785_312_000


class Relay:
    """A chat in which an answer of the line is on its way, and the messenger has told of it already."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.channels, self.messages = SqliteChannels(storage), SqliteChannelMessages(storage)
        self.account = storage.write(lambda tx: self.channels.add(tx, "tiny", Identity("b", "Box"), 3, {}, T))
        self.ref = storage.write(
            lambda tx: self.messages.begin_part(tx, self.account, "anna", (7, 70), (0, "text"), {}, T)
        )
        echo = Incoming("1", "message", "anna", "m1", T, Person("us", "Us"), "Hello, Anna", by="staff")
        storage.write(lambda tx: self.channels.touch_chat(tx, self.account, "anna", "", "", Person("anna", "Anna")))
        storage.write(lambda tx: self.messages.add_in(tx, self.account, echo, T))
        self.queued: list[Any] = []
        self.shown: list[Any] = []

    def settle(self) -> None:
        self.storage.write(lambda tx: self.messages.settle_out(tx, self.account, self.ref, "sent", ("m1",)))

    def turn(self) -> None:
        new = in_job(self.account, "anna")
        job = Job(1, new.kind, dict(new.payload), new.lane, new.dedupe_key, "", 1, T, T)
        parts: Any = SimpleNamespace(
            storage=self.storage,
            channels=self.channels,
            messages=self.messages,
            registry=SimpleNamespace(load=lambda name: SimpleNamespace(title="Tiny")),
            intake=SimpleNamespace(queue=self.queued.append, queue_with=self.storage.write),
            open_line=SimpleNamespace(send=self._send),
            metrics=Metrics(),
        )
        assert Arrivals(parts, lambda: T + 1.0)([job]) == [None]

    def _send(self, connector: str, line_id: int, items: list[Any]) -> list[tuple[int, str]]:
        self.shown += items
        return [(7, "") for _ in items]

    def statuses(self) -> list[str]:
        with self.storage.read() as tx:
            return [row[0] for row in tx.sql.execute("SELECT status FROM channel_messages ORDER BY id")]


def relay(home: Path) -> Relay:
    storage = Storage(home / "dialogs.db")
    storage.open()
    return Relay(storage)


def test_what_may_be_our_own_waits_until_its_number_is_known(tmp_path: Path) -> None:
    world = relay(tmp_path)
    world.turn()
    assert (world.shown, len(world.queued), world.statuses()) == ([], 1, ["sending", "waiting"])
    world.settle()
    world.turn()
    assert (world.shown, world.statuses()) == ([], ["sent", "dropped"])
    world.storage.close()


def test_a_number_that_comes_between_two_looks_is_seen(tmp_path: Path) -> None:
    world = relay(tmp_path)
    look, looks = world.messages.origin, 0

    def origin(account_id: int, message_id: str) -> Any:
        nonlocal looks
        looks += 1
        found = look(account_id, message_id)
        if looks == 1:
            world.settle()
        return found

    world.messages.origin = origin
    world.turn()
    assert (world.shown, world.statuses()) == ([], ["sent", "dropped"])
    world.storage.close()
