"""What every store of subscriptions promises, and what a courier makes of it: in order, nothing lost."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import SqliteErasure
from python_bot.errors import DeliveryFailed
from python_bot.metrics import Metrics
from python_bot.subscriptions import EVENTS, Courier, SqliteSubscriptions
from python_bot.subscriptions import store as subscription_store
from python_bot.subscriptions.contract import PING
from python_bot.subscriptions.sender import Outcome
from tests.contract.conversations import ANNA, CHAT, Delete, Edit, Finish, Join, Say, Step, facts, play, said
from tests.contract.test_feed import T, repairs, steps
from tests.support import until

LATER = 4e9  # Unix seconds: every pause is over
NOW = 1_800_000_000.0
KINDS: dict[str, Callable[[Any], Any]] = {"sqlite": lambda stores: SqliteSubscriptions(stores.storage)}


class Mailbox:
    """Instead of the network: takes what comes, or fails as it is told to."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.error: DeliveryFailed | None = None

    def post(self, url: str, content: bytes, headers: Any) -> Outcome:
        if self.error is not None:
            raise self.error
        self.taken.append(json.loads(content))
        return Outcome(200, 0.0)

    def stop(self) -> None:
        pass


class Telling:
    """A store, a courier without threads, a mailbox, and a clock that somebody sets."""

    def __init__(self, stores: Any, kind: str = "sqlite") -> None:
        self.stores = stores
        self.store = KINDS[kind](stores)
        self.mailbox = Mailbox()
        self.now = NOW
        self.courier = Courier(
            stores.storage,
            stores.archive,
            self.store,
            self.mailbox,  # type: ignore[arg-type]  # stands in for the network
            Metrics(),
            "acme",
            lambda: True,
            jitter=lambda: 0.5,
            clock=lambda: self.now,
        )

    def subscribe(self, *events: str, line_id: int | None = None) -> int:
        wanted = events or EVENTS
        number: int = self.stores.write(
            lambda tx: self.store.add(tx, "https://crm.example.ru/", wanted, line_id, "whsec_x", self.now)
        )
        return number

    def deal(self) -> None:
        while self.courier.deal():
            pass

    def serve(self, subscription_id: int, rounds: int = 1_000_000, now: float = LATER) -> None:
        for _ in range(rounds):
            lanes = self.store.due(subscription_id, now, 1)
            if not lanes:
                return
            self.courier.serve(lanes[0])

    def told(self) -> list[tuple[str, int | None]]:
        return [(row["event"], row["data"].get("message", {}).get("message_id")) for row in self.mailbox.taken]


@pytest.fixture(params=KINDS)
def telling(stores: Any, request: pytest.FixtureRequest) -> Telling:
    return Telling(stores, request.param)


def say(number: int, text: str = "раз", **more: Any) -> Step:
    return Say(number, text, T + number, 1, T, **more)


# --- what is told


def test_each_thing_is_told_by_its_name_and_in_order(telling: Telling) -> None:
    number = telling.subscribe()
    play(telling.stores, [Join(T), say(1), Edit(1, "два", T + 5, 1, T), Delete(1, T + 6, 1, T), Finish(T + 9, 1)])
    telling.deal()
    telling.serve(number)
    assert telling.told() == [
        ("dialog.opened", None),
        ("message.created", 1),
        ("message.updated", 1),
        ("message.deleted", 1),
        ("dialog.closed", None),
    ]
    telling.mailbox.taken.clear()
    play(telling.stores, [repairs("раз", "два", "три")])
    telling.deal()
    telling.serve(number)
    assert telling.told()[-1] == ("dialog.complete", None)
    assert telling.mailbox.taken[-1]["data"]["dialog"]["complete"]
    assert {event for event, _ in telling.told()} == {
        "message.created",
        "message.updated",
        "message.deleted",
        "dialog.complete",
    }
    telling.mailbox.taken.clear()
    play(telling.stores, [Say(9, "снова", T + 900, 2, T + 890)])
    telling.deal()
    telling.serve(number)
    assert sorted(telling.told(), key=str) == [("dialog.opened", None), ("message.created", 9)]


def test_what_belongs_to_the_coming_of_a_message_is_told_with_it(telling: Telling) -> None:
    number = telling.subscribe("message.created", "message.updated")
    play(telling.stores, [say(1)])  # its author is named, its session gets a number
    telling.deal()
    telling.serve(number)
    assert telling.told() == [("message.created", 1)]


def test_a_message_that_changes_without_an_edit_is_an_update(telling: Telling) -> None:
    play(telling.stores, [say(1), say(2)])
    number = telling.subscribe("message.updated")
    play(telling.stores, [repairs("раз", "раз")])  # exact times
    telling.deal()
    telling.serve(number)
    assert sorted(telling.told(), key=str) == [("message.updated", 1), ("message.updated", 2)]


def test_nothing_is_written_down_while_nobody_wants_to_be_told(telling: Telling) -> None:
    play(telling.stores, [say(1)])
    assert telling.store.happenings() == 0
    first = telling.subscribe()
    play(telling.stores, [say(2)])
    assert telling.store.happenings() > 0
    telling.store.remove(first)
    number = telling.subscribe()
    play(telling.stores, [say(3)])
    telling.deal()
    telling.serve(number)
    assert telling.told() == [("message.created", 3)]


def test_what_is_told_is_the_newest_and_what_was_erased_is_not_told(telling: Telling) -> None:
    number = telling.subscribe("message.created")
    play(telling.stores, [say(1), Edit(1, "совсем другое", T + 50, 1, T)])
    telling.deal()
    telling.serve(number)
    assert telling.mailbox.taken[0]["data"]["message"] == telling.stores.message(1)
    play(telling.stores, [say(2)])
    telling.deal()
    SqliteErasure(telling.stores.storage).erase(CHAT, T + 1000)
    telling.serve(number)
    assert telling.told() == [("message.created", 1)]
    assert telling.store.deliveries(number, None, None, 10) == []
    assert telling.store.next_due(number) is None


def test_a_dialog_without_a_line_waits_for_it(telling: Telling) -> None:
    number, other = telling.subscribe("message.created", line_id=3), telling.subscribe("message.created", line_id=4)
    nowhere = facts().__class__(CHAT, f"chat{CHAT}")
    telling.stores.write(lambda tx: telling.stores.archive.add_message(tx, nowhere, said(1, "раз", T, None), 2))
    telling.now = T
    telling.deal()
    for each in (number, other):
        telling.serve(each, 1)
    assert telling.told() == []
    assert telling.store.due(number, T, 9) == []
    play(telling.stores, [say(2)])
    telling.deal()
    for each in (number, other):
        telling.serve(each)
    assert telling.told() == [("message.created", 1), ("message.created", 2)]
    assert [row.state for row in telling.store.deliveries(other, None, None, 9)] == ["dropped"]


# --- failures


def test_a_failure_holds_back_its_lane_and_nothing_else(telling: Telling) -> None:
    number, other = telling.subscribe("message.created"), telling.subscribe("message.created")
    far = facts(7, T, 6)
    play(telling.stores, [say(1), say(2)])
    telling.stores.write(lambda tx: telling.stores.archive.add_message(tx, far, said(3, "раз", T, 7, ANNA, 6), 2))
    telling.deal()
    telling.mailbox.error = DeliveryFailed("answered HTTP 500", status=500)
    telling.courier.serve((number, CHAT))
    telling.mailbox.error = None
    telling.serve(number, now=telling.now)
    telling.serve(other, now=telling.now)
    assert sorted(telling.told()) == [("message.created", each) for each in (1, 2, 3, 3)]
    backlog = telling.store.backlog()[number]
    assert (backlog.waiting, backlog.failing, backlog.last_error) == (2, 1, "answered HTTP 500")
    assert telling.store.next_due(number) == telling.now + 1.0


def test_pauses_grow_and_after_three_days_the_subscription_is_disabled_with_a_notice(telling: Telling) -> None:
    number = telling.subscribe("message.created")
    play(telling.stores, [say(1), say(2)])
    telling.deal()
    telling.mailbox.error = DeliveryFailed("answered HTTP 500", status=500)
    pauses = []
    while telling.store.one(number).active:
        telling.courier.serve((number, CHAT))
        due_at = telling.store.next_due(number)
        if due_at is not None:
            pauses.append(due_at - telling.now)
            telling.now = due_at
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(pauses) == 3600.0
    assert 3 * 24 * 3600 <= telling.now - NOW < 3 * 24 * 3600 + 3700
    found = telling.store.one(number)
    assert (found.disabled_at, "72 h" in found.disabled_reason) == (int(telling.now), True)
    assert telling.store.due(number, LATER, 9) == []
    play(telling.stores, [say(3)])
    assert telling.store.happenings() == 0
    # Revived: what waited comes, in order.
    telling.mailbox.error = None
    telling.stores.write(lambda tx: telling.store.change(tx, number, telling.now, active=True))
    telling.serve(number, now=telling.now)
    assert telling.told() == [("message.created", 1), ("message.created", 2)]
    found = telling.store.one(number)
    assert (found.active, found.disabled_at, found.disabled_reason) == (True, None, "")


def test_a_ping_goes_out_whatever_the_state_and_is_not_repeated(telling: Telling) -> None:
    number = telling.subscribe()
    telling.stores.write(lambda tx: telling.store.disable(tx, number, NOW, "enough"))
    ping = telling.stores.write(lambda tx: telling.store.ping(tx, number, NOW))
    telling.mailbox.error = DeliveryFailed("no")
    telling.serve(number)
    assert telling.store.delivery(number, ping).state == "failed"
    telling.mailbox.error = None
    assert telling.stores.write(lambda tx: telling.store.replay(tx, number, ping, NOW))
    telling.serve(number)
    assert [(row["event"], row["id"]) for row in telling.mailbox.taken] == [(PING, ping)]


# --- numbers, lists, cleaning up


def test_numbers_grow_even_when_the_clock_goes_back_or_the_newest_is_gone(telling: Telling) -> None:
    number = telling.subscribe()
    first = telling.stores.write(lambda tx: telling.store.ping(tx, number, NOW))
    second = telling.stores.write(lambda tx: telling.store.ping(tx, number, NOW - 5000))
    telling.serve(number)
    telling.stores.write(lambda tx: telling.store.drop_ended(tx, LATER, 10))
    third = telling.stores.write(lambda tx: telling.store.ping(tx, number, NOW - 5000))
    assert NOW * 1e6 <= first < second < third
    # A restored backup goes on from today, not from what it had counted.
    assert telling.stores.write(lambda tx: telling.store.ping(tx, number, NOW + 1)) == int((NOW + 1) * 1e6)


def test_deliveries_are_listed_by_state_newest_first_and_ended_ones_are_dropped(telling: Telling) -> None:
    number = telling.subscribe("message.created")
    play(telling.stores, [say(1), say(2), say(3)])
    telling.deal()
    telling.serve(number, 1)
    telling.mailbox.error = DeliveryFailed("no")
    telling.courier.serve((number, CHAT))
    by_state = {
        state: [row.message_id for row in telling.store.deliveries(number, state, None, 9)]
        for state in ("waiting", "failing", "delivered", "dropped", None)
    }
    assert by_state == {"waiting": [3], "failing": [2], "delivered": [1], "dropped": [], None: [3, 2, 1]}
    newest = telling.store.deliveries(number, None, None, 1)[0]
    assert [row.message_id for row in telling.store.deliveries(number, None, newest.id, 9)] == [2, 1]
    assert telling.stores.write(lambda tx: telling.store.drop_ended(tx, NOW, 9)) == 0
    assert telling.stores.write(lambda tx: telling.store.drop_ended(tx, NOW + 1, 9)) == 1
    assert [row.message_id for row in telling.store.deliveries(number, None, None, 9)] == [3, 2]


def test_a_removed_subscription_leaves_nothing(telling: Telling) -> None:
    number, other = telling.subscribe(), telling.subscribe()
    play(telling.stores, [Join(T), say(1)])
    telling.deal()
    assert telling.store.remove(number)
    assert not telling.store.remove(number)
    assert telling.store.deliveries(number, None, None, 9) == []
    assert [each.id for each in telling.store.all()] == [other]
    telling.serve(other)
    assert telling.told() == [("dialog.opened", None), ("message.created", 1)]


def test_however_much_waits_every_look_has_its_index(telling: Telling) -> None:
    """Of SQLite's store: nothing that happens for each delivery reads through the others."""
    telling.subscribe()
    queries = {
        subscription_store._HEAD: (1, 5),
        subscription_store._DUE: (1, NOW, 3),
        subscription_store._NEXT_DUE: (1,),
        subscription_store._END: ("delivered", 1, 200, "", 1, NOW, 1),
        subscription_store._NEXT_HAPPENINGS: (9,),
    }
    with telling.stores.storage.read() as tx:
        for query, values in queries.items():
            plan = [row[3] for row in tx.sql.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            through = [step for step in plan if step.startswith("SCAN") and step != "SCAN happenings"]
            assert not through and not any("TEMP B-TREE" in step for step in plan), (query, plan)


# --- whatever happens


@given(
    st.lists(steps, max_size=20),
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), min_size=1, max_size=20),
)
def test_every_subscribers_end_is_the_archives_whatever_failed(
    fresh_stores: Any, taken: list[Step], courses: list[tuple[bool, int, bool]]
) -> None:
    """Random changes; after each of them perhaps a dealing, and some deliveries, of which some fail."""
    with fresh_stores() as stores:
        telling = Telling(stores)
        numbers = telling.subscribe(), telling.subscribe("message.created", "message.updated", "message.deleted")
        boxes = [Mailbox(), Mailbox()]

        def serve(which: int, rounds: int) -> None:
            telling.courier._sender = boxes[which]  # type: ignore[assignment]  # stands in for the network
            telling.serve(numbers[which], rounds)

        for i, step in enumerate(taken):
            stores.write(lambda tx, step=step: step(stores.archive, tx))
            deals, rounds, fails = courses[i % len(courses)]
            if deals:
                telling.courier.deal()
            boxes[i % 2].error = DeliveryFailed("no") if fails else None
            serve(i % 2, rounds)
        telling.deal()
        for which, box in enumerate(boxes):
            box.error = None
            serve(which, 1_000_000)
            assert telling.store.backlog()[numbers[which]].waiting == 0
            ids = [row["id"] for row in box.taken]
            assert ids == sorted(set(ids)), "one dialog: in order, each once"
            ends: dict[int, Any] = {}
            for row in box.taken:
                message = row["data"].get("message")
                if message is None:
                    continue
                known = message["message_id"] in ends
                assert known == (row["event"] != "message.created"), "created comes first, and once"
                ends[message["message_id"]] = message
            assert ends == {message["message_id"]: message for message in stores.messages()}
        dialog = stores.dialog()
        statuses = [row for row in boxes[0].taken if row["event"] in ("dialog.opened", "dialog.closed")]
        if dialog is not None:
            told_open = [row["event"] == "dialog.opened" for row in statuses]
            assert told_open == [i % 2 == 0 for i in range(len(told_open))], "opened and closed take turns"
            assert told_open[-1] == (dialog["dialog"]["status"] == "open")


class Crowd:
    """Receivers that fail now and then, and notice when two senders work for one dialog at a time."""

    def __init__(self, fails: Callable[[], bool]) -> None:
        self.taken: list[tuple[str, int, int]] = []  # address, chat, delivery
        self.overlaps: list[tuple[str, int]] = []
        self._fails = fails
        self._lock = threading.Lock()
        self._at_work: set[tuple[str, int]] = set()

    def post(self, url: str, content: bytes, headers: Any) -> Outcome:
        row = json.loads(content)
        lane = (url, row["data"]["dialog"]["chat_id"])
        with self._lock:
            if lane in self._at_work:
                self.overlaps.append(lane)
            self._at_work.add(lane)
            fails = self._fails()
        threading.Event().wait(0.001)  # the others get a chance to come in between
        with self._lock:
            self._at_work.discard(lane)
            if not fails:
                self.taken.append((*lane, row["id"]))
        if fails:
            raise DeliveryFailed("no")
        return Outcome(200, 0.001)

    def stop(self) -> None:
        pass


def test_many_senders_keep_the_order_of_every_dialog(stores: Any) -> None:
    store, chance = SqliteSubscriptions(stores.storage), random.Random(7)
    crowd = Crowd(lambda: chance.random() < 0.05)
    began = time.monotonic()
    courier = Courier(
        stores.storage,
        stores.archive,
        store,
        crowd,  # type: ignore[arg-type]  # stands in for the network
        Metrics(),
        "acme",
        lambda: True,
        clock=lambda: NOW + 500 * (time.monotonic() - began),  # pauses pass quickly
    )
    for name in "abc":
        stores.write(lambda tx, name=name: store.add(tx, f"https://{name}.example.ru/", EVENTS, None, "whsec_x", NOW))
    courier.start()
    try:
        for number in range(1, 121):
            chat_id = 5 + number % 6
            chat, message = facts(chat_id, T, chat_id), said(number, "раз", T + number, chat_id, chat_id=chat_id)
            stores.write(lambda tx, chat=chat, message=message: stores.archive.add_message(tx, chat, message, 2))
        until(
            lambda: not store.happenings() and not any(row.waiting for row in store.backlog().values()),
            timeout_s=60,
            what="everything was delivered",
        )
    finally:
        courier.stop()
    assert crowd.overlaps == []
    lanes: dict[tuple[str, int], list[int]] = {}
    for url, chat_id, number in crowd.taken:
        lanes.setdefault((url, chat_id), []).append(number)
    assert len(lanes) == 18
    for numbers in lanes.values():
        assert len(numbers) == 21  # opened, and twenty messages
        assert numbers == sorted(set(numbers))
