"""What people type: terms, and helpful words for what cannot be searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.search import BadQuery, parse
from python_bot.search.query import Term
from python_bot.search.reading import Fragments, matches
from python_bot.search.words import normal, phones, pieces, spans, stem, words


def test_a_query_is_a_list_of_terms() -> None:
    query = parse('Доставка "в Москву" зав* *ставк* -самовывоз -"не надо"')
    assert query.wanted == (
        Term("forms", ("доставка",)),
        Term("exact", ("в", "москву")),
        Term("prefix", ("зав",)),
        Term("part", ("ставк",)),
    )
    assert query.excluded == (Term("forms", ("самовывоз",), True), Term("exact", ("не", "надо"), True))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no word"),
        ("   ?! ", "no word"),
        ('"доставка', "not closed"),
        ("-доставка", "only exclusions"),
        ("д*", "at least 2 letters"),
        ("*ст*", "at least 3"),
        ("дос*авка", "not inside"),
        ("а " * 30, "more than 20"),
        ("а" * 501, "longer than 500"),
    ],
)
def test_what_cannot_be_searched_is_explained(text: str, told: str) -> None:
    with pytest.raises(BadQuery, match=told):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_is_explained(text: str) -> None:
    try:
        query = parse(text)
    except BadQuery as error:
        assert str(error)
    else:
        matches(query, normal(text), "")
        Fragments(query).of(text)


@given(st.text(max_size=80))
def test_words_are_where_they_stand(text: str) -> None:
    for word, start, end in spans(text):
        assert word in words(normal(text[start:end]))


@given(
    st.text(alphabet="доставкуёЁ<>&\" *abc'", max_size=80), st.sampled_from(["доставка", "*ста*", "ab*", '"до ста"'])
)
def test_a_fragment_is_the_text_with_marks(text: str, query: str) -> None:
    shown = Fragments(parse(query)).of(text)
    assert shown.count("<mark>") == shown.count("</mark>")
    assert "<" not in shown.replace("<mark>", "").replace("</mark>", "")


def test_telephone_numbers_are_digits() -> None:
    assert phones("звоните +7 (495) 123-45-67 или 8 999 123 45 67") == ["74951234567", "79991234567"]
    assert phones("заказ 123 на 2026-07-29") == []


# Letters of other kinds are those that normal() makes others of, or several words, or nothing.
ORDINARY = st.sampled_from(["доставка", "Доставке", "ёлка", "Ёлки", "елки", "курьера", "почему-то", "Дню", "звонок"])
LATIN = st.sampled_from(["fish", "running", "Run", "dying", "№5", "a_b", "_день", "5кг", "<b>", "do", "Денег", "денег"])
ODD = st.sampled_from(
    ["за\u0301мок", "\u0301а", "ﬁsh", "x²", "a½b", "½", "Ǆ", "İstanbul", "ı", "K", "ſtraße", "٥", "ＤＯ", "Ѐ"]
)
TEXT = st.lists(st.one_of(ORDINARY, LATIN, ODD, st.sampled_from(" -_.")), max_size=12)
SOUGHT = st.sampled_from(
    ["доставка", "елка", "курь*", "дня", "деньги", "fish", "run", "ёл*", "замок", "5", "die", "do"]
)
LETTERS = ("абвгдежзийклмнопрстуфхцчшщъыьэюя", "abcdefghijklmnopqrstuvwxyz")


@given(TEXT, st.lists(SOUGHT, min_size=1, max_size=2))
def test_a_quick_look_at_a_text_finds_what_a_look_at_every_word_finds(text: list[str], sought: list[str]) -> None:
    query = parse(" ".join(sought))
    quick, thorough = Fragments(query), Fragments(query)
    thorough._look = pieces
    for between in ("", " "):
        assert quick.of(between.join(text)) == thorough.of(between.join(text))


@given(st.one_of(*(st.text(alphabet, min_size=1) for alphabet in LETTERS)))
def test_every_form_of_a_word_begins_with_the_letter_of_its_stem(word: str) -> None:
    assert stem(word)[0] == word[0]
