"""What goes to the portal next of a chat, and what is to wait: our own words that come back, what may have been
overtaken, and what may still be on its way."""

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
from python_bot.relay.parts import UNDER_WAY_S

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
        self.now = T + 1.0
        self.channel: Any = SimpleNamespace(title="Tiny")

    def hears(self, number: int, *, is_held: bool = False) -> int:
        said = Incoming(f"k{number}", "message", "anna", f"c{number}", T + number, Person("anna", "Anna"), str(number))
        ref = self.storage.write(lambda tx: self.messages.add_in(tx, self.account, said, T))
        assert ref is not None
        if is_held:
            self.storage.write(lambda tx: self.messages.hold(tx, ref))
        return ref

    def settle(self) -> None:
        self.storage.write(lambda tx: self.messages.settle_out(tx, self.account, self.ref, "sent", ("m1",)))

    def turn(self) -> None:
        new = in_job(self.account, "anna")
        job = Job(1, new.kind, dict(new.payload), new.lane, new.dedupe_key, "", 1, T, T)
        parts: Any = SimpleNamespace(
            storage=self.storage,
            channels=self.channels,
            messages=self.messages,
            registry=SimpleNamespace(load=lambda name: self.channel),
            intake=SimpleNamespace(queue=self.queued.append, queue_with=self.storage.write),
            open_line=SimpleNamespace(send=self._send, external_ids=lambda chat_id: {"c2"}),
            portal_chat=lambda connector_id, chat_id: 7,
            links=SimpleNamespace(),
            metrics=Metrics(),
        )
        assert Arrivals(parts, lambda: self.now)([job]) == [None]

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


def test_nothing_overtakes_what_waits_to_know_what_was_said_before_it(tmp_path: Path) -> None:
    world = relay(tmp_path)
    world.settle()
    world.turn()
    world.channel = SimpleNamespace(title="Tiny", settle_s=1.0, missed=lambda account, chat_id, since: ())
    ref = world.hears(2, is_held=True)
    world.hears(3)  # a poll told it, and nothing is said of what was before
    world.turn()
    assert world.shown == []
    world.storage.write(lambda tx: world.messages.let_go(tx, [ref]))
    world.turn()
    assert [item["message"]["text"] for item in world.shown] == ["2", "3"]
    world.storage.close()


def test_what_became_of_a_request_is_looked_for_when_it_is_over(tmp_path: Path) -> None:
    world = relay(tmp_path)
    world.settle()
    world.turn()
    refs = [world.hears(2), world.hears(3)]
    world.storage.write(lambda tx: world.messages.trying(tx, refs, int(world.now)))
    world.turn()
    assert (world.shown, world.queued[-1].due_at) == ([], world.now + UNDER_WAY_S)
    world.now += UNDER_WAY_S
    world.turn()
    assert [item["message"]["text"] for item in world.shown] == ["3"]
    world.storage.close()
