"""What an operator said while we were away goes first; and for how long a portal that does not answer is waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from python_bot.channels.base import Identity, Incoming, Person
from python_bot.channels.messages import SqliteChannelMessages
from python_bot.channels.store import SqliteChannels
from python_bot.db import Storage
from python_bot.errors import CallRefused, PortalUnavailable, StorageBusy
from python_bot.intake import channel_job
from python_bot.metrics import Metrics
from python_bot.model import Job, NewJob
from python_bot.outbox import SqliteOutbox
from python_bot.relay.abreast import CALM_S, PATIENCE_S, PAUSE_S, WINDOW_S, Abreast
from python_bot.web.door import Door
from python_bot.web.inbound import Note

T = 1_785_312_000.0
CONNECTOR = "b24bot_acme_tiny1"


class World:
    """Chats 1, 2, … of the portal are those of clients c1, c2, …; all began before the start but for c9."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.outbox = storage, SqliteOutbox(storage)
        self.channels, self.messages = SqliteChannels(storage), SqliteChannelMessages(storage)
        self.asked: list[list[int]] = []
        self.failure: Exception | None = None
        self.now = T
        account = storage.write(lambda tx: self.channels.add(tx, "tiny", Identity("box-1", "Box"), 3, {}, int(T) - 99))
        storage.write(lambda tx: self.channels.name_connector(tx, account, CONNECTOR))
        for number in (1, 2, 3, 9):
            chat, at = f"c{number}", int(T) + (5 if number == 9 else -5)
            said = Incoming(chat, "message", chat, chat, at, Person(chat, chat))
            storage.write(
                lambda tx, said=said: self.channels.touch_chat(tx, account, said.chat_id, "", "", said.sender)
            )
            storage.write(lambda tx, said=said, at=at: self.messages.add_in(tx, account, said, at))
        self.abreast = Abreast(storage, self.channels, self.messages, self.outbox, self._compare, lambda: self.now)

    def _compare(self, chats: Sequence[int]) -> dict[int, Exception | None]:
        self.asked.append(sorted(chats))
        return dict.fromkeys(chats, self.failure)

    def waits(self, *chats: int) -> None:
        for chat in chats:
            self.storage.write(lambda tx, chat=chat: self.outbox.put(tx, self._new(chat), self.now))

    def sends(self, chat: int) -> None:
        new = self._new(chat)
        job = Job(1, new.kind, dict(new.payload), new.lane, new.dedupe_key, "", 1, self.now, self.now)
        self.abreast.catch_up(job)

    def _new(self, chat: int) -> NewJob:
        item = {"im": {"chat_id": chat, "message_id": 100 + chat}, "message": {}, "chat": {"id": f"c{chat}"}}
        return channel_job(CONNECTOR, 3, item, "", self.now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    storage = Storage(tmp_path / "dialogs.db")
    storage.open()
    yield World(storage)
    storage.close()


def test_a_chat_is_compared_once_and_with_it_those_that_wait(world: World) -> None:
    world.waits(1, 2)
    world.sends(1)
    world.sends(2)
    world.sends(1)
    world.sends(3)
    assert world.asked == [[1, 2], [3]]
    with world.storage.read() as tx:
        known = [world.channels.of_portal_chat(tx, chat) for chat in (1, 2, 3)]
    assert [found[1] for found in known if found] == ["c1", "c2", "c3"]


def test_nothing_is_asked_of_a_chat_that_began_later_or_when_the_start_is_long_ago(world: World) -> None:
    world.sends(9)
    world.now += WINDOW_S
    world.sends(1)
    assert world.asked == []


def test_events_that_could_not_be_stored_make_every_chat_doubtful_again(world: World) -> None:
    world.sends(1)
    world.now += 60
    world.abreast.doubt()
    world.sends(1)
    world.sends(9)
    assert world.asked == [[1], [1], [9]]


def test_a_portal_that_does_not_answer_is_waited_for_a_while_only(world: World) -> None:
    world.failure = PortalUnavailable("no answer")
    began = world.now
    while world.now < began + PATIENCE_S:
        with pytest.raises(PortalUnavailable):
            world.sends(1)
        with pytest.raises(PortalUnavailable):
            world.sends(2)  # it is not asked for each chat
        world.now += PAUSE_S / 2
    assert len(world.asked) == PATIENCE_S / PAUSE_S
    world.sends(1)
    world.sends(2)
    asked = len(world.asked)
    world.now += CALM_S
    world.failure = None
    world.sends(1)
    world.sends(2)
    assert world.asked[asked:] == [[1], [2]]


def test_what_the_portal_refuses_for_good_is_not_waited_for(world: World) -> None:
    world.failure = CallRefused("imopenlines.session.history.get", "ACCESS_DENIED", "")
    world.sends(1)
    world.sends(1)
    assert world.asked == [[1]]


def test_the_door_tells_of_an_event_that_could_not_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*request: object) -> None:
        raise StorageBusy("another process holds the database")

    told: list[str] = []
    door = Door(*[cast(Any, None)] * 4, Metrics(), lambda: told.append("lost"))
    monkeypatch.setattr(door, "_receive", fails)
    assert door.receive(b"", b"", "trace", Note("trace")).status == 503
    assert told == ["lost"]
