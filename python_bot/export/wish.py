"""What somebody wants exported, and what every format takes and gives."""

from __future__ import annotations

from datetime import UTC, timezone
from typing import Any, Final, Literal, Protocol, get_args

from ..model import ANY_DIALOG, DialogFilter
from ..values import dataclass

Format = Literal["jsonl", "csv", "html", "sqlite"]
Language = Literal["ru", "en"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
FOR_PEOPLE: Final[tuple[Format, ...]] = ("csv", "html")  # they have a language, and times of a zone


@dataclass(frozen=True, slots=True)
class Wish:
    """`zone`, `language`: of what people read (`FOR_PEOPLE`). `anonymise`: without the people in it."""

    format: Format
    wanted: DialogFilter = ANY_DIALOG
    zone: timezone = UTC
    language: Language = "ru"
    anonymise: bool = False


class Mask(Protocol):
    """Changes what an export shows. Values are JSON objects of the API; they may be changed in place."""

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message of /api/messages."""

    def conversation(self, conversation: dict[str, Any]) -> dict[str, Any]:
        """What /api/dialogs/<chat_id> tells without its messages: dialog, sessions, participants."""


class NoMask:
    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        return message

    def conversation(self, conversation: dict[str, Any]) -> dict[str, Any]:
        return conversation
