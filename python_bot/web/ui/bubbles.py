"""A conversation as a reader sees it: days, the course of its sessions, bubbles by author. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import dropwhile
from typing import Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup

from ...attachments.naming import content_type, safe_name
from ...values import dataclass
from .clock import Clock
from .markup import shown_name, written

# Of a timeline, what a reader does not see in the bubbles themselves.
EVENTS: Final = ("opened", "handed_over", "handover_refused", "assigned", "transferred", "rated", "closed", "reopened")
_BIG: Final = 3  # a few emoji and nothing else


@dataclass(frozen=True, slots=True)
class File:
    """`shows`: image, audio, video, or "" for what is only offered. `address`: in the portal, "" for none."""

    id: int
    name: str
    size: int
    shows: str
    is_stored: bool
    state: str
    address: str


@dataclass(frozen=True, slots=True)
class Bubble:
    message_id: int
    kind: str
    name: str
    text: Markup
    at: str
    day: str
    day_name: str
    is_exact: bool
    edited_at: str
    deleted_at: str
    is_hidden: bool
    versions: int
    files: tuple[File, ...]
    is_big: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A turn in the course of a session. People by name, lines by number."""

    kind: str
    at: str
    session_id: int | None
    by: str
    whom: str
    giver: str
    line_id: int | None
    rating: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Day:
    name: str
    date: str


Item = Day | Event | Bubble


def bubble(row: Mapping[str, Any], clock: Clock) -> Bubble:
    """One row of `Views.glimpse`."""
    shown = row["shown"]
    author, sent = shown["author"], clock.local(shown["sent_at"])
    text = shown["text"]
    return Bubble(
        shown["message_id"],
        author["kind"],
        shown_name(author["name"], ""),
        written(text, clock.full),
        f"{sent:%H:%M}",
        f"{sent:%Y-%m-%d}",
        clock.day(sent.date()),
        shown["sent_at_exact"],
        clock.full(shown["edited_at"]) if shown["edited_at"] else "",
        clock.full(shown["deleted_at"]) if shown["deleted_at"] else "",
        bool(row["hidden"]),
        row["versions"],
        tuple(_file(file) for file in shown["files"]),
        0 < len(text) <= _BIG and not any(c.isalnum() or c.isascii() for c in text),
    )


def _file(file: Mapping[str, Any]) -> File:
    kind = content_type(file["name"]).partition("/")[0]
    address = file["url"] or ""
    is_safe = urlsplit(address).scheme in ("http", "https")
    is_stored = file["state"] == "stored"
    return File(
        file["id"],
        safe_name(file["name"]),
        file["size"],
        kind if is_stored and kind in ("image", "audio", "video") else "",
        is_stored,
        file["state"],
        address if is_safe and not is_stored else "",
    )


def events(sessions: Iterable[Mapping[str, Any]]) -> list[Event]:
    """What the sessions of a dialog went through, in order."""
    found = [
        Event(
            event["kind"],
            event["at"] or "",
            session["session_id"],
            _person(event["by"]),
            _person(event["to"]),
            _person(event["from"]),
            event["to_line_id"],
            event["rating"],
            event["reason"] or "",
        )
        for session in sessions
        for event in session["events"]
        if event["kind"] in EVENTS
    ]
    return sorted(found, key=lambda event: event.at)


def _person(person: Mapping[str, Any] | None) -> str:
    return shown_name(person["name"], f"№ {person['id']}") if person else ""


class Weaver:
    """Puts the turns of a course between its messages, by time; days stand above what was said in them."""

    def __init__(self, turns: Iterable[Event], clock: Clock, behind: str = "") -> None:
        """`behind`: when the message before the first one was sent; turns up to it stand on an earlier page."""
        self._turns = list(dropwhile(lambda turn: bool(behind) and _comes_first(turn, behind), turns))
        self._clock = clock
        self._place, self._day = 0, ""

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> list[Item]:
        """The next messages, with the turns up to the last of them."""
        items: list[Item] = []
        for row in rows:
            while self._place < len(self._turns) and _comes_first(self._turns[self._place], row["shown"]["sent_at"]):
                self._put_turn(items)
            shown = bubble(row, self._clock)
            self._put(items, shown, shown.day, shown.day_name)
        return items

    def rest(self) -> list[Item]:
        """Turns after the last message."""
        items: list[Item] = []
        while self._place < len(self._turns):
            self._put_turn(items)
        return items

    def _put_turn(self, items: list[Item]) -> None:
        turn = self._turns[self._place]
        self._place += 1
        when = self._clock.local(turn.at)
        self._put(items, turn, f"{when:%Y-%m-%d}", self._clock.day(when.date()))

    def _put(self, items: list[Item], item: Event | Bubble, date: str, name: str) -> None:
        if date != self._day:
            items.append(Day(name, date))
            self._day = date
        items.append(item)


def _comes_first(turn: Event, sent_at: str) -> bool:
    """At the same second a beginning stands before the message, whatever else behind it."""
    return turn.at < sent_at or (turn.at == sent_at and turn.kind in ("opened", "reopened"))
