"""Times as a reader's clock shows them. Pure; the zone is the browser's own, told in a cookie."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as time_of_day
from functools import lru_cache
from typing import Final

from ...staff.texts import Language
from ...values import dataclass

_OFFSET: Final = re.compile(r"([+-])(\d{2}):([0-5]\d)")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9][A-Za-z0-9_+-]{0,31}){0,2}")
_MIDNIGHT: Final = time_of_day(0)
_MONTHS: Final = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_WEEKDAYS: Final = {
    "ru": ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


def zone_of(name: str) -> tuple[str, tzinfo]:
    """'Europe/Moscow' or '+03:00' -> (the same, the zone); UTC for what is neither."""
    if found := _OFFSET.fullmatch(name):
        minutes = int(found[2]) * 60 + int(found[3])
        if minutes <= 14 * 60:
            return name, timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    elif _ZONE.fullmatch(name) and name != "UTC":
        from zoneinfo import ZoneInfo  # only where somebody looks: an idle instance does without

        try:
            return name, ZoneInfo(name)
        except (KeyError, OSError, ValueError):  # unknown to this machine
            pass
    return "UTC", UTC


@dataclass(frozen=True, slots=True)
class Clock:
    """`now`: Unix seconds."""

    zone_name: str
    zone: tzinfo
    language: Language
    now: int

    def local(self, when: str | int) -> datetime:
        """ISO time of the archive, or Unix seconds; 1970 for what no calendar has."""
        try:
            if isinstance(when, int):
                return datetime.fromtimestamp(when, self.zone)
            return datetime.fromisoformat(when).astimezone(self.zone)
        except (ValueError, OverflowError, OSError):
            return datetime(1970, 1, 1, tzinfo=self.zone)

    def time(self, when: str | int) -> str:
        return f"{self.local(when):%H:%M}"

    def day(self, when: date) -> str:
        """'28 ноября 2026, суббота', 'Saturday, 28 November 2026'."""
        return _named(when, self.language)

    def full(self, when: str | int) -> str:
        """'28.11.2026 14:05', '2026-11-28 14:05'."""
        return f"{self.local(when):{'%d.%m.%Y %H:%M' if self.language == 'ru' else '%Y-%m-%d %H:%M'}}"

    def short(self, when: str | int) -> str:
        """Of a list: the time today, the day in this year, else the date."""
        found, today = self.local(when), self.local(self.now)
        if found.date() == today.date():
            return f"{found:%H:%M}"
        if self.language == "ru":
            return f"{found:%d.%m}" if found.year == today.year else f"{found:%d.%m.%Y}"
        return f"{found.day} {found:%b}" if found.year == today.year else f"{found.day} {found:%b %Y}"

    def offset_s(self) -> int:
        found = self.local(self.now).utcoffset()
        return round(found.total_seconds()) if found else 0

    def begin_of(self, day: date) -> int:
        return self.at(day, _MIDNIGHT)

    def at(self, day: date, hour: time_of_day) -> int:
        return int(datetime.combine(day, hour, self.zone).timestamp())

    def since(self, when: str | int) -> str:
        """How long ago, in one unit: '5 мин', '3 h', '2 d'."""
        seconds = max(0, self.now - int(self.local(when).timestamp()))
        return span(seconds, self.language)


def span(seconds: int, language: Language) -> str:
    """45 -> '45 с', 330 -> '5 мин', 7300 -> '2 ч 1 мин', 200000 -> '2 д 7 ч'."""
    second, minute, hour, day = ("с", "мин", "ч", "д") if language == "ru" else ("s", "min", "h", "d")
    if seconds < 60:
        return f"{seconds} {second}"
    if seconds < 3600:
        return f"{seconds // 60} {minute}"
    if seconds < 86_400:
        rest = seconds % 3600 // 60
        return f"{seconds // 3600} {hour}" + (f" {rest} {minute}" if rest else "")
    rest = seconds % 86_400 // 3600
    return f"{seconds // 86_400} {day}" + (f" {rest} {hour}" if rest else "")


@lru_cache(64)
def _named(when: date, language: Language) -> str:
    weekday = _WEEKDAYS[language][when.weekday()]
    if language == "ru":
        return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {weekday}"
    return f"{weekday}, {when.day} {when:%B} {when.year}"
