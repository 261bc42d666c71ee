"""What a reader asks for, as conditions over `dialogs d` and `messages m`. Pure: text and parameters, no database.

Every order has an index that ends in the key of the row, so a page starts where the cursor says and reads only
what it shows. Conditions on a dialog with few dialogs behind them drive the query; see `pages.messages_feed`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, Literal

from ..model import DialogFilter, DialogOrder, MessageOrder
from ..values import dataclass

MICROSECONDS: Final = 1_000_000
CLOCKS_DIFFER_S: Final = 86_400  # a message is archived after it was sent, but the portal's clock may be ahead


@dataclass(frozen=True, slots=True)
class Order:
    """`keys`: what the rows are ordered by, the last one unique; `down`: newest first."""

    keys: tuple[str, str] | tuple[str]
    down: bool

    @property
    def by(self) -> str:
        return ", ".join(f"{key} DESC" if self.down else key for key in self.keys)

    @property
    def beyond(self) -> str:
        """Rows after the position (:k0, :k1)."""
        sign = "<" if self.down else ">"
        if len(self.keys) == 1:
            return f"{self.keys[0]} {sign} :k0"
        # The first key alone says where to begin: in an index of an expression a pair does not.
        return f"{self.keys[0]} {sign}= :k0 AND ({', '.join(self.keys)}) {sign} (:k0, :k1)"  # values: Conditions.after


_ACTIVITY: Final = "COALESCE(d.last_message_at, d.opened_at)"
DIALOG_ORDERS: Final[dict[DialogOrder, Order]] = {
    "newest": Order(("d.chat_id",), True),
    "oldest": Order(("d.chat_id",), False),
    "active": Order((_ACTIVITY, "d.chat_id"), True),
    "quiet": Order((_ACTIVITY, "d.chat_id"), False),
    "changed": Order(("d.changed", "d.chat_id"), False),
}
_PROPERTIES: Final = ("chat_id", "line_id", "connector_id", "operator_id", "client_id", "status")
# Columns whose index has a value's dialogs in the order: those of properties end in the chat.
_ALONG: Final[dict[DialogOrder, frozenset[str]]] = {
    "newest": frozenset((*_PROPERTIES, "has_files")),
    "oldest": frozenset((*_PROPERTIES, "has_files")),
    "active": frozenset(("activity",)),
    "quiet": frozenset(("activity",)),
    "changed": frozenset(("changed",)),
}
MESSAGE_ORDERS: Final[dict[MessageOrder, Order]] = {
    "changed": Order(("m.changed", "m.message_id"), False),
    "sent_at": Order(("m.sent_at", "m.message_id"), False),
    "-sent_at": Order(("m.sent_at", "m.message_id"), True),
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """SQL conditions joined by AND, with their parameters by name."""

    terms: tuple[str, ...]
    values: dict[str, Any]

    @property
    def sql(self) -> str:
        return " AND ".join(self.terms) or "1"

    def after(self, order: Order, position: tuple[int, ...]) -> Conditions:
        """Only what comes after the position, instead of any former one."""
        terms = tuple(term for term in self.terms if term != order.beyond)
        return Conditions((*terms, order.beyond), {**self.values, **{f"k{i}": key for i, key in enumerate(position)}})

    def and_(self, term: str, **values: Any) -> Conditions:
        return Conditions((*self.terms, term), {**self.values, **values})

    def without_index(self, terms: Collection[str]) -> Conditions:
        """The same rows; these terms choose no index any more."""
        return Conditions(tuple(f"+{term}" if term in terms else term for term in self.terms), self.values)


def of_dialog(wanted: DialogFilter) -> Conditions:
    """Which dialogs: those that were going on in the time, with the line, people and state that were named."""
    terms = list(indexed(wanted).values())
    if wanted.until is not None:
        terms.append("d.opened_at < :until")
    if wanted.has_files is False:
        terms.append("NOT d.has_files")
    if wanted.message_ids is not None:
        of_these = "SELECT m.chat_id FROM json_each(:message_ids) i CROSS JOIN messages m ON m.message_id = i.value"
        terms.append(f"d.chat_id IN ({of_these})")
    return Conditions(tuple(terms), _values(wanted))


def indexed(wanted: DialogFilter) -> dict[str, str]:
    """The conditions on a dialog that have an index each, by its column."""
    found = dict(_properties(wanted))
    if wanted.since is not None:
        found["activity"] = f"{_ACTIVITY} >= :since"
    if wanted.updated_after is not None:
        found["changed"] = "d.changed > :updated_after"
    if wanted.has_files:
        found["has_files"] = "d.has_files"
    return found


def across(wanted: DialogFilter, order: DialogOrder) -> list[str]:
    """Conditions whose index gives the dialogs in another order than the wanted one."""
    return [term for column, term in indexed(wanted).items() if column not in _ALONG[order]]


def of_dialogs_of_messages(wanted: DialogFilter) -> Conditions:
    """The conditions on the dialog that a wanted message stands in."""
    terms = _same_properties(wanted)
    if wanted.has_files:
        terms.append("d.has_files")
    return Conditions(tuple(terms), _values(wanted))


def of_message(wanted: DialogFilter, order: MessageOrder | Literal["message_id"]) -> Conditions:
    """The conditions on the messages themselves."""
    terms: list[str] = []
    values = _values(wanted)
    # `+` keeps a condition from choosing the index: the order does, or every page would sort everything; or the words.
    is_free = wanted.message_ids is None
    sent_at = "m.sent_at" if is_free and order in ("sent_at", "-sent_at") else "+m.sent_at"
    changed = "m.changed" if is_free and order == "changed" else "+m.changed"
    if wanted.since is not None:
        terms.append(f"{sent_at} >= :since")
        if order == "changed":
            terms.append(f"{changed} >= :archived_since")
            values["archived_since"] = (wanted.since - CLOCKS_DIFFER_S) * MICROSECONDS
    if wanted.until is not None:
        terms.append(f"{sent_at} < :until")
    if wanted.updated_after is not None:
        terms.append(f"{changed} > :updated_after")
    if wanted.has_files is not None:
        exists = "EXISTS (SELECT 1 FROM files f WHERE f.message_id = m.message_id)"
        terms.append(exists if wanted.has_files else f"NOT {exists}")
    if wanted.message_ids is not None:
        terms.append("m.message_id IN (SELECT value FROM json_each(:message_ids))")
    return Conditions(tuple(terms), values)


def of_properties(wanted: DialogFilter, without: tuple[str, ...] = ()) -> Conditions:
    """Line, channel, people and state of a dialog, and nothing of its time."""
    named = (term for name, term in _properties(wanted) if name not in without)
    return Conditions(tuple(named), _values(wanted))


def _same_properties(wanted: DialogFilter) -> list[str]:
    return [term for _, term in _properties(wanted)]


def _properties(wanted: DialogFilter) -> list[tuple[str, str]]:
    found = [(name, f"d.{name} = :{name}") for name in _PROPERTIES if getattr(wanted, name) is not None]
    if wanted.line_ids is not None:
        found.append(("line_ids", "d.line_id IN (SELECT value FROM json_each(:line_ids))"))
    if wanted.participant_id is not None:
        takes_part = "SELECT p.chat_id FROM participants p WHERE p.user_id = :participant_id"
        found.append(("participant_id", f"d.chat_id IN ({takes_part})"))
    return found


def _values(wanted: DialogFilter) -> dict[str, Any]:
    return {
        "since": wanted.since,
        "until": wanted.until,
        "chat_id": wanted.chat_id,
        "line_id": wanted.line_id,
        "connector_id": wanted.connector_id,
        "operator_id": wanted.operator_id,
        "client_id": wanted.client_id,
        "status": wanted.status,
        "line_ids": None if wanted.line_ids is None else json.dumps(wanted.line_ids),
        "participant_id": wanted.participant_id,
        "message_ids": None if wanted.message_ids is None else json.dumps(wanted.message_ids),
        "updated_after": None if wanted.updated_after is None else wanted.updated_after * MICROSECONDS,
    }
