"""What an administrator chose on the page inside the portal. Pure.

Two people may choose the lines: an administrator of the portal here, a sysadmin in B24BOT_LINES. Who spoke last is
right: a choice holds as long as the setting is the one that it was made over.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from ..model import Lines
from ..values import dataclass

CHOICE: Final = "choice"  # the name of the fact


@dataclass(frozen=True, slots=True)
class Choice:
    """`number`: grows with every choice. `lines`: all, none, or ids. `over`: the setting that it was made over.

    `is_pending`: nobody chose yet; the application was opened, and no line is touched before 'Install' is pressed.
    """

    number: int
    lines: str
    over: str
    is_pending: bool = False

    @property
    def value(self) -> dict[str, Any]:
        return asdict(self)


def read_choice(value: Any) -> Choice | None:
    """From the fact; None before the first choice."""
    return Choice(**value) if isinstance(value, dict) else None


def is_in_force(choice: Choice | None, setting: Lines) -> bool:
    return choice is not None and choice.over == lines_text(setting)


def lines_in_force(choice: Choice | None, setting: Lines) -> Lines:
    return read_lines(choice.lines) if choice is not None and is_in_force(choice, setting) else setting


def lines_text(lines: Lines) -> str:
    return "all" if lines.all else ",".join(map(str, lines.ids)) or "none"


def read_lines(text: str) -> Lines:
    """The reverse of `lines_text`."""
    if text in ("all", "none"):
        return Lines(all=text == "all")
    return Lines(ids=tuple(map(int, text.split(","))))
