"""What the file of the single-file bot says, however it spells it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from python_bot.archive.former import kind_of, number, read_time

MOSCOW, BERLIN = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Berlin")


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year to seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-05 12:30:15", utc(2024, 3, 5, 9, 30, 15)),
        ("2024-03-05T12:30:15.987654", utc(2024, 3, 5, 9, 30, 15)),
        ("2024-03-05 12:30:15,5", utc(2024, 3, 5, 9, 30, 15)),
        ("2024-03-05T12:30:15+00:00", utc(2024, 3, 5, 12, 30, 15)),
        ("2024-03-05T12:30:15Z", utc(2024, 3, 5, 12, 30, 15)),
        (1709631015, 1709631015),
        (1709631015123.0, 1709631015),
        ("", None),
        (None, None),
        ("вчера", None),
    ],
)
def test_times(value: object, expected: int | None) -> None:
    assert read_time(value, MOSCOW, None) == expected


def test_the_hour_that_comes_twice_is_told_by_the_row_before() -> None:
    first = read_time("2023-10-29 02:50:00", BERLIN, utc(2023, 10, 29, 0, 49))
    assert first == utc(2023, 10, 29, 0, 50)
    assert read_time("2023-10-29 02:10:00", BERLIN, first) == utc(2023, 10, 29, 1, 10)
    assert read_time("2023-10-29 02:49:59", BERLIN, first) == utc(2023, 10, 29, 0, 49, 59)  # a moment out of order
    assert read_time("2023-07-01 02:10:00", BERLIN, first) == utc(2023, 7, 1, 0, 10)


def test_the_zone_of_the_time_counts_not_that_of_today() -> None:
    assert read_time("2012-07-01 12:00:00", MOSCOW, None) == utc(2012, 7, 1, 8)  # +04 then
    assert read_time("2024-07-01 12:00:00", MOSCOW, None) == utc(2024, 7, 1, 9)


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("client", "client"),
        ("", "client"),
        ("Клиент", "client"),
        ("operator", "operator"),
        ("Менеджер по продажам", "operator"),
        ("бот", "bot"),
        ("chat-bot", "bot"),
        ("system", "system"),
    ],
)
def test_roles_are_free_text(role: str, kind: str) -> None:
    assert kind_of(role) == kind


def test_ids_are_numbers_or_digits() -> None:
    assert [number(value) for value in (5, "5", " chat1763 ", "abc", None, b"5", 1.5)] == [
        5, 5, 1763, None, None, None, None,
    ]  # fmt: skip
