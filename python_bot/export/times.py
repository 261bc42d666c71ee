"""Times of the API as people read them. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Final

from .wish import Language

_DAY: Final[dict[Language, str]] = {"ru": "%d.%m.%Y", "en": "%Y-%m-%d"}


def day(moment: datetime, language: Language) -> str:
    return moment.strftime(_DAY[language])


def local(text: str | None, zone: timezone) -> datetime | None:
    """`2026-07-29T08:00:00Z` in the zone of the reader; None stays None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(zone)


def written(text: str | None, zone: timezone, language: Language) -> str:
    """`29.07.2026 11:00:00`; '' when it never happened."""
    moment = local(text, zone)
    return "" if moment is None else f"{day(moment, language)} {moment:%H:%M:%S}"
