"""What was chosen for the portal: lines, where dialogs go, and the people the bot talks to."""

from __future__ import annotations

from typing import Literal

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Handover:
    """Whom a dialog goes to: the line's queue (`operator`), one user, or the queue of another line."""

    kind: Literal["operator", "user", "queue"]
    target_id: int = 0


@dataclass(frozen=True, slots=True)
class Lines:
    """`all` lines (those that no other bot serves), the named ones, or none."""

    all: bool = False
    ids: tuple[int, ...] = ()


BotCommand = Literal["ping", "status", "help"]


@dataclass(frozen=True, slots=True)
class BotChat:
    """The bot's private chat with one employee. Times: Unix seconds, None: never.

    `bot_id`: whose chat it is, 0 before the bot spoke. `chat_id`: None until the portal told it. `wanted`: this person
    may give commands. `greeted_at`, `tested_at`, `answered_at`: when the bot wrote; `asked_at`: when the person did.
    """

    user_id: int
    bot_id: int
    chat_id: int | None
    wanted: bool
    greeted_at: int | None
    tested_at: int | None
    asked_at: int | None
    answered_at: int | None
