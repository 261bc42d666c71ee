"""An imported message goes only for the one that it is, and each for one."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive.matching import (
    EDIT_TOLERANCE_S,
    HOUR_S,
    OFFSETS_S,
    TELLING_CHARACTERS,
    TOLERANCES_S,
    Said,
    normal,
    pairs,
)

T = 1_700_000_000
TEXTS = st.sampled_from(["Да", "Нет", "", "Здравствуйте, где мой заказ?", "Спасибо"])
AUTHORS = st.sampled_from([744, 27])


@st.composite
def conversations(draw: st.DrawFn) -> list[Said]:
    """The portal's messages, in order."""
    gaps = draw(st.lists(st.integers(0, 900), max_size=12))
    at, found = T, []
    for index, gap in enumerate(gaps):
        at += gap
        found.append(Said(index + 1, draw(AUTHORS), draw(TEXTS), at))
    return found


def imported(real: list[Said], *, by: int = 0) -> list[Said]:
    """The same as the former bot saw it, its clock shifted."""
    return [Said(said.message_id - 1000, said.author_id, said.text, said.at - by) for said in real]


def is_telling(real: list[Said]) -> bool:
    return len(real) > 1 or any(len(said.text) >= TELLING_CHARACTERS for said in real)


@given(conversations())
def test_the_same_conversation_is_wholly_the_same(real: list[Said]) -> None:
    assert len(pairs(imported(real), real)) == len(real)


@given(conversations(), st.sampled_from(OFFSETS_S[1:]))
def test_a_clock_that_is_an_hour_off_is_seen_through(real: list[Said], by: int) -> None:
    if is_telling(real):
        assert len(pairs(imported(real, by=by), real)) == len(real)


@given(conversations(), st.data())
def test_what_only_one_side_has_stays(real: list[Said], data: st.DataObject) -> None:
    ours = [said for said in imported(real) if data.draw(st.booleans())]
    theirs = [said for said in real if data.draw(st.booleans())]
    found = pairs(ours, theirs)
    both = {said.message_id + 1000 for said in ours} & {said.message_id for said in theirs}
    assert len(found) >= len(both)


@given(conversations(), conversations(), st.integers(-2 * HOUR_S, 2 * HOUR_S))
def test_every_pair_is_one_author_one_text_one_moment_and_every_message_is_in_one_pair(
    ours: list[Said], theirs: list[Said], shift: int
) -> None:
    found = pairs(imported(ours, by=shift), theirs)
    for one, other in found:
        assert (one.author_id, one.text) == (other.author_id, other.text)
        assert any(abs(one.at + offset - other.at) <= TOLERANCES_S[-1] for offset in OFFSETS_S)
    for side in zip(*found, strict=True):
        assert max(Counter(said.message_id for said in side).values()) == 1


def test_repeated_words_find_their_own_moment() -> None:
    real = [Said(i + 1, 744, "Да", T + 60 * i) for i in range(5)]
    ours = imported(real)
    found = {one.message_id: other.message_id for one, other in pairs(ours, [real[0], real[2], real[4]])}
    assert found == {-999: 1, -997: 3, -995: 5}


def test_a_short_word_an_hour_apart_proves_nothing() -> None:
    assert pairs([Said(-1, 744, "Да", T)], [Said(1, 744, "Да", T + HOUR_S)]) == []
    long = "Здравствуйте, где мой заказ?"
    assert len(pairs([Said(-1, 744, long, T)], [Said(1, 744, long, T + HOUR_S)])) == 1


def test_an_edited_message_is_known_by_its_moment() -> None:
    ours = [Said(-1, 744, "в пятницу", T)]
    assert len(pairs(ours, [Said(1, 744, "в субботу", T + 3, edited=True)])) == 1
    assert pairs(ours, [Said(1, 744, "в субботу", T + 3)]) == []
    assert pairs(ours, [Said(1, 744, "в субботу", T + EDIT_TOLERANCE_S + 1, edited=True)]) == []
    assert pairs(ours, [Said(1, 27, "в субботу", T + 3, edited=True)]) == []


def test_spacing_is_no_difference() -> None:
    assert normal(" Добрый \n\n день ") == normal("Добрый день")
