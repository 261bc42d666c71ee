"""What every store of the HTTP journal promises."""

from __future__ import annotations

from typing import Any

from python_bot.archive import SqliteErasure, recorded_events
from python_bot.model import JournalEntry
from python_bot.traffic import Cause, Entry, Question, Record

NOW = 1_785_312_000.0


def event(at: float = NOW, trace: str = "trace-a", chat_id: int | None = 5, **more: Any) -> Record:
    given: dict[str, Any] = {
        "at": at,
        "direction": "in",
        "kind": "event",
        "method": "POST",
        "path": "/python_bot/",
        "status": 200,
        "duration_ms": 1.5,
        "causes": (Cause(trace, chat_id),),
        "subject": "ONIMBOTMESSAGEADD",
        "user_agent": "Bitrix24 Webhook Engine",
        "authorization": "application_token",
        "outcome": "ok",
        "request_shape": "auth{domain},event",
    }
    return Record(**{**given, **more})


def call(at: float, *causes: Cause, **more: Any) -> Record:
    given: dict[str, Any] = {
        "at": at,
        "direction": "out",
        "kind": "rest",
        "method": "POST",
        "path": "/rest/batch",
        "status": 200,
        "duration_ms": 120.0,
        "causes": causes,
        "portal": "acme.bitrix24.ru",
    }
    return Record(**{**given, **more})


def add(stores: Any, *records: Record) -> None:
    stores.write(lambda tx: stores.traffic.add(tx, records))


def page(stores: Any, limit: int = 100, **wanted: Any) -> list[Entry]:
    found: list[Entry] = stores.traffic.page(Question(**wanted), limit)
    return found


def test_a_request_is_read_as_it_was_written(stores: Any) -> None:
    add(stores, event(fetch_mode="cors", fetch_dest="iframe", error_code="X", error_text="why", answer_shape="result"))
    (found,) = page(stores)
    assert (found.trace_id, found.chat_id, found.subject) == ("trace-a", 5, "ONIMBOTMESSAGEADD")
    assert (found.user_agent, found.request_shape, found.answer_shape) == (
        "Bitrix24 Webhook Engine",
        "auth{domain},event",
        "result",
    )
    assert (found.fetch_mode, found.fetch_dest, found.error_code, found.error_text) == ("cors", "iframe", "X", "why")
    assert (found.status, found.duration_ms, found.count, found.at) == (200, 1.5, 1, NOW)


def test_a_request_that_nobody_answered_has_no_status(stores: Any) -> None:
    add(stores, call(NOW, Cause("t"), status=None, error_code="ConnectTimeoutError"), event())
    (found,) = page(stores, lowest_status=0, highest_status=0)
    assert found.status is None and found.error_code == "ConnectTimeoutError"


def test_filters_leave_only_what_is_asked_for(stores: Any) -> None:
    add(
        stores,
        event(NOW),
        event(NOW + 1, "trace-b", 6, status=503, error_code="StorageFull"),
        event(NOW + 2, "trace-c", None, outcome="mismatch"),
        call(NOW + 3, Cause("trace-a", 5, "handover"), status=404),
    )
    assert [e.at for e in page(stores, since=NOW + 1, until=NOW + 3)] == [NOW + 1, NOW + 2]
    assert [e.at for e in page(stores, kinds=("rest", "download"))] == [NOW + 3]
    assert [e.at for e in page(stores, direction="in")] == [NOW, NOW + 1, NOW + 2]
    assert [e.at for e in page(stores, lowest_status=400, highest_status=499)] == [NOW + 3]
    assert [e.at for e in page(stores, outcome="mismatch")] == [NOW + 2]
    assert [e.at for e in page(stores, trace_id="trace-a")] == [NOW, NOW + 3]
    assert [e.at for e in page(stores, chat_id=6)] == [NOW + 1]
    assert page(stores, trace_id="nobody") == []


def test_the_newest_are_shown_oldest_first(stores: Any) -> None:
    add(stores, *(event(NOW + i) for i in range(5)))
    assert [e.at for e in page(stores, 2)] == [NOW + 3, NOW + 4]


def test_a_reader_goes_on_behind_a_number_and_misses_nothing(stores: Any) -> None:
    add(stores, *(event(NOW - i) for i in range(5)))
    first = page(stores, 2, after_id=0)
    rest = page(stores, 10, after_id=first[-1].id)
    assert [e.at for e in first + rest] == [NOW - i for i in range(5)]


def test_a_batch_belongs_to_every_one_of_its_causes(stores: Any) -> None:
    causes = (Cause("trace-a", 5, "handover"), Cause("trace-b", 6, "handover"))
    add(stores, event(), event(NOW, "trace-b", 6), call(NOW + 1, *causes, subject="m ×2"))
    (batch,) = page(stores, kinds=("rest",))
    assert (batch.trace_id, batch.chat_id, batch.job) == ("", None, "handover")
    for trace, chat_id in (("trace-a", 5), ("trace-b", 6)):
        assert [e.id for e in page(stores, trace_id=trace)][-1] == batch.id
        assert [e.id for e in page(stores, chat_id=chat_id)][-1] == batch.id
    assert sorted(stores.traffic.causes(batch.id)) == [("trace-a", 5), ("trace-b", 6)]
    assert stores.traffic.causes(page(stores)[0].id) == [("trace-a", 5)]


def test_an_event_of_several_chats_keeps_its_trace(stores: Any) -> None:
    add(stores, event(causes=(Cause("trace-a", 5), Cause("trace-a", 6))))
    (found,) = page(stores, chat_id=6)
    assert (found.trace_id, found.chat_id) == ("trace-a", None)


def test_the_last_of_a_sort_and_the_last_genuine_event(stores: Any) -> None:
    assert stores.traffic.last_genuine_event() is None
    add(stores, event(NOW), event(NOW + 9, outcome="mismatch"), event(NOW + 5), call(NOW + 20, Cause("t")))
    assert stores.traffic.last_genuine_event().at == NOW + 5
    assert stores.traffic.last(Question(direction="in")).at == NOW + 9
    assert stores.traffic.last(Question(kinds=("opened",))) is None


def test_counts_say_how_often_what_was_answered(stores: Any) -> None:
    add(stores, event(NOW - 1000), event(NOW), event(NOW + 1), event(NOW + 2, outcome="mismatch", count=7))
    found = {(c.kind, c.status, c.outcome): (c.requests, c.last_at) for c in stores.traffic.counts(NOW)}
    assert found == {("event", 200, "ok"): (2, NOW + 1), ("event", 200, "mismatch"): (7, NOW + 2)}


def test_the_oldest_are_pruned_with_all_that_belongs_to_them(stores: Any) -> None:
    month = 30 * 86_400
    causes = (Cause("a", 5), Cause("b", 6))
    add(stores, event(NOW - month, request_shape="old"), call(NOW - month + 1, *causes), event(NOW))
    assert stores.write(lambda tx: stores.traffic.prune(tx, NOW - 86_400, 1)) == 1
    assert stores.write(lambda tx: stores.traffic.prune(tx, NOW - 86_400, 10)) == 1
    assert stores.write(lambda tx: stores.traffic.prune(tx, NOW - 86_400, 10)) == 0
    assert [e.at for e in page(stores)] == [NOW]
    assert page(stores, chat_id=6) == [] and page(stores, trace_id="b") == []
    add(stores, event(NOW + 1))
    assert {e.user_agent for e in page(stores)} == {"Bitrix24 Webhook Engine"}


def test_a_shape_in_use_outlives_the_first_request_that_had_it(stores: Any) -> None:
    """It is kept once for all requests; pruning goes by when it was used last."""
    day = 86_400
    for number in range(40):
        add(stores, event(NOW + number * day))
    assert stores.write(lambda tx: stores.traffic.prune(tx, NOW + 36 * day, 100)) == 36
    assert [e.request_shape for e in page(stores)] == ["auth{domain},event"] * 4


def test_the_newest_number_is_where_a_reader_goes_on(stores: Any) -> None:
    assert stores.traffic.newest_id() == 0
    add(stores, event(), event())
    assert stores.traffic.newest_id() == page(stores)[-1].id


def test_events_of_a_trace_are_found_among_many(stores: Any) -> None:
    for number in range(300):
        trace = "wanted" if number in (150, 151) else f"trace-{number}"
        entry = JournalEntry(int(NOW) + number * 10, "ONIMBOTMESSAGEADD", trace, b"%d" % number, b"", "form", "read")
        stores.write(lambda tx, entry=entry: stores.archive.record(tx, entry, {5}))
    found = recorded_events(stores.storage, "wanted", NOW + 1500)
    assert [(event.outcome, event.received_at) for event in found] == [("read", NOW + 1500), ("read", NOW + 1510)]
    assert recorded_events(stores.storage, "wanted", NOW + 2900) == []
    assert recorded_events(stores.storage, "wanted", NOW - 5000) == []
    assert recorded_events(stores.storage, "trace-299", NOW + 2990) and recorded_events(stores.storage, "trace-0", NOW)


def test_an_erased_dialog_leaves_the_journal_too(stores: Any) -> None:
    add(
        stores,
        event(),
        event(NOW + 1, "trace-b", 6),
        call(NOW + 2, Cause("trace-a", 5, "handover"), Cause("trace-b", 6, "handover")),
    )
    SqliteErasure(stores.storage).erase(5)
    assert [e.at for e in page(stores)] == [NOW + 1, NOW + 2]
    assert page(stores, chat_id=5) == []
    assert len(page(stores, chat_id=6)) == 2
