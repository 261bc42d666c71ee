"""Following the archive: whoever goes on from the last position meets every change, and every filter shows its own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source, filters, pages
from python_bot.model import DialogFilter, DialogOrder, FileRef, MessageOrder, User
from tests.contract.conversations import ANNA, FILE, IVAN, Delete, Edit, Finish, Join, Say, Step, facts, history, said

T = 1_785_312_000
START = (-(2**62), -(2**62))


class Follower:
    """Asks again and again from where it stopped, and keeps what it was told last of each message."""

    def __init__(self, stores: Any, limit: int) -> None:
        self._stores, self._limit = stores, limit
        self._position = START
        self.known: dict[int, Any] = {}
        self.told: list[int] = []

    def step(self) -> bool:
        page = self._stores.archive.messages_feed(self._position, self._limit)
        self._position = page.last_key or self._position
        for message in json.loads(page.items):
            self.known[message["message_id"]] = message
            self.told.append(message["message_id"])
        return bool(page.items != b"[]")

    def catch_up(self) -> None:
        while self.step():
            pass


def repairs(*texts: str) -> Step:
    def step(archive: Any, tx: Any) -> None:
        messages = [said(i + 1, text, T + i, 1, IVAN if i % 2 else ANNA) for i, text in enumerate(texts)]
        archive.apply_history(tx, history(*messages, edited=[2], deleted=[3]), T + 1000)

    return step


@dataclass(frozen=True)
class Named:
    name: str

    def __call__(self, archive: Any, tx: Any) -> None:
        message = said(1, "раз", T, None, replace(ANNA, name=self.name))
        archive.add_message(tx, facts(), message, Source.BOT)


@dataclass(frozen=True)
class WithFile:
    file: FileRef

    def __call__(self, archive: Any, tx: Any) -> None:
        archive.add_message(tx, facts(), said(2, "два", T + 1, None, files=(self.file,)), Source.BOT)


ids, texts = st.integers(1, 6), st.sampled_from(["раз", "два", "[b]три[/b]"])
numbers = st.sampled_from([None, 1, 2])
feeds = st.sampled_from([Source.BOT, Source.SECOND_FEED])
steps = st.one_of(
    st.builds(
        Say, ids, texts, st.just(T), numbers, st.none(), source=st.sampled_from([Source.BOT, Source.SECOND_FEED])
    ),
    st.builds(Edit, ids, texts, st.integers(T, T + 3), numbers, st.none()),
    st.builds(Delete, ids, st.just(T + 5), numbers, st.none()),
    st.builds(Join, st.just(T)),
    st.builds(Finish, st.just(T + 9), numbers),
    st.builds(Named, st.sampled_from(["", "Анна", "Анна С."])),
    st.builds(WithFile, st.sampled_from([FILE, replace(FILE, name="счёт.pdf"), replace(FILE, id=1)])),
    st.just(repairs("раз", "два", "три")),
)


@given(st.lists(steps, max_size=25), st.lists(st.integers(0, 3), min_size=1, max_size=25), st.integers(1, 4))
def test_a_follower_ends_with_the_archives_state(
    fresh_stores: Any, taken: list[Step], looks: list[int], limit: int
) -> None:
    with fresh_stores() as stores:
        follower = Follower(stores, limit)
        for i, step in enumerate(taken):
            stores.write(lambda tx, step=step: step(stores.archive, tx))
            for _ in range(looks[i % len(looks)]):
                follower.step()
        follower.catch_up()
        assert follower.known == {m["message_id"]: m for m in stores.messages()}


def test_what_did_not_change_is_not_told_again(stores: Any) -> None:
    follower = Follower(stores, 2)
    step = repairs("раз", "два", "три")
    stores.write(lambda tx: step(stores.archive, tx))
    follower.catch_up()
    assert sorted(follower.told) == [1, 2, 3]
    for again in (step, Say(1, "раз", T, 1, None), Edit(2, "два", T, 1, None), Join(T)):
        stores.write(lambda tx, again=again: again(stores.archive, tx))
    follower.told.clear()
    follower.catch_up()
    assert follower.told == []


def test_a_dialog_that_changes_is_told_to_those_who_follow_dialogs(stores: Any) -> None:
    def changed_after(position: tuple[int, ...]) -> tuple[list[int], tuple[int, ...]]:
        page = stores.archive.dialogs_page(position, 50, order="changed")
        return [d["chat_id"] for d in json.loads(page.items)], page.last_key or position

    for chat_id in (5, 6):
        stores.write(lambda tx, c=chat_id: stores.archive.joined(tx, facts(chat_id=c), T))
    told, position = changed_after(START)
    assert sorted(told) == [5, 6]
    stores.write(lambda tx: stores.archive.joined(tx, facts(chat_id=6), T))
    told, position = changed_after(position)
    assert told == []
    both = [5, 6]  # she is the client of both
    for step, chat_ids in ((Finish(T + 9), [5]), (Named("Анна"), both), (repairs("раз"), [5])):
        stores.write(lambda tx, step=step: step(stores.archive, tx))
        told, position = changed_after(position)
        assert sorted(told) == chat_ids, step


def test_waiting_ends_with_the_next_commit(stores: Any) -> None:
    seen = stores.archive.wait_for_change(0, 0.0)
    assert stores.archive.wait_for_change(seen, 0.01) == seen
    stores.write(lambda tx: stores.archive.joined(tx, facts(), T))
    assert stores.archive.wait_for_change(seen, 60.0) > seen


# --- filters, against the same asked in Python ----------------------------------------------------------------------


@dataclass(frozen=True)
class Chat:
    chat_id: int
    line_id: int
    connector_id: str
    client_id: int
    operator_id: int
    closed: bool
    times: tuple[int, ...]
    with_file: bool


chats = st.builds(
    Chat,
    st.integers(1, 30),
    st.integers(1, 3),
    st.sampled_from(["telegrambot", "livechat"]),
    st.integers(700, 703),
    st.integers(27, 29),
    st.booleans(),
    st.lists(st.integers(T, T + 40), min_size=1, max_size=4).map(tuple),
    st.booleans(),
)
wishes = st.builds(
    DialogFilter,
    since=st.none() | st.integers(T, T + 40),
    until=st.none() | st.integers(T, T + 41),
    line_id=st.none() | st.integers(1, 4),
    connector_id=st.none() | st.sampled_from(["telegrambot", "livechat", "avito"]),
    operator_id=st.none() | st.integers(27, 30),
    client_id=st.none() | st.integers(700, 704),
    status=st.none() | st.sampled_from(["open", "closed"]),
    has_files=st.none() | st.booleans(),
    updated_after=st.none() | st.sampled_from([0, 2**40]),
)


def store(stores: Any, chat: Chat) -> None:
    about = replace(
        facts(chat_id=chat.chat_id),
        line_id=chat.line_id,
        connector_id=chat.connector_id,
        client_id=chat.client_id,
        operator_id=chat.operator_id,
    )
    client = User(chat.client_id, f"Клиент {chat.client_id}", "client")

    def work(tx: Any) -> None:
        for i, at in enumerate(chat.times):
            files = (FILE,) if chat.with_file and i == 0 else ()
            message = said(chat.chat_id * 10 + i, "да", at, None, client, chat.chat_id, files=files)
            stores.archive.add_message(tx, about, message, Source.BOT)
        if chat.closed:
            stores.archive.session_finished(tx, about, max(chat.times))

    stores.write(work)


def same(value: Any, wanted: Any) -> bool:
    return wanted is None or value == wanted


def is_of_dialog(chat: Chat, wanted: DialogFilter) -> bool:
    return (
        same(chat.line_id, wanted.line_id)
        and same(chat.connector_id, wanted.connector_id)
        and same(chat.operator_id, wanted.operator_id)
        and same(chat.client_id, wanted.client_id)
        and same("closed" if chat.closed else "open", wanted.status)
        and (wanted.updated_after or 0) < 2**40
    )


@given(st.lists(chats, max_size=12, unique_by=lambda c: c.chat_id), wishes, st.integers(1, 5), st.booleans())
def test_a_filter_shows_what_it_names_in_every_order(
    fresh_stores: Any, there: list[Chat], wanted: DialogFilter, limit: int, crowded: bool
) -> None:
    with pytest.MonkeyPatch.context() as both_ways, fresh_stores() as stores:
        if crowded:
            both_ways.setattr(pages, "FEW_DIALOGS", 0)
            both_ways.setattr(pages, "FEW_TO_SORT", 0)
        for chat in there:
            store(stores, chat)
        since, until = wanted.since or 0, wanted.until or 2**40
        dialogs = {
            c.chat_id
            for c in there
            if is_of_dialog(c, wanted)
            and same(c.with_file, wanted.has_files)
            and c.times[-1] >= since
            and min(c.times) < until
        }
        messages = {
            c.chat_id * 10 + i
            for c in there
            if is_of_dialog(c, wanted)
            for i, at in enumerate(c.times)
            if since <= at < until and same(c.with_file and i == 0, wanted.has_files)
        }
        for order in get_args(DialogOrder):
            found = walk(lambda a, o=order: stores.archive.dialogs_page(a, limit, wanted, o))
            assert sorted(d["chat_id"] for d in found) == sorted(dialogs), order
        for order in get_args(MessageOrder):
            found = walk(lambda a, o=order: stores.archive.messages_feed(a, limit, wanted, o))
            assert sorted(m["message_id"] for m in found) == sorted(messages), order
            times = [m["sent_at"] for m in found]
            assert order == "changed" or times == sorted(times, reverse=order.startswith("-"))


def walk(page: Any) -> list[Any]:
    found, position = [], None
    while True:
        shown = page(position)
        found += json.loads(shown.items)
        if shown.next_key is None:
            return found
        position = shown.next_key


# --- plans ----------------------------------------------------------------------------------------------------------

SINGLE = [
    DialogFilter(),
    DialogFilter(since=T),
    DialogFilter(until=T),
    DialogFilter(line_id=1),
    DialogFilter(connector_id="x"),
    DialogFilter(operator_id=1),
    DialogFilter(client_id=1),
    DialogFilter(status="open"),
    DialogFilter(has_files=True),
    DialogFilter(updated_after=T),
]
PAIRS = [
    DialogFilter(since=T, until=T + 9, line_id=1),
    DialogFilter(since=T, operator_id=1),
    DialogFilter(updated_after=T, line_id=1),
    DialogFilter(status="open", line_id=1),
    DialogFilter(has_files=True, connector_id="x"),
    DialogFilter(has_files=True, since=T, updated_after=T),
]


# The index that a filter is there for; what has none goes along the index of the order.
INDEX = {
    "line_id": "dialogs_by_line",
    "connector_id": "dialogs_by_connector",
    "operator_id": "dialogs_by_operator",
    "client_id": "dialogs_by_client",
    "status": "dialogs_by_status",
    "since": "dialogs_by_activity",
    "updated_after": "dialogs_by_change",
    "has_files": "dialogs_with_files",
}
ORDERED_BY = {
    "newest": "INTEGER PRIMARY KEY",
    "oldest": "INTEGER PRIMARY KEY",
    "active": "dialogs_by_activity",
    "quiet": "dialogs_by_activity",
    "changed": "dialogs_by_change",
}


def plan(stores: Any, sql: str, conditions: filters.Conditions) -> str:
    values = {name: 1 for name in re.findall(r":(\w+)", sql)} | conditions.values
    with stores.storage.read() as tx:
        return "\n".join(row[3] for row in tx.sql.execute(f"EXPLAIN QUERY PLAN {sql}", values))


def plan_of_dialogs(stores: Any, wanted: DialogFilter, order: DialogOrder) -> str:
    by = filters.DIALOG_ORDERS[order]
    with stores.storage.read() as tx:
        rows = pages.dialog_rows(tx, wanted, order).after(by, (1, 1))
    return plan(stores, pages.page_sql("d.chat_id", rows, by), rows.conditions)


def asked(wanted: DialogFilter) -> set[str]:
    return {field.name for field in fields(wanted) if getattr(wanted, field.name) is not None}


@pytest.mark.parametrize("order", get_args(DialogOrder))
@pytest.mark.parametrize("wanted", [*SINGLE, *PAIRS], ids=str)
def test_few_dialogs_are_found_by_the_index_of_their_filter(
    stores: Any, wanted: DialogFilter, order: DialogOrder
) -> None:
    found = plan_of_dialogs(stores, wanted, order)
    its_own = {index for name in asked(wanted) if (index := INDEX.get(name))}
    assert any(f"INDEX {index}" in found for index in its_own) or not its_own, found


@pytest.mark.parametrize("order", get_args(DialogOrder))
@pytest.mark.parametrize("wanted", [*SINGLE, *PAIRS], ids=str)
def test_of_many_dialogs_a_page_is_read_along_the_index_of_its_order(
    stores: Any, wanted: DialogFilter, order: DialogOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FEW_TO_SORT", -1)
    found = plan_of_dialogs(stores, wanted, order)
    assert "TEMP B-TREE" not in found, found
    along = {ORDERED_BY[order]}
    if order in ("newest", "oldest"):  # these indexes end in the number of the chat
        along |= {INDEX[name] for name in asked(wanted) & INDEX.keys()} - {"dialogs_by_activity", "dialogs_by_change"}
    assert any(re.search(rf"SEARCH d USING [A-Z ]*{index} \(", found) for index in along), found


def test_dialogs_with_certain_words_are_taken_from_their_messages(stores: Any) -> None:
    for order in get_args(DialogOrder):
        found = plan_of_dialogs(stores, DialogFilter(message_ids=(1, 2), line_id=3, since=T), order)
        assert "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)" in found, found


@pytest.mark.parametrize("order", get_args(MessageOrder))
@pytest.mark.parametrize("wanted", SINGLE, ids=str)
def test_a_page_of_messages_reads_along_the_index_of_its_order(
    stores: Any, wanted: DialogFilter, order: MessageOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FEW_DIALOGS", -1)
    found = plan_of_messages(stores, wanted, order)
    assert "TEMP B-TREE" not in found, found
    assert f"messages_by_{'change' if order == 'changed' else 'time'}" in found, found


@pytest.mark.parametrize("order", get_args(MessageOrder))
@pytest.mark.parametrize("wanted", [w for w in SINGLE if filters.of_dialogs_of_messages(w).terms], ids=str)
def test_the_messages_of_few_dialogs_are_read_dialog_by_dialog(
    stores: Any, wanted: DialogFilter, order: MessageOrder
) -> None:
    found = plan_of_messages(stores, wanted, order)
    assert re.search(r"SEARCH m USING [A-Z ]*INDEX messages_by_chat \(chat_id=\?", found), found


def plan_of_messages(stores: Any, wanted: DialogFilter, order: MessageOrder) -> str:
    by = filters.MESSAGE_ORDERS[order]
    with stores.storage.read() as tx:
        rows = pages.message_rows(tx, wanted, order).after(by, (1, 1))
    return plan(stores, pages.page_sql("m.message_id", rows, by), rows.conditions)


@pytest.mark.parametrize("wanted", [w for w in SINGLE if filters.of_dialogs_of_messages(w).terms], ids=str)
def test_the_dialogs_of_wanted_messages_are_found_by_an_index(stores: Any, wanted: DialogFilter) -> None:
    conditions = filters.of_dialogs_of_messages(wanted)
    found = plan(stores, f"SELECT d.chat_id FROM dialogs d WHERE {conditions.sql}", conditions)
    assert "SEARCH d USING" in found or "INDEX dialogs_with_files" in found, found
