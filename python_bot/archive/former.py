"""The archive of the single-file bot, read without changing it.

Tables: `dialogs(id, chat_id, start_time)`, `users(id, user_name, role)`, `dialog_participants(dialog_id, user_id)`,
`messages(id, dialog_chat_id, author_id, message_text, timestamp)`; ids are numbers or texts of digits, times are local.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ..errors import B24BotError
from ..model import AuthorKind
from ..values import dataclass

TABLES: Final = {
    "dialogs": {"id", "chat_id", "start_time"},
    "users": {"id", "user_name", "role"},
    "dialog_participants": {"dialog_id", "user_id"},
    "messages": {"id", "dialog_chat_id", "author_id", "message_text", "timestamp"},
}
MAX_ROW: Final = 2**32
BACKWARDS_S: Final = 300  # rows of one moment may be noted out of order; an hour back is the end of summer time
_KINDS: Final[tuple[tuple[AuthorKind, re.Pattern[str]], ...]] = (
    ("bot", re.compile(r"\bbot|бот", re.IGNORECASE)),
    ("system", re.compile(r"system|систем", re.IGNORECASE)),
    (
        "operator",
        re.compile(r"operator|manager|agent|employee|admin|staff|support|оператор|менеджер|сотрудник|админ", re.I),
    ),
)


class NotTheFormerArchive(B24BotError):
    """Damaged, or not an archive of the single-file bot. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class FormerUser:
    id: int
    name: str
    kind: AuthorKind


@dataclass(frozen=True, slots=True)
class FormerMessage:
    """`row`: its number in the file, which grows with time."""

    row: int
    author_id: int
    text: str
    sent_at: int


@dataclass(frozen=True, slots=True)
class FormerDialog:
    """`opened_at`: None when it cannot be read."""

    chat_id: int
    opened_at: int | None
    user_ids: tuple[int, ...]


class FormerArchive:
    """Open file. `source` is the same for one archive however far it has grown since. Close it after use."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        """Raises NotTheFormerArchive."""
        self._zone = zone
        if not path.is_file():
            raise NotTheFormerArchive(f"{path} is not there", next_step="give the database file of the former bot")
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            self._db.execute("BEGIN")  # the former bot may go on writing
            self._check(path)
        except sqlite3.Error as error:
            raise NotTheFormerArchive(
                f"{path} cannot be read as a database: {error}; nothing was changed",
                next_step="sqlite3 FILE .recover | sqlite3 NEW.db mends what can be mended",
            ) from None
        self.users = {user.id: user for user in self._users()}
        self.unreadable_times = 0

    def _check(self, path: Path) -> None:
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise NotTheFormerArchive(
                f"{path} is damaged: {verdict}; nothing was changed",
                next_step="sqlite3 FILE .recover | sqlite3 NEW.db mends what can be mended",
            )
        for table, wanted in TABLES.items():
            missing = wanted - {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            if missing:
                raise NotTheFormerArchive(
                    f"{path} is no archive of the single-file bot: {table} has no {', '.join(sorted(missing))};"
                    " nothing was changed"
                )
        for table, columns in (
            ("messages", ("id", "dialog_chat_id", "author_id")),
            ("users", ("id",)),
            ("dialogs", ("chat_id",)),
        ):
            for column in columns:
                for (value,) in self._db.execute(f"SELECT DISTINCT {column} FROM {table}"):
                    if number(value) is None and not (column == "author_id" and value in (None, "")):
                        raise NotTheFormerArchive(
                            f"{path}: {table}.{column} holds {value!r}, which is no number of Bitrix24;"
                            " nothing was changed"
                        )
        (highest,) = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM messages").fetchone()
        if number(highest) is None or not 0 <= int(highest) < MAX_ROW:
            raise NotTheFormerArchive(f"{path}: messages.id is beyond {MAX_ROW}; nothing was changed")

    @property
    def source(self) -> bytes:
        first = self._db.execute("SELECT * FROM messages ORDER BY id LIMIT 1").fetchone()
        return blake2b(repr(first).encode(), digest_size=16).digest()

    def count(self) -> int:
        found: int = self._db.execute("SELECT COUNT(*) FROM messages").fetchone()[0]
        return found

    def dialogs(self) -> list[FormerDialog]:
        """In the order of their chats; also those that only messages name."""
        present: dict[int, set[int]] = {}
        opened: dict[int, int | None] = {}
        chat_of: dict[Any, int] = {}
        for row_id, chat, start in self._db.execute("SELECT id, chat_id, start_time FROM dialogs ORDER BY id"):
            chat_id = number(chat) or 0
            chat_of[row_id] = chat_id
            present.setdefault(chat_id, set())
            opened.setdefault(chat_id, read_time(start, self._zone, None))
        for dialog, user in self._db.execute("SELECT dialog_id, user_id FROM dialog_participants"):
            chat = chat_of.get(dialog, number(dialog))
            user_id = number(user)
            if chat in present and user_id:
                present[chat].add(user_id)
        for chat, author in self._db.execute("SELECT DISTINCT dialog_chat_id, author_id FROM messages"):
            found = present.setdefault(number(chat) or 0, set())
            if author_id := number(author):
                found.add(author_id)
        return [FormerDialog(c, opened.get(c), tuple(sorted(u))) for c, u in sorted(present.items()) if c]

    def messages(self, chat_id: int) -> Iterator[FormerMessage]:
        """Of one chat, in the order of the file."""
        at: int | None = None
        for row, author, text, time in self._db.execute(
            "SELECT id, author_id, message_text, timestamp FROM messages WHERE dialog_chat_id IN (?1, ?2, ?3)"
            " ORDER BY id",
            (chat_id, str(chat_id), f"chat{chat_id}"),
        ):
            found = read_time(time, self._zone, at)
            if found is None:
                self.unreadable_times += 1
                found = at or 0
            at = found
            yield FormerMessage(int(row), number(author) or 0, "" if text is None else str(text), at)

    def close(self) -> None:
        self._db.close()

    def _users(self) -> Iterator[FormerUser]:
        for user, name, role in self._db.execute("SELECT id, user_name, role FROM users"):
            yield FormerUser(number(user) or 0, str(name or ""), kind_of(str(role or "")))


def number(value: Any) -> int | None:
    """1763, "1763" or "chat1763" -> 1763."""
    if isinstance(value, int):
        return value
    found = re.fullmatch(r"(?:chat)?([0-9]{1,18})", value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else None


def kind_of(role: str) -> AuthorKind:
    """The former bot's roles are free text; whoever works for the company says so, everybody else is a client."""
    return next((kind for kind, pattern in _KINDS if pattern.search(role)), "client")


def read_time(value: Any, zone: ZoneInfo, after: int | None) -> int | None:
    """A local time as text, or Unix seconds as a number -> Unix seconds; None when it is neither.

    `after`: the time of the row before. It tells which of the two hours is meant when the clocks went back.
    """
    if isinstance(value, int | float):
        return int(value / 1000 if abs(value) > 1e11 else value)
    found: datetime | None = None
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(str(value).strip().replace(",", "."))
    if found is None:
        return None
    if found.tzinfo is not None:
        return int(found.timestamp())
    first, second = (found.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if _is_twice(first) and after is not None and first.timestamp() < after - BACKWARDS_S:
        return int(second.timestamp())
    return int(first.timestamp())


def _is_twice(local: datetime) -> bool:
    """Whether the clocks showed this time twice."""
    before, after = (local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return before > after
