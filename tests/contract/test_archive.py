from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from python_bot.archive import Source
from python_bot.model import JournalEntry, User
from tests.contract.conversations import (
    ANNA,
    CHAT,
    FILE,
    IVAN,
    NOBODY,
    Delete,
    Edit,
    Finish,
    Join,
    Say,
    Start,
    facts,
    history,
    line_facts,
    play,
    said,
)

T = 1_785_312_000


def utc(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(fingerprint: bytes, event: str = "ONIMBOTMESSAGEADD") -> JournalEntry:
    return JournalEntry(T, event, "trace", fingerprint, b"body", "form", "read")


# --- journal and facts


def test_an_event_is_recorded_once(stores: Any) -> None:
    assert stores.write(lambda tx: stores.archive.record(tx, entry(b"a"))) is True
    assert stores.write(lambda tx: stores.archive.record(tx, entry(b"a", "OTHER"))) is False
    assert stores.write(lambda tx: stores.archive.record(tx, entry(b"b"))) is True


def test_an_event_that_failed_can_be_recorded_again(stores: Any) -> None:
    def fail(tx: Any) -> None:
        stores.archive.record(tx, entry(b"a"))
        raise RuntimeError("after the journal")

    with pytest.raises(RuntimeError):
        stores.write(fail)
    assert stores.write(lambda tx: stores.archive.record(tx, entry(b"a"))) is True


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": ["б", None, 1.5]}, "👍", 2**60, False])
def test_a_fact_comes_back_as_it_was_set(stores: Any, value: Any) -> None:
    assert stores.archive.fact("x") is None
    stores.write(lambda tx: stores.archive.set_fact(tx, "x", "before"))
    stores.write(lambda tx: stores.archive.set_fact(tx, "x", value))
    assert stores.archive.fact("x") == value
    assert stores.archive.fact("y") is None


def test_connector_lines_are_switched_and_forgotten(stores: Any) -> None:
    archive = stores.archive
    for connector, line, active in (("tg", 3, True), ("avito", 3, True), ("tg", 4, True), ("tg", 3, False)):
        stores.write(lambda tx, c=connector, i=line, a=active: archive.connector_line(tx, c, i, a, T))
    assert archive.connector_lines() == [("avito", 3, True), ("tg", 3, False), ("tg", 4, True)]
    stores.write(lambda tx: archive.forget_line(tx, 3, T))
    assert archive.connector_lines() == [("tg", 4, True)]


# --- the first signs of a session


def test_an_unknown_chat_has_no_dialog_no_messages_and_no_sessions(stores: Any) -> None:
    assert stores.archive.dialog(CHAT) is None
    assert stores.messages() == []
    assert stores.archive.session_ids(CHAT) == []
    assert stores.archive.counts()["dialogs"] == 0


@pytest.mark.parametrize("first", ["join", "message"])
def test_entry_and_first_message_in_any_order_are_one_session_and_one_hand_over(stores: Any, first: str) -> None:
    steps = [Join(T), Say(10, "привет", T, 321, T - 40)]
    asked = play(stores, steps if first == "join" else steps[::-1])
    assert len(asked) == 1
    shown = stores.dialog()
    assert [s["session_id"] for s in shown["sessions"]] == [321]
    dialog = shown["dialog"]
    assert (dialog["session_id"], dialog["status"], dialog["message_count"], dialog["line_id"]) == (321, "open", 1, 3)
    assert dialog["client"] == {"id": 744, "name": "Анна"}
    assert shown["sessions"][0]["handover"] == "asked"


def test_the_same_entry_again_asks_for_nothing(stores: Any) -> None:
    assert len(play(stores, [Join(T), Join(T), Join(T + 1), Say(10, "x", T, 1, T), Join(T + 1)])) == 1


def test_every_further_message_of_a_session_asks_for_nothing(stores: Any) -> None:
    assert len(play(stores, [Join(T), *(Say(10 + i, "x", T + i * 900, 1, T) for i in range(9))])) == 1


def test_the_second_feed_never_asks_for_a_hand_over_but_leaves_it_to_the_bots(stores: Any) -> None:
    assert play(stores, [Say(10, "x", T, None, None, IVAN, Source.SECOND_FEED)]) == []
    assert len(play(stores, [Say(10, "x", T, 1, T), Join(T)])) == 1
    assert stores.archive.session_ids(CHAT) == [1]


def test_a_message_without_a_session_number_belongs_to_the_running_session(stores: Any) -> None:
    assert len(play(stores, [Say(10, "x", T, 1, T), Say(11, "y", T + 5, None, None)])) == 1
    assert stores.message(11)["session_id"] == 1


def test_a_dialog_known_without_any_number_is_numbered_later(stores: Any) -> None:
    assert len(play(stores, [Say(10, "x", T, None, None), Join(T), Start(T + 1, 77), Say(11, "y", T + 2, 77, T)])) == 1
    assert [m["session_id"] for m in stores.messages()] == [77, 77]


# --- sessions


@pytest.mark.parametrize("order", [1, -1])
def test_the_line_of_a_dialog_is_the_one_it_came_in_by_wherever_it_was_passed_on_to(stores: Any, order: int) -> None:
    passed_on = replace(line_facts(), line_id=4)
    signs = [
        lambda tx: stores.archive.session_started(tx, line_facts(), T),
        lambda tx: stores.archive.describe(tx, facts(1, T), T),
        lambda tx: stores.archive.session_finished(tx, passed_on, T + 60),
    ]
    for sign in signs[::order]:
        stores.write(sign)
    assert stores.dialog()["dialog"]["line_id"] == 3


def test_a_new_session_in_the_same_chat_is_handed_over_again(stores: Any) -> None:
    first = [Join(T), Say(10, "x", T, 1, T), Finish(T + 100)]
    second = [Join(T + 9000), Say(20, "y", T + 9000, 2, T + 9000)]
    assert len(play(stores, first)) == 1
    assert stores.dialog()["dialog"]["status"] == "closed"
    assert len(play(stores, second)) == 1
    shown = stores.dialog()
    assert (shown["dialog"]["status"], shown["dialog"]["session_id"]) == ("open", 2)
    assert stores.archive.session_ids(CHAT) == [2, 1]
    assert [s["closed_at"] for s in shown["sessions"]] == [utc(T + 100), None]


def test_a_new_session_is_handed_over_again_though_the_end_of_the_former_was_never_told(stores: Any) -> None:
    assert len(play(stores, [Join(T), Say(10, "x", T, 1, T)])) == 1
    assert len(play(stores, [Join(T + 9000), Say(20, "y", T + 9000, 2, T + 9000)])) == 1
    assert stores.archive.session_ids(CHAT) == [2, 1]


def test_a_late_message_of_the_former_session_goes_where_it_belongs(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T), Finish(T + 100), Join(T + 200), Say(20, "y", T + 200, 2, T + 200)])
    assert play(stores, [Say(11, "late", T + 50, 1, T)]) == []
    assert stores.message(11)["session_id"] == 1
    dialog = stores.dialog()["dialog"]
    assert (dialog["session_id"], dialog["status"], dialog["last_message_at"]) == (2, "open", utc(T + 200))


def test_a_late_message_does_not_open_its_closed_session(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T), Finish(T + 100), Say(11, "late", T + 60, 1, T)])
    assert stores.dialog()["dialog"]["status"] == "closed"


def test_a_reopened_session_is_open_under_its_old_number_and_not_handed_over_again(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T), Finish(T + 100)])
    assert play(stores, [Say(11, "ещё", T + 500, 1, T)]) == []
    shown = stores.dialog()
    assert (shown["dialog"]["status"], shown["sessions"][0]["closed_at"]) == ("open", None)


@pytest.mark.parametrize("number", [None, 1])
def test_the_end_of_the_former_session_told_late_leaves_the_new_one_open(stores: Any, number: int | None) -> None:
    """ONSESSIONFINISH travels in another queue than the bot's events, and its usual shape names no session."""
    asked = play(stores, [Join(T), Say(10, "x", T, 1, T), Join(T + 200), Finish(T + 100, number)])
    asked += play(stores, [Say(20, "y", T + 200, 2, T + 200)])
    assert len(asked) == 2
    shown = stores.dialog()
    assert (shown["dialog"]["status"], shown["dialog"]["session_id"]) == ("open", 2)
    assert stores.archive.session_ids(CHAT) == [2, 1]
    assert [s["closed_at"] for s in shown["sessions"]] == [utc(T + 100), None]


def test_an_end_told_again_after_the_session_was_reopened_leaves_it_open(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T), Finish(T + 100), Say(11, "ещё", T + 500, 1, T)])
    play(stores, [Finish(T + 100, 1)])
    assert stores.dialog()["dialog"]["status"] == "open"


def test_the_end_of_an_unknown_session_makes_a_closed_dialog(stores: Any) -> None:
    play(stores, [Finish(T, 9)])
    assert stores.dialog()["dialog"]["status"] == "closed"
    assert stores.archive.session_ids(CHAT) == [9]


def test_a_session_whose_end_came_first_is_still_handed_over_once(stores: Any) -> None:
    asked = play(stores, [Finish(T + 60, 1), Join(T), Say(10, "x", T, 1, T)])
    assert len(asked) == 1
    assert stores.archive.session_ids(CHAT) == [1]
    assert len(stores.dialog()["sessions"]) == 1


def test_history_of_an_older_session_does_not_make_it_the_current_one(stores: Any) -> None:
    play(stores, [Join(T), Say(20, "y", T, 2, T)])
    stores.write(lambda tx: stores.archive.apply_history(tx, history(said(10, "x", T - 9000)), T + 5))
    dialog = stores.dialog()["dialog"]
    assert (dialog["session_id"], dialog["status"], dialog["last_message_at"]) == (2, "open", utc(T))
    assert stores.archive.session_ids(CHAT) == [2, 1]
    play(stores, [Say(21, "без номера", T + 6, None, None)])
    assert stores.message(21)["session_id"] == 2


def test_the_hand_over_is_noted_on_session_and_dialog_once(stores: Any) -> None:
    (ref,) = play(stores, [Join(T)])
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 1))
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 9))
    shown = stores.dialog()
    assert shown["dialog"]["handed_over_at"] == shown["sessions"][0]["handed_over_at"] == utc(T + 1)
    assert shown["sessions"][0]["handover"] == "done"
    play(stores, [Finish(T + 50), Join(T + 100)])
    assert stores.dialog()["dialog"]["handed_over_at"] is None  # the new session's


def test_a_failed_hand_over_is_shown_and_a_later_success_wipes_it(stores: Any) -> None:
    (ref,) = play(stores, [Join(T)])
    stores.write(lambda tx: stores.archive.handover_failed(tx, ref, "OPERATOR_WRONG", T + 3))
    session = stores.dialog()["sessions"][0]
    assert (session["handover"], session["handover_error"]) == ("failed", "OPERATOR_WRONG")
    assert play(stores, [Say(10, "x", T, 1, T)]) == []
    stores.write(lambda tx: stores.archive.handed_over(tx, ref, T + 5))
    session = stores.dialog()["sessions"][0]
    assert (session["handover"], session["handover_error"]) == ("done", None)


def test_a_hand_over_of_the_former_session_does_not_mark_the_new_one(stores: Any) -> None:
    (first,) = play(stores, [Join(T), Finish(T + 50)])
    (second,) = play(stores, [Join(T + 100)])
    stores.write(lambda tx: stores.archive.handed_over(tx, first, T + 101))
    assert first != second
    assert stores.dialog()["dialog"]["handed_over_at"] is None


# --- messages


def test_a_message_is_shown_with_everything_that_was_said_about_it(stores: Any) -> None:
    message = said(10, "[b]Добрый[/b] 👍\n\"'\\", T, files=(FILE,))
    stores.write(lambda tx: stores.archive.add_message(tx, facts(321, T), message, Source.BOT))
    assert stores.messages() == [
        {
            "message_id": 10,
            "chat_id": CHAT,
            "session_id": 321,
            "author": {"id": 744, "name": "Анна", "kind": "client"},
            "text": "[b]Добрый[/b] 👍\n\"'\\",
            "text_plain": "Добрый 👍\n\"'\\",
            "sent_at": utc(T),
            "sent_at_exact": False,
            "edited_at": None,
            "deleted_at": None,
            "files": [
                {
                    "id": 5437,
                    "name": "чек.jpg",
                    "size": 240113,
                    "type": "image",
                    "url": "https://acme.bitrix24.ru/x",
                    "state": "metadata",
                    "problem": None,
                }
            ],
        }
    ]


def test_a_message_that_comes_twice_is_counted_once(stores: Any) -> None:
    play(stores, [Say(10, "x", T, 1, T)] * 3)
    assert stores.dialog()["dialog"]["message_count"] == 1


@pytest.mark.parametrize("bot_first", [True, False])
def test_both_feeds_tell_one_message_and_the_bots_words_win(stores: Any, bot_first: bool) -> None:
    line = Say(10, "[b]Иван:[/b] текст", T, None, None, User(27, "", "operator"), Source.SECOND_FEED)
    bot = Say(10, "текст", T, 1, T, IVAN)
    play(stores, [bot, line] if bot_first else [line, bot])
    message = stores.message(10)
    assert (message["text"], message["text_plain"], message["session_id"]) == ("текст", "текст", 1)
    assert message["author"] == {"id": 27, "name": "Иван", "kind": "operator"}
    assert stores.dialog()["dialog"]["message_count"] == 1


def test_an_edit_replaces_the_text_and_an_older_one_told_later_does_not(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T), Edit(10, "c", T + 9, 1, T), Edit(10, "b", T + 5, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["text_plain"], message["edited_at"]) == ("c", "c", utc(T + 9))


def test_an_edit_told_before_its_message_stays_the_text(stores: Any) -> None:
    play(stores, [Edit(10, "[b]b[/b]", T + 5, 1, T), Say(10, "a", T, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["text_plain"]) == ("[b]b[/b]", "b")
    assert (message["sent_at"], message["edited_at"]) == (utc(T), utc(T + 5))
    assert stores.dialog()["dialog"]["message_count"] == 1


def test_a_deletion_marks_the_message_and_keeps_what_was_said(stores: Any) -> None:
    play(stores, [Say(10, "[i]сказано[/i]", T, 1, T), Delete(10, T + 5, 1, T), Delete(10, T + 8, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["text_plain"], message["deleted_at"]) == ("[i]сказано[/i]", "сказано", utc(T + 5))


def test_a_deletion_told_before_its_message_keeps_both(stores: Any) -> None:
    play(stores, [Delete(10, T + 5, 1, T), Say(10, "[i]сказано[/i]", T, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["text_plain"], message["deleted_at"]) == ("[i]сказано[/i]", "сказано", utc(T + 5))
    assert (message["sent_at"], stores.dialog()["dialog"]["message_count"]) == (utc(T), 1)


def test_edit_and_deletion_told_before_their_message_leave_the_edited_text(stores: Any) -> None:
    for steps in (
        [Edit(10, "b", T + 5, 1, T), Delete(10, T + 8, 1, T), Say(10, "a", T, 1, T)],
        [Delete(11, T + 8, 1, T), Edit(11, "b", T + 5, 1, T), Say(11, "a", T, 1, T)],
    ):
        play(stores, steps)
    assert [(m["text"], bool(m["deleted_at"])) for m in stores.messages()] == [("b", True)] * 2


def test_a_change_by_the_second_feed_before_the_message_does_not_hide_its_author(stores: Any) -> None:
    archive = stores.archive
    stores.write(lambda tx: archive.edit_message(tx, line_facts(), 10, NOBODY, "b", "b", T + 5))
    play(stores, [Say(10, "a", T, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["author"]["id"], message["session_id"]) == ("b", 744, 1)


def test_a_change_of_a_message_in_an_unknown_chat_is_kept(stores: Any) -> None:
    stores.write(lambda tx: stores.archive.delete_message(tx, line_facts(), 10, NOBODY, "было", "было", T))
    message = stores.message(10)
    assert (message["text"], message["session_id"], message["deleted_at"]) == ("было", None, utc(T))


def test_the_time_of_the_last_message_is_not_the_time_of_an_edit(stores: Any) -> None:
    play(stores, [Edit(10, "b", T + 500, 1, T), Say(10, "a", T, 1, T)])
    assert stores.dialog()["dialog"]["last_message_at"] == utc(T)


def test_the_operator_of_the_newest_message_is_the_dialogs(stores: Any) -> None:
    chat = facts(1, T)
    for message_id, operator in ((12, 28), (11, 27), (10, None)):
        known = replace(chat, operator_id=operator)
        stores.write(lambda tx, c=known, i=message_id: stores.archive.add_message(tx, c, said(i, "x", T), Source.BOT))
    assert stores.dialog()["dialog"]["operator"]["id"] == 28


# --- history


def test_history_fills_what_was_missed_and_makes_the_dialog_complete(stores: Any) -> None:
    play(stores, [Join(T), Say(12, "third", T + 3, 1, T)])
    assert stores.dialog()["dialog"]["complete"] is False
    rows = [said(10, "first", T), said(11, "second", T + 1, author=IVAN, files=(FILE,)), said(12, "third", T + 2)]
    stores.write(lambda tx: stores.archive.apply_history(tx, history(*rows), T + 60))
    assert [(m["text"], m["sent_at_exact"], m["sent_at"]) for m in stores.messages()] == [
        ("first", True, utc(T)),
        ("second", True, utc(T + 1)),
        ("third", True, utc(T + 2)),
    ]
    dialog = stores.dialog()["dialog"]
    assert (dialog["message_count"], dialog["complete"], dialog["last_message_at"]) == (3, True, utc(T + 2))
    assert stores.message(11)["files"][0]["name"] == "чек.jpg"
    play(stores, [Say(13, "fourth", T + 90, 1, T)])
    assert stores.dialog()["dialog"]["complete"] is False


def test_history_twice_changes_nothing(stores: Any) -> None:
    rows = history(said(10, "a", T), said(11, "b", T + 1), edited=[11], deleted=[10])
    stores.write(lambda tx: stores.archive.apply_history(tx, rows, T + 60))
    once = (stores.dialog(), stores.messages())
    stores.write(lambda tx: stores.archive.apply_history(tx, rows, T + 90))
    assert (stores.dialog(), stores.messages()) == once


def test_a_session_known_from_history_alone_asks_for_its_hand_over_when_the_bot_comes(stores: Any) -> None:
    stores.write(lambda tx: stores.archive.apply_history(tx, history(said(10, "a", T)), T + 5))
    assert len(play(stores, [Join(T), Say(10, "a", T, 1, T)])) == 1
    assert stores.archive.session_ids(CHAT) == [1]


def test_a_text_deleted_in_the_portal_is_kept_with_its_plain_form(stores: Any) -> None:
    play(stores, [Say(10, "[b]сказано[/b]", T, 1, T)])
    gone = said(10, "", T)
    stores.write(lambda tx: stores.archive.apply_history(tx, history(gone, deleted=[10]), T + 60))
    message = stores.message(10)
    assert (message["text"], message["text_plain"]) == ("[b]сказано[/b]", "сказано")
    assert message["deleted_at"]


def test_a_text_that_the_portal_replaced_by_a_deletion_notice_is_kept(stores: Any) -> None:
    """The portal's soft deletion writes a notice in the place of the text."""
    play(stores, [Say(10, "сказано", T, 1, T)])
    notice = said(10, "Это сообщение было удалено", T)
    stores.write(lambda tx: stores.archive.apply_history(tx, history(notice, deleted=[10]), T + 60))
    assert stores.message(10)["text"] == "сказано"


def test_history_without_a_readable_time_keeps_the_time_that_was_known(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T)])
    rows = history(said(10, "a", 0))
    rows = replace(
        rows, messages=tuple(replace(r, message=replace(r.message, sent_at_exact=False)) for r in rows.messages)
    )
    stores.write(lambda tx: stores.archive.apply_history(tx, rows, T + 60))
    assert stores.message(10)["sent_at"] == utc(T)


def test_an_edit_newer_than_the_reading_of_history_stays_whatever_is_stored_first(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T), Edit(10, "b", T + 70, 1, T)])
    stores.write(lambda tx: stores.archive.apply_history(tx, history(said(10, "a", T)), T + 60))
    assert stores.message(10)["text"] == "b"


def test_an_edit_missed_by_us_is_repaired_and_the_former_text_is_not_counted_twice(stores: Any) -> None:
    play(stores, [Say(10, "a", T, 1, T)])
    stores.write(lambda tx: stores.archive.apply_history(tx, history(said(10, "b", T), edited=[10]), T + 60))
    message = stores.message(10)
    assert (message["text"], message["edited_at"]) == ("b", utc(T + 60))
    assert stores.dialog()["dialog"]["message_count"] == 1


def test_what_comes_after_history_does_not_spoil_it(stores: Any) -> None:
    stores.write(lambda tx: stores.archive.apply_history(tx, history(said(10, "exact", T, author=IVAN)), T + 60))
    play(stores, [Say(10, "signed: exact", T + 3, None, None, NOBODY, Source.SECOND_FEED), Say(10, "bot", T + 4, 1, T)])
    message = stores.message(10)
    assert (message["text"], message["sent_at"], message["author"]["id"]) == ("exact", utc(T), 27)


# --- people and figures


def test_people_keep_the_fullest_name_that_was_told(stores: Any) -> None:
    play(stores, [Say(10, "x", T, 1, T, IVAN), Say(11, "y", T, 1, T, User(27, "", "operator"))])
    (user,) = json.loads(stores.archive.users_page(0, 10).items)
    assert user == {
        "id": 27,
        "name": "Иван",
        "kind": "operator",
        "first_name": "Иван",
        "last_name": "Петров",
        "work_position": "Менеджер",
    }


def test_the_system_is_nobody_in_the_list_of_people(stores: Any) -> None:
    play(stores, [Say(10, "x", T, 1, T, NOBODY)])
    assert json.loads(stores.archive.users_page(0, 10).items) == []
    assert [p["id"] for p in stores.dialog()["participants"]] in ([], [744])


def test_participants_are_everybody_who_spoke_and_the_client(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T, IVAN), Say(11, "x", T, 1, T, ANNA)])
    assert [(p["id"], p["kind"]) for p in stores.dialog()["participants"]] == [(27, "operator"), (744, "client")]


def test_counts_tell_dialogs_messages_open_and_complete(stores: Any) -> None:
    play(stores, [Say(10, "x", T, 1, T), Say(11, "x", T, 1, T), Finish(T + 5)])
    stores.write(lambda tx: stores.archive.add_message(tx, facts(9, T, 6), said(20, "x", T, 9, chat_id=6), Source.BOT))
    counts = stores.archive.counts()
    assert (counts["dialogs"], counts["messages"], counts["open_dialogs"], counts["complete_dialogs"]) == (2, 3, 1, 0)


def test_two_chats_do_not_touch_each_other(stores: Any) -> None:
    play(stores, [Join(T), Say(10, "x", T, 1, T)])
    other = facts(2, T, 6)
    assert stores.write(lambda tx: stores.archive.joined(tx, other, T)) is not None
    stores.write(lambda tx: stores.archive.session_finished(tx, other, T + 5))
    assert stores.dialog()["dialog"]["status"] == "open"
    assert [m["message_id"] for m in stores.messages(6)] == []
