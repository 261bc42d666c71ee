"""Events come in any order and twice; what the archive shows in the end must not depend on it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from python_bot.archive import Source
from tests.contract.conversations import IVAN, Delete, Edit, Finish, Join, Say, Step, picture, play

T = 1_785_312_000
LENGTH_S = 3_000  # of a session; the pause before the next one is longer than that


@st.composite
def session(draw: st.DrawFn, number: int, numbered_end: bool = True) -> list[Step]:
    """One session: entry and first message at the same second, then messages, changes, the end."""
    start = T + number * 10_000
    base = number * 100
    steps: list[Step] = [Join(start + draw(st.integers(0, 2))), Say(base, f"m{base}", start, number, start)]
    for i in range(1, draw(st.integers(1, 4))):
        message_id, at = base + i, start + i * 10
        by = draw(st.sampled_from(["client", "operator", "both feeds"]))
        if by == "client":
            steps.append(Say(message_id, f"[b]m{message_id}[/b]", at, number, start))
        else:
            steps.append(Say(message_id, f"[b]m{message_id}[/b]", at, number, start, IVAN))
        if by == "both feeds":
            steps.append(Say(message_id, f"Иван: m{message_id}", at, None, None, IVAN, Source.SECOND_FEED))
        # Two edits of one message never carry the same second here: `ts` could not tell them apart.
        for k in range(draw(st.integers(0, 2))):
            steps.append(Edit(message_id, f"[i]m{message_id} edit {k}[/i]", at + 1 + k, number, start))
        if draw(st.booleans()):
            steps.append(Delete(message_id, at + 5, number, start))
    if draw(st.booleans()):
        steps.append(Finish(start + LENGTH_S, draw(st.sampled_from([None, number] if numbered_end else [None]))))
    return steps


@st.composite
def delayed(draw: st.DrawFn, steps: list[Step], most_s: int) -> list[Step]:
    """Every delivery takes 0 to `most_s` seconds, so only neighbours in time overtake each other; some come twice."""
    sent = [(step.at + draw(st.integers(0, most_s)), i, step) for i, step in enumerate(steps)]  # type: ignore[attr-defined]  # every kind has one
    again = [row for row in sent if draw(st.integers(0, 5)) == 0]
    return [step for _, _, step in sorted(sent + [(at + 1, i, step) for at, i, step in again], key=lambda r: r[:2])]


def both(fresh_stores: Any, steps: list[Step], shuffled: list[Step]) -> tuple[Any, Any, int, int]:
    with fresh_stores() as one, fresh_stores() as other:
        asked, asked_shuffled = play(one, steps), play(other, shuffled)
        note(f"in order: {steps}\nas it came: {shuffled}")
        return picture(one), picture(other), len(asked), len(asked_shuffled)


@given(st.data())
def test_one_session_looks_the_same_in_whatever_order_its_pieces_came(fresh_stores: Any, data: st.DataObject) -> None:
    steps = data.draw(session(1))
    shuffled = data.draw(st.permutations(steps + data.draw(st.lists(st.sampled_from(steps), max_size=3))))
    expected, found, _, _ = both(fresh_stores, steps, list(shuffled))
    assert found == expected


@given(st.data())
def test_one_session_is_handed_over_once_in_whatever_order_its_pieces_came(
    fresh_stores: Any, data: st.DataObject
) -> None:
    steps = data.draw(session(1))
    shuffled = data.draw(st.permutations(steps + data.draw(st.lists(st.sampled_from(steps), max_size=3))))
    _, _, asked, asked_shuffled = both(fresh_stores, steps, list(shuffled))
    assert (asked, asked_shuffled) == (1, 1)


@given(st.data())
def test_two_sessions_look_the_same_when_pieces_of_each_overtake_each_other(
    fresh_stores: Any, data: st.DataObject
) -> None:
    """Delays of a quarter of an hour: within a session anything may overtake anything, sessions do not mix."""
    steps = data.draw(session(1)) + data.draw(session(2))
    expected, found, asked, asked_shuffled = both(fresh_stores, steps, data.draw(delayed(steps, 900)))
    assert found == expected
    assert (asked, asked_shuffled) == (2, 2)


@given(st.data())
def test_two_sessions_are_handed_over_once_each_in_whatever_order_their_pieces_came(
    fresh_stores: Any, data: st.DataObject
) -> None:
    # A numbered end tells no start: alone, hours before everything else of its session, it cannot be told from the
    # end of the running one. Its usual shape has no number.
    steps = data.draw(session(1, numbered_end=False)) + data.draw(session(2, numbered_end=False))
    shuffled = data.draw(st.permutations(steps))
    _, _, asked, asked_shuffled = both(fresh_stores, steps, list(shuffled))
    assert (asked, asked_shuffled) == (2, 2)


@given(st.data())
def test_texts_marks_and_counts_of_two_sessions_do_not_depend_on_any_order(
    fresh_stores: Any, data: st.DataObject
) -> None:
    steps = data.draw(session(1)) + data.draw(session(2))
    expected, found, _, _ = both(fresh_stores, steps, list(data.draw(st.permutations(steps))))
    for name in ("texts", "deleted", "edited", "count", "session_of"):
        assert found[name] == expected[name], name
