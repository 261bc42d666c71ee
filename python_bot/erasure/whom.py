"""Who is to be forgotten: a client of the portal, or somebody whom only a messenger's chat knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..archive import SqliteErasure
from ..archive.contract import Erased
from ..archive.person import Traces, traces, traces_in_messenger
from ..db import Tx


class Whom(Protocol):
    def facts(self) -> dict[str, Any]:
        """How the person was named, for a program that reads the answer."""

    def chats(self, erasure: SqliteErasure) -> list[int]:
        """The portal's chats that go as a whole."""

    def traces(self, tx: Tx, chats: Sequence[int]) -> Traces: ...

    def erase(self, erasure: SqliteErasure) -> Erased:
        """What is left of the person when these chats are gone."""


@dataclass(frozen=True, slots=True)
class Client:
    """A user of the portal."""

    user_id: int

    def __str__(self) -> str:
        return str(self.user_id)

    def facts(self) -> dict[str, Any]:
        return {"client": self.user_id}

    def chats(self, erasure: SqliteErasure) -> list[int]:
        return erasure.of_client(self.user_id)

    def traces(self, tx: Tx, chats: Sequence[int]) -> Traces:
        return traces(tx, self.user_id, chats)

    def erase(self, erasure: SqliteErasure) -> Erased:
        return Erased(users=erasure.erase_user(self.user_id))


@dataclass(frozen=True, slots=True)
class InMessenger:
    """A chat of one of our accounts that no open line shows: the portal has never heard of it."""

    account_id: int
    chat_id: str

    def __str__(self) -> str:
        return f"the chat {self.chat_id} of account {self.account_id}"

    def facts(self) -> dict[str, Any]:
        return {"account": self.account_id, "chat": self.chat_id}

    def chats(self, erasure: SqliteErasure) -> list[int]:
        return []

    def traces(self, tx: Tx, chats: Sequence[int]) -> Traces:
        return traces_in_messenger(tx, self.account_id, self.chat_id)

    def erase(self, erasure: SqliteErasure) -> Erased:
        return erasure.erase_messenger_chat(self.account_id, self.chat_id)
