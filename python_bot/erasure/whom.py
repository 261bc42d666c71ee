"""Who is to be forgotten: a client of the portal, or somebody whom only a messenger knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..archive import Erased, SqliteErasure, outside
from ..archive.outside import Named, Topic
from ..archive.person import Traces, traces, traces_outside
from ..db import Tx
from ..values import dataclass


class Whom(Protocol):
    def facts(self) -> dict[str, Any]:
        """How the person was named, for a program that reads the answer."""

    def chats(self, erasure: SqliteErasure) -> list[int]:
        """The portal's chats that go as a whole."""

    def traces(self, tx: Tx, chats: Sequence[int]) -> Traces: ...

    def topics(self, tx: Tx, chats: Sequence[int]) -> frozenset[Topic]:
        """Where groups of Telegram show what goes."""

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

    def topics(self, tx: Tx, chats: Sequence[int]) -> frozenset[Topic]:
        return outside.topics(tx, outside.of_portal(tx, chats))

    def erase(self, erasure: SqliteErasure) -> Erased:
        return Erased(users=erasure.erase_user(self.user_id))


@dataclass(frozen=True, slots=True)
class InMessenger:
    """The client of a chat that no open line shows: the portal has never heard of them."""

    named: Named

    def __str__(self) -> str:
        what = f"chat {self.named.chat}" if self.named.chat else f"person {self.named.person}"
        return f"the {what} of account {self.named.account_id}"

    def facts(self) -> dict[str, Any]:
        what = {"chat": self.named.chat} if self.named.chat else {"person": self.named.person}
        return {"account": self.named.account_id, **what}

    def chats(self, erasure: SqliteErasure) -> list[int]:
        return []

    def traces(self, tx: Tx, chats: Sequence[int]) -> Traces:
        return traces_outside(tx, self.named)

    def topics(self, tx: Tx, chats: Sequence[int]) -> frozenset[Topic]:
        return outside.topics(tx, outside.named(tx, self.named))

    def erase(self, erasure: SqliteErasure) -> Erased:
        return erasure.erase_outside(self.named)
