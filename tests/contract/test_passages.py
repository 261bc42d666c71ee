"""An export walks through the archive in slices: what a list shows, by number, holding nothing meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source, passages
from python_bot.model import DialogFilter, Passage, User
from tests.contract.conversations import FILE, facts, said

T = 1_785_312_000
ANNA, OLEG = User(744, "Анна", "client"), User(745, "Олег \u2028 «Ё»\n", "client")


def add(stores: Any, chat_id: int, message_id: int, at: int = T, **more: Any) -> None:
    author = OLEG if message_id % 2 else ANNA
    message = said(message_id, f"текст\n{message_id}", at, chat_id, author, chat_id, **more)
    chat = facts(chat_id, T, chat_id)
    stores.write(lambda tx: stores.archive.add_message(tx, chat, message, Source.SECOND_FEED))


def rows(passage: Passage) -> list[Any]:
    return [json.loads(line) for part in passage.slices for line in part.lines.decode().split("\n") if line]


@pytest.fixture(params=[1, 3, 500])
def slices_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(passages, "SLICE", request.param)
    yield request.param


ids = st.sampled_from(range(-3, 40))
times = st.one_of(st.none(), st.integers(T - 5, T + 45))
filters = st.builds(
    DialogFilter,
    since=times,
    until=times,
    chat_id=st.sampled_from([None, None, 5, 6, 99]),
    line_id=st.sampled_from([None, None, 3, 4]),
    status=st.sampled_from([None, "open", "closed"]),
    client_id=st.sampled_from([None, 744, 9]),
    has_files=st.sampled_from([None, True, False]),
    message_ids=st.one_of(st.none(), st.sets(st.integers(-3, 50)).map(lambda found: tuple(found))),
)


@given(
    st.lists(st.tuples(ids, st.integers(0, 40), st.booleans()), max_size=25), filters, st.integers(1, 6), st.booleans()
)
def test_a_passage_shows_what_the_list_shows(
    fresh_stores: Any, said_then: list[tuple[int, int, bool]], wanted: DialogFilter, size: int, few: bool
) -> None:
    former = passages.SLICE, passages.MANY_IDS
    passages.SLICE = size  # type: ignore[misc]  # so that few messages are many slices
    passages.MANY_IDS = 1000 if few else 0  # type: ignore[misc]  # so that a few ids are many
    try:
        with fresh_stores() as stores:
            for message_id, later, with_file in said_then:
                chat_id = 5 + message_id % 3
                add(stores, chat_id, message_id, T + later, files=(FILE,) if with_file else ())
            listed = json.loads(stores.archive.messages_feed(None, 500, wanted).items)
            passage = stores.archive.passage(wanted)
            found = rows(passage)
            assert found == sorted(listed, key=lambda message: message["message_id"])
            assert passage.total >= len(found)
    finally:
        passages.SLICE, passages.MANY_IDS = former  # type: ignore[misc]  # as it was


@pytest.mark.parametrize("wanted", [DialogFilter(), DialogFilter(line_id=3)], ids=str)
def test_between_slices_others_write_and_nothing_is_repeated_or_lost(stores: Any, slices_of: int, wanted: Any) -> None:
    for message_id in range(0, 40, 2):
        add(stores, 5, message_id + 2)
    found: list[int] = []
    for number, part in enumerate(stores.archive.passage(wanted).slices):
        found += [json.loads(line)["message_id"] for line in part.lines.splitlines()]
        add(stores, 5, 1 + 2 * number)
        add(stores, 5, 100 + number)
        stores.storage.empty_wal()  # raises while anybody reads
    assert found == sorted(set(found)) and set(range(2, 42, 2)) <= set(found)
    assert max(found) < 100


def test_conversations_are_the_dialogs_with_all_that_is_told_of_them(stores: Any) -> None:
    for chat_id in (7, 5, 6):
        add(stores, chat_id, chat_id)
    found, after = [], None
    while True:
        page = stores.archive.conversations(after, 2)
        found += json.loads(page.items)
        if page.next_key is None:
            break
        (after,) = page.next_key
    assert [each["dialog"]["chat_id"] for each in found] == [5, 6, 7]
    assert found == [stores.dialog(chat_id) for chat_id in (5, 6, 7)]
    (only,) = json.loads(stores.archive.conversations(None, 5, DialogFilter(chat_id=6)).items)
    assert only == stores.dialog(6)


def test_another_archive_has_another_identity(fresh_stores: Any) -> None:
    with fresh_stores() as one, fresh_stores() as other:
        assert one.archive.identity() == one.archive.identity() != other.archive.identity()


def test_a_slice_reads_along_the_numbers(stores: Any) -> None:
    add(stores, 5, 1)
    seen: list[str] = []
    with stores.storage.read() as tx:
        tx.sql.set_trace_callback(seen.append)
    list(stores.archive.passage(DialogFilter(since=T, until=T + 9, has_files=False, updated_after=1)).slices)
    with stores.storage.read() as tx:
        tx.sql.set_trace_callback(None)
        plans = [row[3] for sql in seen if "group_concat" in sql for row in tx.sql.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert any(re.match(r"SEARCH m USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)", plan) for plan in plans), plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans


def test_a_walk_rests_only_while_something_is_written(stores: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(passages, "time", SimpleNamespace(monotonic=time.monotonic, sleep=rests.append))
    monkeypatch.setattr(passages, "SLICE", 1)
    for message_id in range(1, 6):
        add(stores, 5, message_id)
    assert len(rows(stores.archive.passage())) == 5 and rests == []
    for number, _ in enumerate(stores.archive.passage().slices):
        add(stores, 6, 100 + number)
    assert len(rests) == 4 and all(0 < rest <= passages.LONGEST_REST_S for rest in rests)
