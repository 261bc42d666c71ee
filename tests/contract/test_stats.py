"""Figures of the archive, against the same counted by hand over what the archive shows."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source
from python_bot.model import DialogFilter, User
from tests.contract.conversations import facts, history, said

T = 1_785_312_000  # 2026-07-29T08:00:00Z, a Wednesday
HOUR = 3600
OPERATORS = (User(27, "Иван", "operator"), User(28, "Ольга", "operator"))


def talk(stores: Any, chat_id: int, line_id: int, began: int, words: list[tuple[int, str]], closed: bool) -> None:
    """A session that history has told: (seconds after the beginning, who) for each word."""
    client = User(700 + chat_id, f"Клиент {chat_id}", "client")
    people = {"c": client, "1": OPERATORS[0], "2": OPERATORS[1]}
    about = replace(
        facts(chat_id * 10, began, chat_id), line_id=line_id, client_id=client.id, connector_id=f"канал {line_id}"
    )
    messages = [
        said(chat_id * 100 + i, "да", began + after, chat_id * 10, people[who], chat_id)
        for i, (after, who) in enumerate(words)
    ]

    def work(tx: Any) -> None:
        for message in messages:
            stores.archive.add_message(tx, about, message, Source.BOT)
        stores.archive.apply_history(tx, history(*messages, session_id=chat_id * 10), began + 10_000)
        if closed:
            stores.archive.session_finished(tx, about, began + 5000)

    stores.write(work)


def ask(stores: Any, offset_s: int = 0, **wanted: Any) -> Any:
    chosen = DialogFilter(**{"since": T - 86_400, "until": T + 30 * 86_400, **wanted})
    return stores.archive.stats(chosen, offset_s)


def test_an_archive_without_words_has_figures_too(stores: Any) -> None:
    found = ask(stores)
    assert found["totals"]["messages"] == found["totals"]["sessions"] == 0
    assert found["totals"]["first_response_s"] == {"count": 0, "median": None, "p90": None}
    assert found["by_day"] == found["by_line"] == found["unanswered"] == []
    assert len(found["by_hour"]) == 24


def test_days_and_hours_go_by_the_callers_clock(stores: Any) -> None:
    talk(stores, 5, 3, T + 15 * HOUR, [(0, "c"), (60, "1")], False)  # 23:00 UTC, 02:00 of the next day in Moscow
    utc, moscow = ask(stores), ask(stores, 3 * HOUR)
    nothing = {"count": 0, "median": None, "p90": None}
    answered = {"count": 1, "median": 60, "p90": 60}
    told = {"sessions": 1, "messages": 2, "first_response_s": answered, "resolution_s": nothing}
    assert utc["by_day"] == [{"date": "2026-07-29", **told}]
    assert moscow["by_day"] == [{"date": "2026-07-30", **told}]
    assert utc["by_hour_of_week"] == [{"weekday": 3, "hour": 23, "sessions": 1, "messages": 2}]
    assert moscow["by_hour_of_week"] == [{"weekday": 4, "hour": 2, "sessions": 1, "messages": 2}]


def test_who_waits_for_an_answer_now_is_named_longest_wait_first(stores: Any) -> None:
    talk(stores, 5, 3, T, [(0, "c"), (60, "1"), (90, "c")], False)
    talk(stores, 6, 3, T, [(0, "c")], False)
    talk(stores, 7, 3, T, [(0, "c"), (10, "2")], False)
    talk(stores, 8, 3, T, [(0, "c")], True)
    found = ask(stores)
    assert found["totals"]["unanswered_now"] == 2
    assert [(row["chat_id"], row["since"]) for row in found["unanswered"]] == [
        (6, "2026-07-29T08:00:00Z"),
        (5, "2026-07-29T08:01:30Z"),
    ]


def test_the_first_response_is_that_of_the_dialogs_own_timeline(stores: Any) -> None:
    talk(stores, 5, 3, T, [(0, "c"), (60, "1")], False)
    talk(stores, 6, 4, T, [(0, "c"), (30, "c"), (200, "2"), (300, "1")], False)
    talk(stores, 7, 4, T, [(0, "1"), (30, "c")], False)  # the operator began: nobody waited
    found = ask(stores)
    shown = [s["first_response_s"] for chat_id in (5, 6, 7) for s in stores.dialog(chat_id)["sessions"]]
    assert shown == [60, 200, None]
    assert found["totals"]["first_response_s"] == {"count": 2, "median": 60, "p90": 200}
    assert [(row["line_id"], row["first_response_s"]["median"]) for row in found["by_line"]] == [(3, 60), (4, 200)]
    by_operator = {row["operator"]["name"]: row for row in found["by_operator"]}
    assert by_operator["Ольга"]["first_response_s"] == {"count": 1, "median": 200, "p90": 200}
    assert by_operator["Иван"]["messages"] == 3


words = st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("c12")), min_size=1, max_size=5).map(sorted)
talks = st.tuples(st.integers(3, 5), st.integers(0, 5 * 86_400), words, st.booleans())


@given(st.lists(talks, max_size=8), st.sampled_from([None, 3, 4]), st.sampled_from([-5, 0, 3]))
def test_figures_equal_those_counted_by_hand(
    fresh_stores: Any, there: list[Any], line_id: int | None, offset_h: int
) -> None:
    with fresh_stores() as stores:
        for i, (line, began, said_words, closed) in enumerate(there):
            talk(stores, 5 + i, line, T + began, said_words, closed)
        found = ask(stores, offset_h * HOUR, line_id=line_id)
        of_line = [5 + i for i, row in enumerate(there) if line_id in (None, row[0])]
        messages = [m for chat_id in of_line for m in stores.messages(chat_id)]
        sessions = [s for chat_id in of_line for s in stores.dialog(chat_id)["sessions"]]
        assert found["totals"]["messages"] == len(messages)
        assert found["totals"]["sessions"] == len(sessions)
        assert sum(row["messages"] for row in found["by_hour"]) == len(messages)
        assert sum(row["messages"] for row in found["by_connector"]) == len(messages)
        counted = Counter(m["author"]["id"] for m in messages if m["author"]["kind"] == "operator")
        assert {r["operator"]["id"]: r["messages"] for r in found["by_operator"] if r["messages"]} == counted
        for span in ("first_response_s", "resolution_s"):
            values = sorted(s[span] for s in sessions if s[span] is not None)
            expected = {
                "count": len(values),
                "median": values[math.ceil(len(values) / 2) - 1] if values else None,
                "p90": values[math.ceil(len(values) * 0.9) - 1] if values else None,
            }
            assert found["totals"][span] == expected, span
        assert json.dumps(found)
