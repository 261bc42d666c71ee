"""The course of a session from its signs: pure, and the same whatever order they came in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive.timeline import Known, Sign, TimelineEvent, timeline

T = 1_785_312_000
KNOWN = Known(T, True, T, T + 1, True, None, 3)


def said(kind: str, message_id: int, author_id: int = 744) -> Sign:
    return Sign(kind, message_id, T + message_id, True, author_id)


def notice(kind: str, message_id: int, from_id: int | None = None, to_id: int | None = None) -> Sign:
    return Sign(kind, message_id, T + message_id, True, 0, from_id, to_id)


def facts(message_id: int, operator_id: int | None, line_id: int | None = 3) -> Sign:
    return Sign("facts", message_id, T + message_id, True, 0, None, operator_id, line_id)


def ended(message_id: int, rating: int | None = None) -> Sign:
    return Sign("ended", message_id, T + message_id, True, 0, 27, rating=rating)


def finished(at: int) -> Sign:
    return Sign("finished", 0, T + at, False)


def shown(signs: list[Sign], known: Known = KNOWN) -> list[TimelineEvent]:
    return [e for e in timeline(known, signs).events if e.kind not in ("opened", "joined", "handed_over", "answered")]


def kinds(signs: list[Sign], known: Known = KNOWN) -> list[str]:
    return [event.kind for event in timeline(known, signs).events]


def test_a_plain_conversation_is_told_from_its_opening_to_its_end() -> None:
    signs = [
        said("client", 1),
        facts(5, None),
        notice("took", 10, to_id=27),
        facts(10, 27),
        said("operator", 11, 27),
        ended(50),
    ]
    found = timeline(replace(KNOWN, closed_at=T + 52), signs)
    assert [event.kind for event in found.events] == [
        "opened", "joined", "handed_over", "assigned", "answered", "closed",
    ]  # fmt: skip
    assert (found.answered_at, found.first_response_s, found.resolution_s) == (T + 11, 10, 50)
    assert found.events[-1].by_id == 27


def test_spans_are_unknown_until_both_ends_are_exact() -> None:
    signs = [said("client", 1), said("operator", 11, 27), ended(50)]
    closed = replace(KNOWN, closed_at=T + 50)
    assert timeline(closed, [replace(signs[0], exact=False), *signs[1:]]).first_response_s is None
    assert timeline(closed, [signs[0], replace(signs[1], exact=False)]).first_response_s is None
    assert timeline(replace(closed, opened_exact=False), signs).resolution_s is None
    assert timeline(closed, [*signs[:2], replace(signs[2], exact=False)]).resolution_s is None
    assert timeline(closed, [*signs[:2], finished(50)]).resolution_s is None
    assert timeline(KNOWN, signs).resolution_s is None  # it is open again


def test_an_operator_who_spoke_first_answered_nobody() -> None:
    found = timeline(KNOWN, [said("operator", 1, 27), said("client", 5)])
    assert (found.answered_at, found.first_response_s) == (T + 1, None)


def test_a_transfer_names_both_operators_and_who_did_it() -> None:
    signs = [facts(10, 27), notice("handed", 20, 27, 28), facts(20, 28)]
    (_, event) = shown(signs)
    assert (event.kind, event.by_id, event.from_id, event.to_id) == ("transferred", 27, 27, 28)
    assert shown([notice("took", 10, to_id=27), notice("handed", 20, 27, 28)])[1] == event  # history alone


def test_a_notice_with_two_names_that_changes_nothing_is_no_transfer() -> None:
    assert [e.kind for e in shown([facts(10, 27), notice("handed", 20, 27, 28), facts(20, 27)])] == ["assigned"]
    assert [e.kind for e in shown([facts(10, 27), notice("handed", 20, 30, 28)])] == ["assigned"]


def test_a_change_of_operator_without_a_notice_is_a_transfer_too() -> None:
    event = shown([facts(10, 27), facts(20, 28)])[1]
    assert (event.kind, event.by_id, event.from_id, event.to_id, event.message_id) == ("transferred", None, 27, 28, 20)


def test_a_change_of_line_names_both_lines_and_leaves_the_session_to_the_queue() -> None:
    signs = [facts(10, 27), notice("to_line", 20, 27), facts(20, None, 4), facts(30, 28, 4)]
    _, moved, taken = shown(signs)
    assert (moved.kind, moved.from_line_id, moved.to_line_id) == ("transferred", 3, 4)
    assert (moved.from_id, moved.to_id) == (27, None)
    assert (taken.kind, taken.to_id, taken.from_line_id) == ("assigned", 28, None)
    # The event of the notice may still name the operator who gave it away.
    assert shown([facts(10, 27), notice("to_line", 20, 27), facts(20, 27, 4), facts(30, 28, 4)]) == shown(signs)


def test_history_alone_tells_of_a_change_of_line_without_its_number() -> None:
    _, moved, taken = shown([notice("took", 10, to_id=27), notice("to_line", 20, 27), notice("took", 30, to_id=28)])
    assert (moved.kind, moved.from_id, moved.to_id, moved.to_line_id) == ("transferred", 27, None, None)
    assert (taken.kind, taken.to_id) == ("assigned", 28)


def test_events_that_say_no_operator_change_nothing() -> None:
    assert [e.kind for e in shown([facts(10, 27), facts(20, None), facts(30, 27)])] == ["assigned"]


def test_one_end_told_by_notice_and_event_is_one_with_the_exact_time() -> None:
    (end,) = shown([ended(50), finished(53)], replace(KNOWN, closed_at=T + 53))
    assert (end.kind, end.at, end.exact, end.message_id) == ("closed", T + 50, True, 50)


def test_a_notice_of_an_end_alone_may_be_a_pause() -> None:
    assert shown([ended(50)]) == []


def test_a_reopened_session_has_two_ends_and_who_opened_it_again() -> None:
    signs = [said("client", 1), finished(100), said("client", 200), finished(500)]
    first, again, last = shown(signs, replace(KNOWN, closed_at=T + 500))
    assert [e.kind for e in (first, again, last)] == ["closed", "reopened", "closed"]
    assert (again.message_id, again.by_id, again.at) == (200, 744, T + 200)


def test_history_tells_of_a_reopening_by_its_notice() -> None:
    signs = [ended(100), Sign("started", 150, T + 150, True, 0), said("operator", 160, 27), ended(300)]
    found = shown(signs, replace(KNOWN, closed_at=T + 300))
    assert [(e.kind, e.message_id) for e in found] == [("closed", 100), ("reopened", 150), ("closed", 300)]


def test_a_word_in_the_second_of_the_end_opens_nothing() -> None:
    assert [e.kind for e in shown([finished(100), said("client", 101)], replace(KNOWN, closed_at=T + 100))] == [
        "closed"
    ]


def test_a_rating_told_twice_is_one_and_its_time_is_exact_only_when_it_was_told_alone() -> None:
    closed = replace(KNOWN, closed_at=T + 50)
    alone = Sign("rated", 40, T + 40, True, 0, rating=5)
    assert [(e.kind, e.at, e.exact, e.rating) for e in shown([alone, ended(50, 5)], closed)] == [
        ("rated", T + 40, True, 5),
        ("closed", T + 50, True, None),
    ]
    rated, _ = shown([ended(50, 4)], closed)
    assert (rated.kind, rated.exact, rated.rating) == ("rated", False, 4)


def test_a_refused_hand_over_keeps_the_portals_reason_though_a_later_one_was_taken() -> None:
    signs = [Sign("refused", 0, T + 3, False, reason="OPERATOR_WRONG")]
    found = timeline(replace(KNOWN, handed_over_at=T + 9), signs).events
    assert [(e.kind, e.reason) for e in found if e.kind.startswith("hand")] == [
        ("handover_refused", "OPERATOR_WRONG"),
        ("handed_over", ""),
    ]


@given(st.data())
def test_the_order_of_the_signs_does_not_matter(data: st.DataObject) -> None:
    makers = [
        lambda i: said("client", i),
        lambda i: said("operator", i, 27),
        lambda i: facts(i, 27),
        lambda i: facts(i, 28, 4),
        lambda i: notice("handed", i, 27, 28),
        lambda i: notice("to_line", i, 28),
        ended,
        finished,
    ]
    ids = data.draw(st.lists(st.integers(1, 400), unique=True, max_size=12))
    signs = [data.draw(st.sampled_from(makers))(i) for i in ids]
    known = replace(KNOWN, closed_at=data.draw(st.sampled_from([None, T + 100, T + 500])))
    assert timeline(known, data.draw(st.permutations(signs))) == timeline(known, signs)


@pytest.mark.parametrize("signs", [[], [finished(5)], [facts(1, None, None)], [Sign("unheard", 3, T, True)]])
def test_few_signs_are_enough_for_a_timeline(signs: list[Sign]) -> None:
    assert kinds(signs)[:2] == ["opened", "joined"]
