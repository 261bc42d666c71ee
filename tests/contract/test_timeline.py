"""Sessions as a timeline, hand-over as data, former texts, people: whatever order their pieces came in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Archive, Source
from python_bot.bitrix.bbcode import plain
from python_bot.db import Tx
from python_bot.model import Notice, User
from tests.contract.conversations import (
    ANNA,
    CHAT,
    IVAN,
    SYSTEM,
    Delete,
    Edit,
    Finish,
    Join,
    Say,
    Step,
    facts,
    history,
    play,
    said,
)

T = 1_785_312_000
PETR = User(28, "Пётр", "operator", "Пётр", "Сидоров")


@dataclass(frozen=True)
class Told:
    """A message with what its event says of the chat at that moment."""

    message_id: int
    at: int
    author: User = ANNA
    operator_id: int | None = None
    line_id: int | None = 3
    notice: Notice | None = None
    session_id: int = 1
    opened_at: int = T

    def message(self) -> Any:
        return said(self.message_id, f"m{self.message_id}", self.at, self.session_id, self.author, notice=self.notice)

    def __call__(self, archive: Archive, tx: Tx) -> int | None:
        chat = replace(facts(self.session_id, self.opened_at), operator_id=self.operator_id)
        return archive.add_message(tx, replace(chat, session_line_id=self.line_id), self.message(), Source.BOT)


END = Notice("ended", from_id=28, rating=5)
CONVERSATION: tuple[Told, ...] = (
    Told(10, T),
    Told(11, T + 2, SYSTEM),
    Told(12, T + 20, SYSTEM, 27, notice=Notice("took", to_id=27)),
    Told(13, T + 30, IVAN, 27),
    Told(14, T + 40, ANNA, 27),
    Told(15, T + 60, SYSTEM, 28, notice=Notice("handed", from_id=27, to_id=28)),
    Told(16, T + 70, PETR, 28),
    Told(17, T + 80, SYSTEM, None, 4, Notice("to_line", from_id=28)),
    Told(18, T + 90, SYSTEM, 28, 4, Notice("took", to_id=28)),
    Told(19, T + 95, PETR, 28, 4),
    Told(20, T + 100, SYSTEM, 28, 4, END),
)
STEPS: tuple[Step, ...] = (Join(T), *CONVERSATION, Finish(T + 101))
EXPECTED = [
    ("opened", T, None, None, None),
    ("joined", T, None, None, None),
    ("assigned", T + 20, None, 27, None),
    ("answered", T + 30, None, None, None),
    ("transferred", T + 60, 27, 28, None),
    ("transferred", T + 80, 28, None, 4),
    ("assigned", T + 90, None, 28, None),
    ("rated", T + 100, None, None, None),
    ("closed", T + 100, None, None, None),
]


def utc(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sessions(stores: Any) -> list[Any]:
    found: list[Any] = stores.dialog()["sessions"]
    return found


def events(stores: Any) -> list[Any]:
    (session,) = sessions(stores)
    found: list[Any] = session["events"]
    return found


def told(found: list[Any]) -> list[tuple[Any, ...]]:
    def number(person: Any) -> Any:
        return person and person["id"]

    return [(e["kind"], e["at"], number(e["from"]), number(e["to"]), e["to_line_id"]) for e in found]


def in_utc(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(kind, utc(at), *rest) for kind, at, *rest in rows]


def whole_history(shift_s: int = 1) -> Any:
    rows = [replace(step.message(), sent_at=step.at + shift_s) for step in CONVERSATION]
    return history(*rows)


def apply(stores: Any, read: Any, at: int) -> None:
    stores.write(lambda tx: stores.archive.apply_history(tx, read, at))


# --- the timeline


def test_a_conversation_is_a_timeline_with_everybody_who_had_it(stores: Any) -> None:
    play(stores, STEPS)
    assert told(events(stores)) == in_utc(EXPECTED)
    by_kind = {event["kind"]: event for event in events(stores)}
    assert by_kind["answered"]["by"] == {"id": 27, "name": "Иван"}
    assert by_kind["closed"]["by"] == {"id": 28, "name": "Пётр"}
    assert by_kind["rated"]["rating"] == 5
    assert (by_kind["answered"]["message_id"], by_kind["opened"]["message_id"]) == (13, None)
    assert not any(event["exact"] for event in events(stores))


@given(st.data())
def test_the_timeline_is_the_same_in_whatever_order_its_pieces_came(fresh_stores: Any, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(STEPS), max_size=4))
    with fresh_stores() as stores:
        play(stores, data.draw(st.permutations([*STEPS, *again])))
        assert told(events(stores)) == in_utc(EXPECTED)
        assert sessions(stores)[0]["answered_at"] == utc(T + 30)


@given(st.data())
def test_history_repairs_the_times_of_the_timeline_before_between_and_after_the_events(
    fresh_stores: Any, data: st.DataObject
) -> None:
    steps = data.draw(st.permutations(STEPS))
    cut = data.draw(st.integers(0, len(steps)))
    with fresh_stores() as stores:
        play(stores, steps[:cut])
        apply(stores, whole_history(), T + 200)
        play(stores, steps[cut:])
        found = events(stores)
        shown = [(kind, at) for kind, at, *_ in told(found) if kind not in ("opened", "joined")]
        assert shown == [(kind, utc(at + 1)) for kind, at, *_ in EXPECTED[2:]]
        assert all(event["exact"] for event in found if event["kind"] not in ("opened", "joined", "rated"))
        assert sessions(stores)[0]["first_response_s"] == 30


def test_history_alone_tells_the_course_without_the_numbers_of_lines(stores: Any) -> None:
    apply(stores, whole_history(0), T + 200)
    found = told(events(stores))
    expected = [(kind, at, giver, taker, None) for kind, at, giver, taker, _ in EXPECTED if kind != "joined"]
    # The end of a session is known from its event, not from a notice alone.
    assert found == in_utc([row for row in expected if row[0] != "closed"])


def test_waiting_and_solving_are_measured_between_exact_times_only(stores: Any) -> None:
    play(stores, STEPS)
    (session,) = sessions(stores)
    assert (session["first_response_s"], session["resolution_s"]) == (None, None)
    apply(stores, whole_history(0), T + 200)
    (session,) = sessions(stores)
    assert (session["first_response_s"], session["resolution_s"]) == (30, 100)
    assert (session["joined_at"], session["answered_at"]) == (utc(T), utc(T + 30))


def test_a_whisper_and_an_automatic_answer_answer_nobody(stores: Any) -> None:
    chat = facts(1, T)
    for message in (
        said(10, "x", T),
        said(11, "между нами", T + 5, author=IVAN, hidden=True),
        said(12, "Мы скоро ответим", T + 6, author=IVAN, notice=Notice("automatic")),
    ):
        stores.write(lambda tx, m=message: stores.archive.add_message(tx, chat, m, Source.BOT))
    assert sessions(stores)[0]["answered_at"] is None
    play(stores, [Told(13, T + 9, IVAN)])
    assert sessions(stores)[0]["answered_at"] == utc(T + 9)


REOPENED: tuple[Step, ...] = (
    Join(T),
    Told(10, T),
    Told(11, T + 10, IVAN, 27),
    Finish(T + 100, 1),
    Told(12, T + 500),
    Told(13, T + 510),
    Finish(T + 900, 1),
)


@given(st.permutations(REOPENED))
def test_a_reopened_session_shows_both_ends_under_one_number(fresh_stores: Any, steps: list[Step]) -> None:
    with fresh_stores() as stores:
        play(stores, steps)
        (session,) = sessions(stores)
        shown = [(e["kind"], e["at"]) for e in session["events"] if e["kind"] in ("closed", "reopened")]
        assert shown == [("closed", utc(T + 100)), ("reopened", utc(T + 500)), ("closed", utc(T + 900))]
        assert session["closed_at"] == utc(T + 900)


def test_a_session_reopened_and_ended_again_within_a_minute_ends_with_its_last_notice(stores: Any) -> None:
    ended = Notice("ended", from_id=27)
    play(stores, [Told(10, T), Finish(T + 100)])
    rows = [
        said(10, "m", T),
        said(11, "x", T + 100, 1, SYSTEM, notice=ended),
        said(12, "x", T + 137, 1, SYSTEM, notice=ended),
    ]
    apply(stores, history(*rows), T + 200)
    assert sessions(stores)[0]["closed_at"] == utc(T + 137)


def test_an_end_that_named_no_session_goes_to_the_one_that_history_shows_later(stores: Any) -> None:
    """The second session was announced by nothing but its end."""
    ended = Notice("ended", from_id=27)
    play(stores, [Told(10, T), Finish(T + 9000)])
    apply(stores, history(said(10, "m", T), said(11, "x", T + 100, 1, SYSTEM, notice=ended)), T + 9100)
    rows = [said(50, "m", T + 5000, 2), said(51, "x", T + 9000, 2, SYSTEM, notice=ended)]
    apply(stores, replace(history(*rows, session_id=2), closed=True, ended_at=T + 9000), T + 9100)
    first, other = sessions(stores)
    assert (first["session_id"], first["closed_at"]) == (1, utc(T + 100))
    assert (other["session_id"], other["closed_at"]) == (2, utc(T + 9000))
    assert [e["at"] for e in first["events"] if e["kind"] == "closed"] == [utc(T + 100)]


def test_every_session_of_a_chat_has_a_timeline_of_its_own(stores: Any) -> None:
    second = (
        Join(T + 9000),
        Told(50, T + 9000, session_id=2, opened_at=T + 9000),
        Told(51, T + 9020, SYSTEM, 27, 3, Notice("took", to_id=27), 2, T + 9000),
        Told(52, T + 9030, IVAN, 27, 3, None, 2, T + 9000),
    )
    play(stores, [*STEPS, *second])
    first, other = sessions(stores)
    assert told(first["events"]) == in_utc(EXPECTED)
    assert [e["kind"] for e in other["events"]] == ["opened", "joined", "assigned", "answered"]
    assert other["answered_at"] == utc(T + 9030)


def test_what_a_message_shows_follows_it_into_its_session(stores: Any) -> None:
    """The second feed knows no session: the word goes where it belongs when the bot's event tells."""
    play(stores, [Join(T), Told(10, T), Say(20, "ответ", T + 9100, None, None, IVAN, Source.SECOND_FEED)])
    assert sessions(stores)[0]["answered_at"] == utc(T + 9100)
    play(stores, [Told(19, T + 9000, session_id=2, opened_at=T + 9000)])
    play(stores, [Told(20, T + 9100, IVAN, 27, 3, None, 2, T + 9000)])
    assert [s["answered_at"] for s in sessions(stores)] == [None, utc(T + 9100)]


# --- hand-over as data


def test_the_hand_over_is_told_with_its_time_and_whether_it_was_ours(stores: Any) -> None:
    (ref,) = play(stores, [Join(T)])
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 1, exact=False))
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 9))
    (event,) = [e for e in events(stores) if e["kind"] == "handed_over"]
    assert (event["at"], event["exact"]) == (utc(T + 1), False)


def test_a_refused_hand_over_stays_in_the_timeline_with_the_portals_reason(stores: Any) -> None:
    (ref,) = play(stores, [Join(T)])
    stores.write(lambda tx: stores.archive.handover_failed(tx, ref, "OPERATOR_WRONG: no such operator", T + 3))
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 9))
    shown = [(e["kind"], e["reason"]) for e in events(stores) if e["kind"].startswith("hand")]
    assert shown == [("handover_refused", "OPERATOR_WRONG: no such operator"), ("handed_over", None)]


# --- former texts


def versions(stores: Any, message_id: int = 10, chat_id: int = CHAT) -> list[tuple[int, str, int]]:
    return [(v.number, v.text, v.replaced_at) for v in stores.archive.versions(chat_id, message_id)]


EDITS: tuple[Step, ...] = (Say(10, "a", T, 1, T), *(Edit(10, t, T + 10 * i, 1, T) for i, t in enumerate("bcd", 1)))


@pytest.mark.parametrize("steps", list(permutations(EDITS)), ids=lambda steps: "".join(s.text for s in steps))
def test_former_texts_are_kept_in_the_order_of_writing_whatever_came_first(stores: Any, steps: Any) -> None:
    play(stores, [*steps, *steps])
    assert versions(stores) == [(1, "a", T + 10), (2, "b", T + 20), (3, "c", T + 30)]
    assert stores.message(10)["text"] == "d"


def test_a_text_that_history_replaced_is_a_version(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T)])
    apply(stores, history(said(10, "b", T), edited=[10]), T + 60)
    apply(stores, history(said(10, "b", T), edited=[10]), T + 90)
    assert versions(stores) == [(1, "a", T + 60)]


def test_an_edit_that_was_all_we_heard_of_a_message_is_a_version_of_what_history_shows(stores: Any) -> None:
    play(stores, [Edit(10, "b", T + 20, 1, T)])
    apply(stores, history(said(10, "c", T), edited=[10]), T + 60)
    assert versions(stores) == [(1, "b", T + 20)]
    assert stores.message(10)["text"] == "c"


@pytest.mark.parametrize("source", [Source.BOT, Source.SECOND_FEED])
def test_a_text_told_late_is_kept_though_history_knew_a_newer_one(stores: Any, source: Source) -> None:
    apply(stores, history(said(10, "b", T), edited=[10]), T + 60)
    play(stores, [Say(10, "a", T, 1, T, source=source), Say(10, "a", T, 1, T)])
    assert versions(stores) == [(1, "a", T + 60)]
    assert stores.message(10)["text"] == "b"


@pytest.mark.parametrize("step", [Say(10, "a", T, 1, T), Edit(10, "a", T + 10, 1, T)])
def test_the_text_of_a_message_that_history_knows_as_deleted_is_taken_from_its_late_event(
    stores: Any, step: Step
) -> None:
    apply(stores, history(said(10, "", T), deleted=[10]), T + 60)
    play(stores, [step])
    assert stores.message(10)["text"] == "a"
    assert stores.message(10)["deleted_at"] == utc(T + 60)


def test_a_deleted_message_keeps_its_text_and_its_versions(stores: Any) -> None:
    play(stores, [*EDITS, Delete(10, T + 50, 1, T)])
    assert len(versions(stores)) == 3
    assert (stores.message(10)["text"], stores.message(10)["deleted_at"]) == ("d", utc(T + 50))


def test_an_unknown_message_has_no_versions_and_an_unedited_one_an_empty_list(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T)])
    assert versions(stores) == []
    assert stores.archive.versions(CHAT, 11) is None
    assert stores.archive.versions(6, 10) is None  # of another chat


# --- people


def people(stores: Any) -> dict[int, str]:
    return {row["id"]: row["name"] for row in json.loads(stores.archive.users_page(0, 50).items)}


def nameless(stores: Any) -> list[int]:
    found: list[int] = stores.write(lambda tx: stores.archive.nameless(tx, 50))
    return found


def test_people_known_by_number_only_are_asked_for_once(stores: Any) -> None:
    play(stores, [Told(10, T, ANNA, 27), Told(11, T + 1, SYSTEM, 27, notice=Notice("handed", from_id=27, to_id=28))])
    assert nameless(stores) == [27, 28]
    assert people(stores) == {744: "Анна"}
    stores.write(lambda tx: stores.archive.people_told(tx, [IVAN], [27, 28], T + 5))
    assert nameless(stores) == []
    assert people(stores) == {27: "Иван", 744: "Анна"}
    play(stores, [Told(12, T + 9, ANNA, 28)])
    assert nameless(stores) == []


def test_an_answer_about_somebody_who_was_erased_meanwhile_brings_nobody_back(stores: Any) -> None:
    stores.write(lambda tx: stores.archive.people_told(tx, [IVAN], [27], T))
    assert people(stores) == {}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_name_is_shown_whatever_was_told_first(stores: Any, order: tuple[int, int]) -> None:
    guest = replace(ANNA, name="Зелёный гость №17", first_name="", last_name="")
    steps = [Told(10, T, guest), Told(11, T + 60, ANNA)]
    play(stores, [steps[i] for i in order])
    assert people(stores)[744] == "Анна"
    assert stores.message(10)["author"]["name"] == "Анна"


def test_the_links_to_crm_are_kept_and_the_same_client_over_two_channels_is_two_people(stores: Any) -> None:
    chat = replace(facts(1, T), crm_links="LEAD|1205|COMPANY|0|CONTACT|87|DEAL|0")
    stores.write(lambda tx: stores.archive.add_message(tx, chat, said(10, "x", T), Source.BOT))
    other = replace(facts(2, T, 6), client_id=745, crm_links=chat.crm_links)
    anna = replace(ANNA, id=745)
    message = said(20, "x", T, 2, anna, 6)
    stores.write(lambda tx: stores.archive.add_message(tx, other, message, Source.BOT))
    links = [{"type": "lead", "id": 1205}, {"type": "contact", "id": 87}]
    assert stores.dialog()["crm"] == stores.dialog(6)["crm"] == links
    assert sorted(people(stores)) == [744, 745]


@pytest.mark.parametrize("links", ["", "LEAD|0|COMPANY|0", "LEAD", "|", "LEAD|x", '"|1|\\', "LEAD|1|", "\x01|0|'|"])
def test_odd_links_to_crm_never_spoil_the_list(stores: Any, links: str) -> None:
    chat = replace(facts(1, T), crm_links=links)
    stores.write(lambda tx: stores.archive.add_message(tx, chat, said(10, plain("x"), T), Source.BOT))
    assert all(link["id"] > 0 for link in stores.dialog()["crm"])
