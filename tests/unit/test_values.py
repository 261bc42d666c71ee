"""Our dataclasses are those of the standard library in everything but the memory they take."""

from __future__ import annotations

import dataclasses
import gc
import tracemalloc
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.values import dataclass

MAKERS: dict[str, Any] = {"ours": dataclass, "theirs": dataclasses.dataclass}


def point(maker: Any, *, frozen: bool = True, eq: bool = True) -> Any:
    @maker(frozen=frozen, slots=True, eq=eq)
    class Point:
        x: int
        y: str = "да"
        secret: str = field(default="", repr=False)
        weight: float = field(default=0.0, compare=False)

    return Point


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("аб"), st.sampled_from("cd"), st.floats(0, 1)), min_size=2)
)
def test_likeness_hash_and_text_are_those_of_the_standard_library(rows: list[tuple[Any, ...]]) -> None:
    ours, theirs = point(dataclass), point(dataclasses.dataclass)
    mine, other = [ours(*row) for row in rows], [theirs(*row) for row in rows]
    assert list(map(repr, mine)) == list(map(repr, other))
    assert list(map(hash, mine)) == list(map(hash, other))
    assert [a == b for a in mine for b in mine] == [a == b for a in other for b in other]
    assert len(set(mine)) == len(set(other))


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_frozen_one_cannot_be_changed(maker: Any) -> None:
    value = point(maker)(1)
    with pytest.raises(FrozenInstanceError):
        value.x = 2
    with pytest.raises(FrozenInstanceError):
        del value.x
    assert replace(value, x=2) == point_like(value, 2)
    assert value.x == 1


def point_like(value: Any, x: int) -> Any:
    return type(value)(x, value.y, value.secret)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_one_that_may_change_has_no_hash_and_one_without_likeness_is_itself_only(maker: Any) -> None:
    loose = point(maker, frozen=False)
    value = loose(1)
    value.x = 2
    assert value == loose(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
    alone = point(maker, frozen=False, eq=False)
    assert alone(1) != alone(1)
    assert hash(alone(1))


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_others_are_never_alike(maker: Any) -> None:
    first, second = point(maker), point(maker)
    assert first(1) != second(1)
    assert first(1) != (1, "да", "")


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_what_a_class_says_of_itself_stays(maker: Any) -> None:
    @maker(frozen=True, slots=True)
    class Token:
        value: str

        def __repr__(self) -> str:
            return "Token(…)"

    assert repr(Token("secret")) == "Token(…)"


def test_a_class_takes_less_memory() -> None:
    def taken(maker: Any) -> int:
        point(maker)  # what is made once
        tracemalloc.start()
        try:
            kept = [point(maker) for _ in range(20)]
            gc.collect()  # each class is made twice, with slots the second time
            return tracemalloc.get_traced_memory()[0] // len(kept)
        finally:
            tracemalloc.stop()

    assert taken(dataclass) < 0.7 * taken(dataclasses.dataclass)
